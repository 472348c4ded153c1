"""Edits of how a tree is written: other formats, orders, wordings and keys for what it says."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden import tree
from tests.golden.edits import document, matching, options, rewrite, root, substitute

# Other wordings of the line that names the model. `{head}` is what `logging` writes before the message.
WORDINGS = (
    "{head} Loading retriever model from {model}",
    "[INFO] model={model}",
    "{head} encoder={model} device=cpu batch_size=32",
    "{head} dense retriever: loaded '{model}' (384 dimensions)",
)
_LOADED = re.compile(r"^(?P<head>.*? INFO \S+:) Load pretrained SentenceTransformer: (?P<model>\S+)$", re.MULTILINE)


def indented(matrix: Path, spaces: int | None) -> None:
    """Every JSON file of the outputs with another indent; None: on one line."""
    for path in sorted(root(matrix).glob("outputs/**/*.json")):
        tree.write(path, tree.as_json(document(path), spaces))


def carriage_returns(matrix: Path) -> None:
    """Lines end as on Windows in every text file."""
    for path in _texts(matrix):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def backslashes(matrix: Path) -> None:
    """Paths as a Windows shell gives them, in `matrix.json` and in the logs of the runs."""
    rewrite(
        matrix / "matrix.json",
        lambda content: [
            row.update({key: row[key].replace("/", "\\") for key in ("run_dir", "summary")})
            for row in content["experiments"]
        ],
    )
    for path in matrix.glob("runs/*/logs.txt"):
        text = path.read_text()
        tree.write(path, re.sub(r"\b(?:models|outputs|scripts|configs)/\S+", lambda at: at[0].replace("/", "\\"), text))


def shuffled(matrix: Path, seed: int = 1) -> None:
    """Experiments and keys in another order, in every JSON and YAML file of the matrix and its runs."""
    chance = random.Random(seed)

    def other_order(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            chance.shuffle(keys)
            return {key: other_order(value[key]) for key in keys}
        return [other_order(item) for item in value] if isinstance(value, list) else value

    for path in sorted([*matrix.rglob("*.json"), *matrix.rglob("*.yaml")]):
        content = other_order(document(path))
        if "experiments" in content:
            chance.shuffle(content["experiments"])
        tree.write(path, tree.as_json(content) if path.suffix == ".json" else tree.as_yaml(content))


def worded(matrix: Path, wording: str) -> None:
    """The line that names the loaded model in other words: one of `WORDINGS`."""
    for path in matching(matrix, (f"outputs/{matrix.name}/runs/*_retrieval_full/logs.txt",)):
        tree.write(path, _LOADED.sub(lambda at: wording.format(**at.groupdict()), path.read_text()))


def keyed(matrix: Path, key: str) -> None:
    """The model under another dotted key: in configs, overrides and command lines. Not in the scripts."""
    configs = [root(matrix) / "configs/base.yaml", *matrix.glob("runs/*/config*.yaml")]

    def move(content: dict[str, Any]) -> None:
        value = content["retriever"]["dense"].pop("model_name_or_path")
        tree.set_key(content, key, value)

    for path in configs:
        rewrite(path, move)
    places = ("configs/retriever_matrix.yaml", f"outputs/{matrix.name}/*", f"outputs/{matrix.name}/runs/*/logs.txt")
    substitute(matrix, f"{tree.MODEL_KEY}=", f"{key}=", *places)


def one_level_down(matrix: Path) -> None:
    """Summaries whose measures have moved: `metrics.<subset>.scores.<measure>`."""

    def move(content: dict[str, Any]) -> None:
        content["metrics"] = {subset: {"scores": values} for subset, values in content["metrics"].items()}

    for path in matrix.glob("runs/*/summary.json"):
        rewrite(path, move)


def talkative(matrix: Path) -> None:
    """A runner that records more: the command, further paths, and overrides that only place a run, so that no two runs agree in all."""

    def add(content: dict[str, Any]) -> None:
        content |= {"matrix_dir": f"outputs/{matrix.name}", "runs_root": f"outputs/{matrix.name}/runs"}
        for row in content["experiments"]:
            row["overrides"] += [f"output_dir=outputs/{matrix.name}/runs", f"run_id={row['run_id']}"]
            given = [part for override in row["overrides"] for part in ("--overrides", override)]
            row["command"] = ["python", "scripts/run_experiment.py", "--config", content["base_config"], *given]
            row["logs"] = f"{row['run_dir']}/logs.txt"
            row["key_config"] = {"seed": seed, "retriever_mode": row["overrides"][0].partition("=")[2]}

    seed = options(matrix).seed
    rewrite(matrix / "matrix.json", add)
    rows = document(matrix / "matrix.json")["experiments"]
    kept = ("label", "tag", "run_id", "status", "run_dir", "summary", "overrides")
    resolved = [{key: row[key] for key in kept} | row["key_config"] for row in rows]
    rewrite(matrix / "experiments_resolved.yaml", lambda content: content.update(experiments=resolved))


def _texts(matrix: Path) -> Iterator[Path]:
    for pattern in ("configs/*", "scripts/*", "outputs/**/*.json", "outputs/**/*.yaml", "outputs/**/*.txt"):
        yield from sorted(root(matrix).glob(pattern))
