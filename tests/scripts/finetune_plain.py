"""Fine-tune a sentence encoder on question-document pairs, and measure it before and after."""

import argparse
import json
import random
from pathlib import Path

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", required=True, help='JSONL of {"question", "document"}')
    parser.add_argument("--output", default="models/finetuned")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=12)
    return parser.parse_args()


def evaluator(pairs: list[dict[str, str]], name: str) -> InformationRetrievalEvaluator:
    queries = {f"q{i}": pair["question"] for i, pair in enumerate(pairs)}
    corpus = {f"d{i}": pair["document"] for i, pair in enumerate(pairs)}
    relevant = {f"q{i}": {f"d{i}"} for i in range(len(pairs))}
    return InformationRetrievalEvaluator(queries, corpus, relevant, name=name, ndcg_at_k=[10], write_csv=False)


def main() -> None:
    args = arguments()
    pairs = [json.loads(line) for line in Path(args.pairs).read_text(encoding="utf-8").splitlines()]
    random.Random(args.seed).shuffle(pairs)
    held_out = len(pairs) // 4
    dev, test, train = pairs[:held_out], pairs[held_out : 2 * held_out], pairs[2 * held_out :]

    model = SentenceTransformer(args.model, device="cpu")
    dataset = Dataset.from_dict(
        {
            "anchor": [pair["question"] for pair in train],
            "positive": [pair["document"] for pair in train],
        }
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir="checkpoints",
            max_steps=args.steps,
            per_device_train_batch_size=args.batch_size,
            learning_rate=5e-5,
            batch_sampler=BatchSamplers.NO_DUPLICATES,
            eval_strategy="steps",
            eval_steps=max(1, args.steps // 2),
            save_strategy="steps",
            save_steps=max(1, args.steps // 2),
            logging_steps=max(1, args.steps // 4),
            load_best_model_at_end=True,
            metric_for_best_model="eval_dev_cosine_ndcg@10",
            seed=args.seed,
            use_cpu=True,
            report_to=[],
        ),
        train_dataset=dataset,
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator(dev, "dev"),
    )
    trainer.train()

    scores = evaluator(test, "test")(model)
    print(f"nDCG@10: {scores['test_cosine_ndcg@10']:.4f}")
    model.save_pretrained(args.output)


if __name__ == "__main__":
    main()
