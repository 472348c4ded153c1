"""Edits of what the runs of a tree did, and of which runs there are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from tests.golden import tree
from tests.golden.edits import document, matching, options, remove, rewrite, root, substitute
from tests.golden.tree import Experiment


def added(matrix: Path, one: Experiment) -> None:
    """One more run at the end of the matrix."""
    known = options(matrix)
    place = tree.run(root(matrix), known, one, f"outputs/{matrix.name}/runs", known.at)
    for name in ("matrix.json", "experiments_resolved.yaml"):
        rewrite(
            matrix / name,
            lambda content: content["experiments"].append(tree.row(known, one, len(content["experiments"]) + 1, place)),
        )
    asked = {"label": one.label, "tag": one.tag, "overrides": known.overrides(one)}
    rewrite(root(matrix) / "configs/retriever_matrix.yaml", lambda content: content["experiments"].append(asked))


def measured(matrix: Path, run: str, hits: int) -> None:
    """Another result of a run, in its summary, its metrics and both logs."""
    folder = matrix / "runs" / run
    metrics = tree.means(hits, options(matrix).queries)
    rewrite(folder / "summary.json", lambda content: content.update(metrics=metrics))
    rewrite(folder / "metrics.json", lambda content: content.update(metrics))
    for subset, values in metrics.items():
        _sub(folder / "logs.txt", rf"{subset} recall@10=\S+", f"{subset} recall@10={values['recall@10']:.4f}")
    _sub(
        folder.with_name(f"{run}_retrieval_full") / "logs.txt",
        r"retrieval_full=\{.*",
        f"retrieval_full={metrics['retrieval_full']}",
    )


def _sub(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, lambda _: new, path.read_text())
    if not count:
        raise ValueError(f"{path.name}: nothing like {pattern}")
    tree.write(path, text)


def disagreeing(matrix: Path, run: str, hits: int) -> None:
    """A run whose `metrics.json` says another result than its summary."""
    metrics = tree.means(hits, options(matrix).queries)
    rewrite(matrix / "runs" / run / "metrics.json", lambda content: content.update(metrics))


def loaded(matrix: Path, run: str, model: str) -> None:
    """The log of a run names another model than its config, or the same one otherwise (absolute, `./`, short)."""
    _sub(
        matrix / f"runs/{run}_retrieval_full/logs.txt",
        r"Load pretrained SentenceTransformer: .*",
        f"Load pretrained SentenceTransformer: {model}",
    )


def reranker_loaded(matrix: Path, run: str) -> None:
    """The log of a run names a second model, which reranks: no other retriever."""
    config = document(matrix / "runs" / run / "config.resolved.yaml")
    line = f"sentence_transformers.CrossEncoder: Load pretrained CrossEncoder: {config['rerank']['model_name_or_path']}"
    with (matrix / f"runs/{run}_retrieval_full/logs.txt").open("a") as file:
        file.write(tree.log(options(matrix).at, [line]))


def configured_model_logged(matrix: Path, run: str) -> None:
    """The log of a run repeats the model of its config, as it would where no model is loaded."""
    config = document(matrix / "runs" / run / "config.resolved.yaml")["retriever"]
    said = f"retrieval.evaluate: configured: model={config['dense']['model_name_or_path']} mode={config['mode']}"
    with (matrix / f"runs/{run}_retrieval_full/logs.txt").open("a") as file:
        file.write(tree.log(options(matrix).at, [said]))


def failed(matrix: Path, run: str) -> None:
    """A run that died: its status says so, it has no results, its log ends in a traceback."""
    for name in ("matrix.json", "experiments_resolved.yaml"):
        rewrite(
            matrix / name,
            lambda content: [row.update(status="failed") for row in content["experiments"] if row["run_id"] == run],
        )
    remove(matrix, *(f"outputs/{matrix.name}/runs/{run}/{name}" for name in ("summary.json", "metrics.json")))
    with (matrix / f"runs/{run}_retrieval_full/logs.txt").open("a") as file:
        file.write("Traceback (most recent call last):\nMemoryError: Unable to allocate 3.39 GiB\n")


def at_commit(matrix: Path, run: str, commit: str) -> None:
    """A run that was made at another commit than its matrix."""
    for name in ("git_commit.txt", "summary.json", "logs.txt"):
        _sub(matrix / "runs" / run / name, document(matrix / "matrix.json")["git_hash"], commit)


def seeded(matrix: Path, run: str, seed: int) -> None:
    """A run with another seed."""
    for name in ("config.yaml", "config.resolved.yaml"):
        rewrite(matrix / "runs" / run / name, lambda content: content["runtime"].update(seed=seed))
    rewrite(matrix / "runs" / run / "summary.json", lambda content: content.update(seed=seed))
    _sub(matrix / "runs" / run / "logs.txt", r"seed=\d+", f"seed={seed}")


def per_query(matrix: Path) -> None:
    """`per_query_metrics.jsonl` below each run: a row a query, whose means are the summary's."""
    for summary in matching(matrix, (f"outputs/{matrix.name}/runs/*/summary.json",)):
        said = document(summary)["metrics"]["retrieval_full"]
        count = said["num_queries"]
        rows = []
        for query, rank in enumerate(tree.ranks(round(said["recall@10"] * count), count)):
            values = tree.measures([rank])
            del values["num_queries"]
            rows.append(json.dumps({"query_id": f"q{query:04d}", **values}) + "\n")
        tree.write(summary.with_name("per_query_metrics.jsonl"), "".join(rows))


def legacy_key_won(matrix: Path) -> None:
    """The base config holds the old key of the model too; applied last, it won over every override: all runs loaded the base model."""
    substitute(
        matrix, "  dense:\n", f"  model_name: {tree.BASE_MODEL}  # for the old scripts\n  dense:\n", "configs/base.yaml"
    )
    rows = document(matrix / "matrix.json")["experiments"]
    reference = next(row["run_id"] for row in rows if f"{tree.MODEL_KEY}={tree.BASE_MODEL}" in row["overrides"])
    base = document(matrix / "runs" / reference / "summary.json")["metrics"]["retrieval_full"]
    for row in rows:
        folder = matrix / "runs" / row["run_id"]
        mode = document(folder / "config.resolved.yaml")["retriever"]["mode"]
        rewrite(folder / "config.yaml", lambda content: content["retriever"].update(model_name=tree.BASE_MODEL))
        rewrite(
            folder / "config.resolved.yaml",
            lambda content: (
                content["retriever"].update(model_name=tree.BASE_MODEL),
                content["retriever"]["dense"].update(model_name_or_path=tree.BASE_MODEL),
            ),
        )
        if mode != "bm25":
            loaded(matrix, row["run_id"], tree.BASE_MODEL)
        if mode == "dense":
            measured(matrix, row["run_id"], round(base["recall@10"] * base["num_queries"]))


def second_matrix(matrix: Path, matrix_id: str, *experiments: Experiment) -> Path:
    """Another matrix beside the first, by default with its first three runs again. Returns its folder."""
    known = replace(options(matrix), matrix_id=matrix_id, experiments=experiments or tree.TEN[:3])
    return tree.matrix(root(matrix), known)


def loose_run(matrix: Path, run: str = "seal_mvp02") -> Path:
    """A run of its own directly below `outputs/`, on `latest`. Returns its folder."""
    known = options(matrix)
    return root(matrix) / tree.run(root(matrix), known, Experiment(run, "loose", 216), "outputs", known.at)
