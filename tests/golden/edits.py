"""What may be otherwise in a tree like the golden one: edits of a built tree, one thing each.

Every edit takes the folder of the matrix, finds what it needs in the tree, and can follow others; how it is written comes last. An
edit that finds nothing to change raises an error, so that no test stands on one that did nothing. The edits lie in `dialects` (how it is
written), `runs` (what the runs did) and `provenance` (models, trainings, commits); what goes missing is `remove` here.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.golden import tree
from tests.golden.tree import Experiment, Training, Tree

# Options of `tree.build` that share no id, label, order or number with the golden tree.
OTHERWISE: dict[str, Any] = {
    "matrix_id": "seal-2025-w40",
    "matrix_commit": "9d4e1f0a7b3c5286d90e1f2a3b4c5d6e7f809112",
    "audit_commit": "1c0ffee2d3b4a5968778695a4b3c2d1e0f102938",
    "at": datetime(2025, 10, 2, 6, 5, 4),
    "model_name": "e5_tuned",
    "experiments": (
        Experiment("tuned_rerank", "ablation", 151, switches=("rerank.enabled=true",), run_id="1002_061201"),
        Experiment("tuned", "main", 148, run_id="1002_060504"),
        Experiment("lexical", "main", 97, mode="bm25", model=None, run_id="1002_0605"),
        Experiment("untuned", "reference", 120, model="base", run_id="1002_070000"),
        Experiment("tuned_expand", "ablation", 148, switches=("query_expansion.enabled=true",), run_id="1002_064455"),
    ),
    "training": Training(
        id="ft-mnr-3",
        commit="77aa0b1c2d3e4f5061728394a5b6c7d8e9f00112",
        at=datetime(2025, 9, 30, 21, 14, 0),
        queries=310,
        scores=((90, 121, 150), (94, 133, 152), (95, 140, 149), (93, 139, 160), (92, 131, 158)),
    ),
    "queries": 401,
    "seed": 1337,
}


def root(matrix: Path) -> Path:
    """The workspace of a matrix."""
    return matrix.parent.parent


def model_root(matrix: Path) -> Path:
    """The folder that holds the exported models and `latest`."""
    return next(root(matrix).glob("models/*/latest")).parent


def trainings(matrix: Path) -> list[Path]:
    """The folders of the trainings, sorted."""
    return sorted(path.parent for path in root(matrix).glob("outputs/*/train_config.yaml"))


def document(path: Path) -> Any:
    """What a JSON or YAML file holds."""
    return json.loads(path.read_bytes()) if path.suffix == ".json" else yaml.safe_load(path.read_bytes())


def rewrite(path: Path, change: Callable[[Any], object]) -> None:
    """Change what a JSON or YAML file holds in place. JSON keeps its indent, YAML loses its comments."""
    content = document(path)
    change(content)
    if path.suffix == ".json":
        first = re.search(rb"^( +)", path.read_bytes(), re.MULTILINE)
        tree.write(path, tree.as_json(content, len(first[1]) if first else None))
    else:
        tree.write(path, tree.as_yaml(content))


def matching(matrix: Path, patterns: tuple[str, ...]) -> list[Path]:
    """What lies in the workspace under these globs, relative to it; each must find something."""
    found = {pattern: sorted(root(matrix).glob(pattern)) for pattern in patterns}
    for pattern, paths in found.items():
        if not paths:
            raise ValueError(f"{pattern}: nothing there")
    return [path for paths in found.values() for path in paths]


def remove(matrix: Path, *patterns: str) -> None:
    """Delete files and folders. `patterns`: globs relative to the workspace."""
    for path in matching(matrix, patterns):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # it may have gone with its folder


def substitute(matrix: Path, old: str, new: str, *patterns: str) -> None:
    """Replace a text in every file where it stands. `patterns`: globs relative to the workspace."""
    with_it = [path for path in matching(matrix, patterns) if path.is_file() and old.encode() in path.read_bytes()]
    if not with_it:
        raise ValueError(f"`{old}` stands in none of {patterns}")
    for path in with_it:
        path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))


def options(matrix: Path) -> Tree:
    """As much of its options as a built tree tells, enough to write another run of it."""
    said = document(matrix / "matrix.json")
    summary = document(next(matrix.glob("runs/*/summary.json")))
    return Tree(
        matrix_id=matrix.name,
        matrix_commit=said["git_hash"],
        at=datetime.fromisoformat(said["created_at_utc"]).replace(tzinfo=None, microsecond=0),
        model_name=model_root(matrix).name,
        queries=summary["metrics"]["retrieval_full"]["num_queries"],
        seed=summary["seed"],
    )
