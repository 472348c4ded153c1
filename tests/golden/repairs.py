"""The four repairs of the golden audit, made as its reader would make them: each is what one risk asks for, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.golden import edits, provenance, tree
from tests.golden.edits import document, root

TODAY = {
    "retriever.model_name": tree.MODEL_KEY,
    "mode": "retriever.mode",
    "alpha": "retriever.hybrid.alpha",
    "top_k": "retriever.top_k",
}


def name_the_dated_folder(matrix: Path) -> None:
    """R1: the dated folder in place of `latest`, in the configs and in everything that the matrix and its runs say."""
    dated = provenance.dated_export(matrix).relative_to(root(matrix)).as_posix()
    latest = f"{Path(dated).parent.as_posix()}/latest"
    below = f"outputs/{matrix.name}"
    edits.substitute(matrix, latest, dated, "configs/*.yaml", f"{below}/*", f"{below}/runs/*/*")


def export_the_best(matrix: Path) -> None:
    """R2: the best checkpoint in the dated folder and in `latest`; the training's log tells of it."""
    dated = provenance.dated_export(matrix)
    training = root(matrix) / "outputs" / dated.name
    for folder in (dated, dated.with_name("latest")):
        shutil.rmtree(folder)
        shutil.copytree(training / "checkpoints/best_model", folder)
    place, best = dated.relative_to(root(matrix)).as_posix(), document(training / "metrics.json")["best_step"]
    later = datetime.fromisoformat(document(matrix / "matrix.json")["created_at_utc"]) + timedelta(days=1)
    with (training / "logs.txt").open("a") as file:
        file.write(tree.log(later, [f"train_retriever: exported best model (step {best}) to {place}"]))


def todays_keys(matrix: Path) -> None:
    """R3: today's keys with the same values in every config that holds old ones."""
    for path in sorted((root(matrix) / "configs").glob("*.yaml")):
        content = document(path)
        if [key for key in TODAY if _take(content, key) is not None]:
            edits.rewrite(path, _move)


def _move(content: dict[str, Any]) -> None:
    for old, new in TODAY.items():
        value = _take(content, old)
        if value is not None:
            tree.set_key(content, new, value)


def _take(content: dict[str, Any], dotted: str) -> Any:
    """Take the value of a dotted key out of a config; None where it has no such key."""
    *sections, last = dotted.split(".")
    for section in sections:
        content = content.get(section, {})
    return content.pop(last, None)


def bind_the_models(matrix: Path, of: Callable[[Path], str] = provenance.file_digest) -> None:
    """R4: the digest of the model that each run loaded, in `matrix.json`."""
    provenance.digests(matrix, "sha256:", of=of)


REPAIRS: dict[str, Callable[[Path], None]] = {
    "R1": name_the_dated_folder,
    "R2": export_the_best,
    "R3": todays_keys,
    "R4": bind_the_models,
}
