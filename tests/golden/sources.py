"""The configs and scripts of the project whose tree it is, as somebody wrote them by hand.

They do what the golden audit names: the training selects by recall@5, exports what it ended with, and deletes and rebuilds `latest`;
a run applies the keys of other days after the overrides of its command line. No check runs them.
"""

from __future__ import annotations

BASE = """\
# Shared by all runs of the matrix. What an experiment overrides wins.
data:
  corpus_path: data/corpus/chunks.jsonl
  queries_path: data/processed/test.jsonl
  subsets:
    retrieval_full: null
    retrieval_complex: data/subsets/complex_qids.txt

retriever:
  mode: dense            # dense | bm25 | hybrid
  top_k: 10
  normalize_scores: false
  dense:
    model_name_or_path: {base_model}
    batch_size: 32
  hybrid:
    alpha: 0.5
  index:
    use_faiss: false

query_expansion:
  enabled: false
  max_terms: 5

rerank:
  enabled: false
  model_name_or_path: cross-encoder/ms-marco-MiniLM-L-6-v2
  top_n: 50

multistep:
  enabled: false
  max_steps: 2

calculator:
  enabled: false

eval:
  k_values: [1, 5, 10]

runtime:
  seed: {seed}
  device: cpu
"""

OLD_BASELINE = """\
# First baseline, run by hand: python scripts/run_experiment.py --config configs/run_baseline.yaml
data:
  corpus_path: data/corpus/chunks.jsonl
  queries_path: data/processed/test.jsonl
retriever:
  model_name: {base_model}
mode: dense
top_k: 10
runtime:
  seed: {seed}
"""

OLD_HYBRID = """\
# Before there was a matrix.
data:
  corpus_path: data/corpus/chunks.jsonl
  queries_path: data/processed/test.jsonl

mode: hybrid
alpha: 0.3
top_k: 20

retriever:
  # the one from the hub
  model_name: {base_model}

runtime:
  seed: {seed}
"""

TRAINING = """\
# python scripts/train_retriever.py --config configs/train_retriever.yaml
base_model_name: {base_model}
train_triplets_path: data/processed/train_triplets.jsonl
eval_split_path: data/processed/dev.jsonl
corpus_path: data/corpus/chunks.jsonl
learning_rate: 2.0e-05
batch_size: 16
num_epochs: 2
warmup_ratio: 0.1
eval_every_steps: {every}
save_every_steps: {every}
k_values: [1, 5, 10]
hard_negatives:
  enabled: {hard}
  hard_k: 1
  temperature: 0.05
model_root: {model_root}
seed: {seed}
"""

TRAIN_RETRIEVER = '''\
"""Fine-tune the dense retriever."""

import argparse
import json
import logging
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass

import yaml

from retrieval.data import load_jsonl, training_examples
from retrieval.evaluate import retrieval_metrics
from retrieval.ids import new_run_id

logger = logging.getLogger("train_retriever")


@dataclass
class TrainConfig:
    base_model_name: str
    learning_rate: float
    batch_size: int
    num_epochs: int
    eval_every_steps: int
    save_every_steps: int
    hard_enabled: bool
    hard_k: int
    seed: int


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    return parser.parse_args()


def git_hash():
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()


def main():
    args = parse_args()
    with open(args.config, encoding="utf-8") as f:
        config = yaml.safe_load(f)
    run_id = config.setdefault("run_id", new_run_id())
    config["git_hash"] = git_hash()
    run_dir = os.path.join("outputs", run_id)
    os.makedirs(os.path.join(run_dir, "checkpoints"))
    logging.basicConfig(filename=os.path.join(run_dir, "logs.txt"), level=logging.INFO,
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logger.info("command_line=%s", " ".join(sys.argv))
    logger.info("run_id=%s config_path=%s", run_id, args.config)
    logger.info("seed=%d git_hash=%s", config["seed"], config["git_hash"])
    random.seed(config["seed"])

    hard = config.get("hard_negatives", {})
    train_cfg = TrainConfig(
        base_model_name=config["base_model_name"],
        learning_rate=float(config["learning_rate"]),
        batch_size=int(config["batch_size"]),
        num_epochs=int(config["num_epochs"]),
        eval_every_steps=int(config["eval_every_steps"]),
        save_every_steps=int(config["save_every_steps"]),
        hard_enabled=bool(hard.get("enabled", True)),
        hard_k=int(hard.get("hard_k", 1)),
        seed=int(config["seed"]),
    )
    logger.info("train_cfg=%s", train_cfg)

    from sentence_transformers import SentenceTransformer, losses

    model = SentenceTransformer(train_cfg.base_model_name)
    triplets = load_jsonl(config["train_triplets_path"])
    examples = training_examples(triplets, train_cfg.hard_k if train_cfg.hard_enabled else 0)
    if train_cfg.hard_enabled:
        loss = losses.TripletLoss(model=model)
    else:
        loss = losses.MultipleNegativesRankingLoss(model=model)
    logger.info("train_examples=%d loss=%s", len(examples), type(loss).__name__)

    best_score, best_step, global_step = -1.0, None, 0
    checkpoints = os.path.join(run_dir, "checkpoints")
    for epoch in range(train_cfg.num_epochs):
        for _ in training_steps(model, loss, examples, train_cfg):
            global_step += 1
            if global_step % train_cfg.eval_every_steps == 0:
                metrics = retrieval_metrics(model, config)
                with open(os.path.join(run_dir, f"eval_epoch{epoch}_steps{global_step}.json"), "w") as f:
                    json.dump(metrics, f, indent=2)
                logger.info("eval_epoch%d_steps%d=%s", epoch, global_step, metrics)
                if metrics["recall@5"] > best_score:
                    best_score, best_step = metrics["recall@5"], global_step
                    model.save(os.path.join(checkpoints, "best_model"))
                    logger.info("new best recall@5=%.4f at step %d, saved to %s/best_model",
                                best_score, best_step, checkpoints)
            if global_step % train_cfg.save_every_steps == 0:
                model.save(os.path.join(checkpoints, f"step_{global_step}"))

    model_root = config["model_root"]
    model_dir = os.path.join(model_root, run_id)
    model.save(model_dir)
    logger.info("exported final model (step %d) to %s", global_step, model_dir)

    latest_dir = os.path.join(model_root, "latest")
    if os.path.exists(latest_dir):
        shutil.rmtree(latest_dir)
    shutil.copytree(model_dir, latest_dir)
    logger.info("copied %s to %s", model_dir, latest_dir)

    with open(os.path.join(run_dir, "train_config.yaml"), "w") as f:
        yaml.safe_dump(config, f, sort_keys=False)
    with open(os.path.join(run_dir, "metrics.json"), "w") as f:
        json.dump({"best_metric": "recall@5", "best_score": best_score, "best_step": best_step,
                   "final_step": global_step, "hard_enabled": train_cfg.hard_enabled,
                   "train_examples": len(examples), "model_dir": model_dir}, f, indent=2)


def training_steps(model, loss, examples, train_cfg):
    from retrieval.loop import steps

    yield from steps(model, loss, examples, train_cfg.batch_size, train_cfg.learning_rate)


if __name__ == "__main__":
    main()
'''

