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
base_model: {base_model}
train_file: data/processed/train_pairs.jsonl
dev_file: data/processed/dev.jsonl
corpus_file: data/corpus/chunks.jsonl
model_root: {model_root}
learning_rate: 2.0e-05
batch_size: 16
epochs: 2
eval_every: {every}
save_every: {every}
hard_negatives:
  enabled: {hard}
  per_query: 1
seed: {seed}
"""

TRAIN_RETRIEVER = '''\
"""Fine-tune the dense retriever on query-chunk pairs."""

import argparse
import dataclasses
import json
import logging
import shutil
import sys
from pathlib import Path

import yaml

from retrieval.data import read_pairs
from retrieval.evaluate import dev_metrics
from retrieval.ids import current_commit, new_run_id
from retrieval.loop import training_steps

logger = logging.getLogger("train_retriever")


@dataclasses.dataclass
class Settings:
    base_model: str
    learning_rate: float
    batch_size: int
    epochs: int
    eval_every: int
    save_every: int
    hard_enabled: bool
    seed: int


def read_settings(config):
    plain = {key: config[key] for key in
             ("base_model", "learning_rate", "batch_size", "epochs", "eval_every", "save_every", "seed")}
    return Settings(hard_enabled=config["hard_negatives"]["enabled"], **plain)


def train(settings, config, run_dir):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(settings.base_model)
    negatives = config["hard_negatives"]["per_query"] if settings.hard_enabled else 0
    pairs = read_pairs(config["train_file"], negatives)
    logger.info("pairs=%d hard negatives for each=%d", len(pairs), negatives)
    best = {"score": -1.0, "step": None}
    step = 0
    for step, epoch in training_steps(model, pairs, settings):
        if step % settings.eval_every == 0:
            metrics = dev_metrics(model, config)
            path = run_dir / f"eval_epoch{epoch}_steps{step}.json"
            path.write_text(json.dumps(metrics, indent=2))
            logger.info("epoch %d step %d: %s", epoch, step, metrics)
            if metrics["recall@5"] > best["score"]:
                best = {"score": metrics["recall@5"], "step": step}
                model.save(str(run_dir / "checkpoints/best_model"))
                logger.info("new best recall@5=%.4f at step %d, saved to %s/checkpoints/best_model",
                            best["score"], step, run_dir)
        if step % settings.save_every == 0:
            model.save(str(run_dir / f"checkpoints/step_{step}"))
    return model, best, step


def export(model, step, model_root, run_id):
    """The model as training left it, under its own name and as the latest."""
    dated = Path(model_root) / run_id
    model.save(str(dated))
    logger.info("exported final model (step %d) to %s", step, dated)
    latest = dated.parent / "latest"
    if latest.exists():
        shutil.rmtree(latest)
    shutil.copytree(dated, latest)
    logger.info("copied %s to %s", dated, latest)
    return dated


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    args = parser.parse_args()
    config = yaml.safe_load(args.config.read_text())
    config["run_id"] = new_run_id()
    config["git_hash"] = current_commit()

    run_dir = Path("outputs") / config["run_id"]
    run_dir.mkdir(parents=True)
    logging.basicConfig(filename=run_dir / "logs.txt", level=logging.INFO,
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logger.info("started as: %s", " ".join(sys.argv))
    logger.info("run_id=%s git_hash=%s", config["run_id"], config["git_hash"])
    settings = read_settings(config)
    logger.info("%s", settings)
    (run_dir / "train_config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    model, best, last = train(settings, config, run_dir)
    dated = export(model, last, config["model_root"], config["run_id"])
    record = {
        "best_metric": "recall@5",
        "best_score": best["score"],
        "best_step": best["step"],
        "final_step": last,
        "hard_enabled": settings.hard_enabled,
        "model_dir": str(dated),
    }
    (run_dir / "metrics.json").write_text(json.dumps(record, indent=2))


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


def lookup(config, dotted):
    for key in dotted.split("."):
        if not isinstance(config, dict) or key not in config:
            return None
        config = config[key]
    return config


def assign(config, dotted, value):
    *parents, last = dotted.split(".")
    for key in parents:
        config = config.setdefault(key, {})
    config[last] = value


def apply_overrides(config, overrides):
    for override in overrides:
        key, _, value = override.partition("=")
        assign(config, key, yaml.safe_load(value))
    return config


def apply_legacy_keys(config):
    for old, new in LEGACY_KEYS.items():
        value = lookup(config, old)
        if value is not None:
            assign(config, new, value)
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
