"""Fine-tunes a sentence encoder with in-batch negatives; development queries choose the best step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sealkit.finding import UsageError
from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stages.common import encoder, ranking, scores
from sealkit.stages.common.encoder import Encoder
from sealkit.stages.common.scores import Measure


class Finetune(Params):
    """`dev_documents` bounds the development documents of each of the `evaluations`, spread evenly over the steps."""

    loss: Literal["mnr"] = "mnr"
    epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    max_seq_length: int | None = Field(default=None, ge=4)
    max_pairs: int | None = Field(default=None, ge=2)
    evaluations: int = Field(default=3, ge=1)
    dev_documents: int = Field(default=400, ge=2)
    select_by: Measure = "nDCG@10"


def run(inputs: Mapping[str, Input], params: Finetune, out: Out, ctx: Context) -> None:
    model = encoder.load(inputs["base"], ctx, params.max_seq_length)
    pairs = _pairs(inputs, params)
    history = _train(model, pairs, _Dev(inputs, params), params, out["model"], ctx)
    out.rows("metric_history", history)
    key = f"retrieval/dev/{params.select_by}"
    evaluations = [row for row in history if row["key"] == key]
    best = max(evaluations, key=lambda row: (row["value"], -row["step"]))
    selection = {"metric": key, "direction": "higher", "step": best["step"], "value": best["value"]}
    last = evaluations[-1]["step"]
    for role, step in (("best", best["step"]), ("final", last)):
        shutil.copytree(out["model"] / f"step_{step}", out["model"] / role)
    for folder in sorted(out["model"].iterdir()):
        role = folder.name.split("_")[0]
        step = int(folder.name[5:]) if role == "step" else selection["step"] if role == "best" else last
        out.manifest(folder, "model_manifest", _manifest(role, step, inputs["base"], selection, params, ctx))
    losses = [row["value"] for row in history if row["key"] == "train/loss"]
    if losses:
        ctx.metrics["train/loss"] = losses[-1]
    ctx.counters |= {"train_pairs": len(pairs), "steps": last}
    ctx.facts |= {"best_step": selection["step"], "selected_by": key}


def _manifest(role: str, step: int, base: Input, selection: Any, params: Finetune, ctx: Context) -> dict[str, Any]:
    return {
        "role": role,
        "step": step,
        "exported_to": None,
        "base": {"name": base.name, "weights": base.digest},
        "training": {
            "run_id": ctx.run_id,
            "commit": ctx.commit,
            "loss": params.loss,
            "hard_negatives": False,
            "purpose": ctx.purpose,
            "seed": ctx.seed,
        },
        "selection": selection,
    }


def _pairs(inputs: Mapping[str, Input], params: Finetune) -> list[tuple[str, str]]:
    """(query, relevant document) of every positive judgment of the training split."""
    queries = {row["query_id"]: row["text"] for row in inputs["train_queries"].rows()}
    documents = {row["doc_id"]: encoder.document(row) for row in inputs["train_corpus"].rows()}
    found = [
        (queries[row["query_id"]], documents[row["doc_id"]])
        for row in inputs["train_qrels"].rows()
        if row["relevance"] > 0 and row["query_id"] in queries and row["doc_id"] in documents
    ]
    if len(found) < 2:
        raise UsageError(
            f"the training split holds {len(found)} usable pairs, in-batch negatives need 2", "check train_qrels"
        )
    return found[: params.max_pairs]


class _Dev:
    """The development split: at most `dev_documents` documents, and the queries that they answer."""

    def __init__(self, inputs: Mapping[str, Input], params: Finetune) -> None:
        rows = [row for _, row in zip(range(params.dev_documents), inputs["dev_corpus"].rows(), strict=False)]
        self.ids = [row["doc_id"] for row in rows]
        self.documents = [encoder.document(row) for row in rows]
        kept, self.qrels = set(self.ids), {}
        for row in inputs["dev_qrels"].rows():
            if row["doc_id"] in kept:
                self.qrels.setdefault(row["query_id"], {})[row["doc_id"]] = row["relevance"]
        texts = {row["query_id"]: row["text"] for row in inputs["dev_queries"].rows()}
        self.queries = [(query, texts[query]) for query in self.qrels if query in texts]
        self.measure = params.select_by
        if not self.queries:
            raise UsageError("no development query has a judged document", "check dev_qrels, or raise dev_documents")

    qrels: dict[str, dict[str, int]]

    def score(self, model: Encoder) -> float:
        """The mean of the measure over the development queries."""
        vectors = model.encode(self.documents, model.prompt("document"))
        asked = model.encode([text for _, text in self.queries], model.prompt("query"))
        found = ranking.ranked(ranking.exact(asked, vectors), self.ids, 100)
        lines = (
            (query, doc, rank)
            for (query, _), pairs in zip(self.queries, found, strict=True)
            for rank, (doc, _) in enumerate(pairs, 1)
        )
        values = scores.per_query([self.measure], lines, self.qrels)[self.measure]
        return sum(values.values()) / len(values)


def _train(
    model: Encoder, pairs: list[tuple[str, str]], dev: _Dev, params: Finetune, folder: Path, ctx: Context
) -> list[dict[str, Any]]:
    """Train in place; a folder `step_N` for each evaluated step. Returns the rows of the metric history."""
    import tempfile

    from datasets import Dataset, disable_progress_bars
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    disable_progress_bars()
    model.model.model_card_data.widget = [{}]  # else examples for a model card are drawn, from the seeded stream
    history: list[dict[str, Any]] = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            total = state.max_steps
            self.evaluate_at = {max(1, round(total * i / params.evaluations)) for i in range(1, params.evaluations + 1)}

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                history.append(_row(state, "train/loss", float(logs["loss"])))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ctx.progress("training", state.global_step, state.max_steps)
            if state.global_step in self.evaluate_at:
                import torch

                # Evaluating draws no random numbers of the training's stream, whatever the model does.
                with torch.random.fork_rng(devices=[]):
                    model.model.eval()
                    value = dev.score(model)
                    model.model.train()
                history.append(_row(state, f"retrieval/dev/{dev.measure}", value))
                model.model.save_pretrained(str(folder / f"step_{state.global_step}"), create_model_card=False)

    data = Dataset.from_dict({"anchor": [query for query, _ in pairs], "positive": [document for _, document in pairs]})
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            num_train_epochs=params.epochs,
            per_device_train_batch_size=params.batch_size,
            learning_rate=params.learning_rate,
            warmup_steps=params.warmup_ratio,
            batch_sampler=BatchSamplers.NO_DUPLICATES,
            seed=ctx.seed,
            data_seed=ctx.seed,
            use_cpu=str(model.model.device) == "cpu",
            save_strategy="no",
            eval_strategy="no",
            logging_steps=max(1, len(pairs) * params.epochs // params.batch_size // 20),
            prompts={"anchor": model.prompt("query"), "positive": model.prompt("document")},
            report_to=[],
            disable_tqdm=True,
        )
        trainer = SentenceTransformerTrainer(
            model=model.model,
            args=arguments,
            train_dataset=data,
            loss=MultipleNegativesRankingLoss(model.model),
            callbacks=[Watch()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.train()
    return history


def _row(state: Any, key: str, value: float) -> dict[str, Any]:
    return {"step": int(state.global_step), "epoch": round(float(state.epoch), 6), "key": key, "value": value}


STAGE = Stage(
    title="Fine-tune with in-batch negatives",
    params=Finetune,
    inputs={
        "base": "model_manifest/v1",
        **{f"{split}_{kind}": f"{kind}/v1" for split in ("train", "dev") for kind in ("corpus", "queries", "qrels")},
    },
    outputs={"model": "model_manifest/v1", "metric_history": "metric_history/v1"},
    run=run,
    libraries=("sentence-transformers", "transformers", "torch", "tokenizers", "accelerate", "datasets", "ir-measures"),
)
