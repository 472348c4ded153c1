"""Edits of what a tree's runs stand on: models, trainings, commits."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.golden import models, runs, tree
from tests.golden.edits import document, matching, model_root, rewrite, root, substitute, trainings
from tests.golden.tree import Experiment, Training, Tree

# The base model, which is not in the tree.
_HUB_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def file_digest(folder: Path) -> str:
    """The SHA-256 of a model's weights file, in hex: what `sha256sum model.safetensors` prints."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def digests(
    matrix: Path, prefix: str = "", wrong: tuple[str, ...] = (), of: Callable[[Path], str] = file_digest
) -> None:
    """`model_sha256` in every experiment: of what its model's folder holds now; null where no model is loaded. `prefix`: `sha256:`,
    or nothing for plain hex. `wrong`: the runs whose digest is another model's. `of`: the hex digest of a model's folder."""

    def add(content: dict[str, Any]) -> None:
        for row in content["experiments"]:
            config = document(matrix / "runs" / row["run_id"] / "config.resolved.yaml")["retriever"]
            name = config["dense"]["model_name_or_path"]
            found = of(root(matrix) / name) if (root(matrix) / name).is_dir() else _HUB_DIGEST
            if row["run_id"] in wrong:
                found = hashlib.sha256(found.encode()).hexdigest()
            row["model_sha256"] = None if config["mode"] == "bm25" else prefix + found

    rewrite(matrix / "matrix.json", add)


def same_commit(matrix: Path) -> None:
    """Trained, evaluated and audited at one commit, the matrix's."""
    commit = document(matrix / "matrix.json")["git_hash"]
    for training in trainings(matrix):
        trained = document(training / "train_config.yaml")["git_hash"]
        substitute(matrix, trained, commit, f"outputs/{training.name}/*")
    tree.write(root(matrix) / ".git/HEAD", commit + "\n")


def history(matrix: Path) -> tuple[str, str, str]:
    """A real repository: the training, the matrix and the audit each at a commit of one line. Returns the three commits."""
    top = root(matrix)
    shutil.rmtree(top / ".git")
    _git(top, "init", "-q", "-b", "main")
    commits = []
    for day, name in enumerate(("training", "matrix", "audit"), 1):
        tree.write(top / "NOTES.md", f"{name}\n")
        _git(top, "add", ".")
        _git(top, "commit", "-q", "-m", name, day=day)
        commits.append(_git(top, "rev-parse", "HEAD"))
    for training in trainings(matrix):
        trained = document(training / "train_config.yaml")["git_hash"]
        substitute(matrix, trained, commits[0], f"outputs/{training.name}/*")
    said = document(matrix / "matrix.json")["git_hash"]
    substitute(matrix, said, commits[1], f"outputs/{matrix.name}/*", f"outputs/{matrix.name}/runs/*/*")
    return commits[0], commits[1], commits[2]


def _git(folder: Path, *arguments: str, day: int = 1) -> str:
    at = f"2026-02-{day:02d}T12:00:00+00:00"
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at,
        "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
    }  # fmt: skip
    called = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | own, check=True, capture_output=True, text=True
    )
    return called.stdout.strip()


def linked(matrix: Path) -> None:
    """`latest` is a symbolic link to the dated folder with the same weights."""
    dated = dated_export(matrix)
    shutil.rmtree(dated.with_name("latest"))
    dated.with_name("latest").symlink_to(dated.name, target_is_directory=True)


def dated_export(matrix: Path) -> Path:
    """The dated folder that `latest` is a copy of."""
    latest = model_root(matrix) / "latest"
    return next(
        folder
        for folder in sorted(model_root(matrix).iterdir())
        if folder.name != "latest" and file_digest(folder) == file_digest(latest)
    )


def retrained(matrix: Path) -> str:
    """A later training has rebuilt `latest` since the matrix ran. Returns its id."""
    one = Training(
        id="20260305_112233_e4c1d9",
        commit="e4c1d95b6a7f80912a3b4c5d6e7f8091a2b3c4d5",
        at=datetime(2026, 3, 5, 11, 22, 33),
        scores=((55, 90, 108), (57, 93, 111)),
    )
    known = Tree(model_name=model_root(matrix).name)
    shutil.rmtree(model_root(matrix) / "latest")
    tree.training(root(matrix), known, one)
    return one.id


def replaced(matrix: Path) -> None:
    """Somebody put other weights into `latest`, which no training of this workspace made."""
    models.model(model_root(matrix) / "latest", "from elsewhere")


def left_in_storage(matrix: Path) -> None:
    """The exported models' weights are Git LFS pointers: a clone without the content."""
    for path in _weights(matrix):
        content = path.read_bytes()
        oid = hashlib.sha256(content).hexdigest()
        said = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
        tree.write(path, said)


def pickled(matrix: Path) -> None:
    """The exported models' weights are in the older format of torch, which cannot be read without running it."""
    for path in _weights(matrix):
        path.write_bytes(b"\x80\x02}q\x00" + path.read_bytes() + b".")
        path.rename(path.with_name("pytorch_model.bin"))


def _weights(matrix: Path) -> list[Path]:
    return matching(matrix, ("models/*/*/model.safetensors",))


def hard_negatives_trained(matrix: Path) -> str:
    """An earlier training with hard negatives, and a run on the model that it exported. Returns the training's id."""
    one = Training(
        id="20260128_221503_5f0d2e",
        commit="5f0d2e8c9b7a6f5e4d3c2b1a0f9e8d7c6b5a4938",
        at=datetime(2026, 1, 28, 22, 15, 3),
        hard=True,
        scores=((56, 91, 104), (58, 94, 106), (55, 92, 107)),
        latest=False,
    )
    name = model_root(matrix).name
    tree.training(root(matrix), Tree(model_name=name), one)
    runs.added(matrix, Experiment("m11", "hn_ft", 221, model=f"models/{name}/{one.id}"))
    return one.id


def hard_negatives_claimed(matrix: Path) -> None:
    """The configs of the trainings say that hard negatives are on; record and log still say that they were off."""
    for training in trainings(matrix):
        rewrite(training / "train_config.yaml", lambda content: content["hard_negatives"].update(enabled=True))


def last_evaluation_unnumbered(matrix: Path) -> None:
    """The last evaluation of each training came at the end of an epoch, which the library calls step -1."""
    for training in trainings(matrix):
        evaluations = {int(path.stem.rpartition("steps")[2]): path for path in training.glob("eval_epoch*_steps*.json")}
        last = evaluations[max(evaluations)]
        last.rename(last.with_name(re.sub(r"steps\d+", "steps-1", last.name)))
