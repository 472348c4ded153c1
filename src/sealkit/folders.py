"""The private folders of a run: where a stage writes, what of it outlives a crash, and what was put aside."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from sealkit import write

PARTIAL, SCRATCH, QUARANTINE = ".partial", ".scratch", "quarantine"


def scratch(root: Path, stage: str, key: str) -> Path:
    """The stage's scratch folder: as it was left by the same key, else empty."""
    folder, written_by = root / SCRATCH / stage, root / SCRATCH / f"{stage}.key"
    if not (folder.is_dir() and written_by.is_file() and written_by.read_text() == key):
        if folder.exists():
            shutil.rmtree(folder)
        folder.parent.mkdir(exist_ok=True)
        write.atomic(written_by, key)  # first: what lies there is never taken for the work of another key
        folder.mkdir()
    return folder


def drop_scratch(root: Path, stage: str) -> None:
    """Remove a stage's scratch folder, and the key of it last of all."""
    shutil.rmtree(root / SCRATCH / stage, ignore_errors=True)
    (root / SCRATCH / f"{stage}.key").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (root / SCRATCH).rmdir()


def free_aside(root: Path, name: str) -> Path:
    """The place in quarantine that what goes by this name would get: nothing that lies there is ever replaced."""
    place, number = root / QUARANTINE / name, 1
    while place.exists():
        number += 1
        place = root / QUARANTINE / f"{name}-{number}"
    return place


def put_aside(root: Path, path: Path, name: str) -> Path | None:
    """Move a file or folder of the run to quarantine; None where it held nothing. Raises OSError."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
        return None
    place = free_aside(root, name)
    place.parent.mkdir(exist_ok=True)
    os.rename(path, place)
    write.sync_folder(place.parent)
    return place


def sweep(root: Path) -> list[Path]:
    """Tidy up after a run that was killed: half-written stages go to quarantine, half-written documents go.

    Returns where the stages' files lie now.
    """
    for leftover in [*root.glob(".*.tmp"), *root.glob("*/.*.tmp"), *root.glob(write.Reserve.NAME)]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    partial, moved = root / PARTIAL, []
    if partial.is_dir():
        moved = [put_aside(root, folder, folder.name) for folder in sorted(partial.iterdir())]
        partial.rmdir()
    return [place for place in moved if place]