RUN_EXPERIMENT = '''\
"""One evaluation run: config, overrides, retrieval on every subset, summary."""

import argparse
import os

import yaml

from retrieval.evaluate import evaluate_subsets

# what a key was called before -> what it is called now
LEGACY_KEYS = {
    "retriever.model_name": "retriever.dense.model_name_or_path",
    "mode": "retriever.mode",
    "alpha": "retriever.hybrid.alpha",
    "top_k": "retriever.top_k",
}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--overrides", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def get_path(config, dotted):
    for key in dotted.split("."):
        if not isinstance(config, dict) or key not in config:
            return None
        config = config[key]
    return config


def set_path(config, dotted, value):
    *parents, last = dotted.split(".")
    for key in parents:
        config = config.setdefault(key, {})
    config[last] = value


def apply_overrides(config, overrides):
    for override in overrides:
        key, _, value = override.partition("=")
        set_path(config, key, yaml.safe_load(value))
    return config


def apply_legacy_keys(config):
    for old, new in LEGACY_KEYS.items():
        value = get_path(config, old)
        if value is not None:
            set_path(config, new, value)
    return config


def resolve_config(path, overrides):
    with open(path, encoding="utf-8") as f:
        config = yaml.safe_load(f)
    config = apply_overrides(config, overrides)
    config = apply_legacy_keys(config)
    return config


def main():
    args = parse_args()
    config = resolve_config(args.config, args.overrides)
    with open(os.path.join(args.run_dir, "config.resolved.yaml"), "w") as f:
        yaml.safe_dump(config, f, sort_keys=False)
    evaluate_subsets(config, args.run_dir)


if __name__ == "__main__":
    main()
'''

RUN_MATRIX = '''\
"""All experiments of a matrix, one after the other."""

import argparse
import json
import os
import subprocess
import sys
from datetime import datetime, timezone

import yaml

from retrieval.ids import new_run_id


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-config", required=True)
    parser.add_argument("--matrix", required=True)
    args = parser.parse_args()
    with open(args.matrix, encoding="utf-8") as f:
        experiments = yaml.safe_load(f)["experiments"]

    matrix_id = new_run_id()
    matrix_dir = f"outputs/{matrix_id}"
    rows = []
    for index, experiment in enumerate(experiments, start=1):
        run_dir = f"{matrix_dir}/runs/{experiment['label']}"
        os.makedirs(run_dir)
        command = [sys.executable, "scripts/run_experiment.py", "--config", args.base_config, "--run-dir", run_dir]
        for override in experiment["overrides"]:
            command += ["--overrides", override]
        status = "ok" if subprocess.run(command).returncode == 0 else "failed"
        rows.append({"index": index, "label": experiment["label"], "tag": experiment["tag"],
                     "run_id": experiment["label"], "status": status, "overrides": experiment["overrides"],
                     "run_dir": run_dir, "summary": f"{run_dir}/summary.json"})

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    matrix = {"matrix_id": matrix_id, "created_at_utc": datetime.now(timezone.utc).isoformat(), "git_hash": commit,
              "base_config": args.base_config, "matrix_config": args.matrix, "experiments": rows}
    with open(f"{matrix_dir}/matrix.json", "w") as f:
        json.dump(matrix, f, indent=2)
    with open(f"{matrix_dir}/experiments_resolved.yaml", "w") as f:
        yaml.safe_dump({"matrix_id": matrix_id, "experiments": rows}, f, sort_keys=False)


if __name__ == "__main__":
    main()
'''
