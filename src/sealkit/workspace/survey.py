"""Walks a workspace and finds the files that hold records: of runs, models, indexes, matrices and seals. Reads none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sealkit.workspace.ledger import NotRead

INDEX_MANIFEST = "index_manifest.json"
NAMES = frozenset(
    ("run_metadata.json", "summary.json", "model_manifest.json", INDEX_MANIFEST, "matrix.json", "seal.json")
)
# What other tools call theirs: settings, and weights without a manifest of ours beside them.
SETTINGS, WEIGHTS = "*.yaml", "*.safetensors"
YAML, HELD = (".yaml", ".yml"), (".safetensors", ".bin", ".pt", ".ckpt")
# What versions, caches and tools keep for themselves, and what a run has begun or put aside.
PASSED_OVER = frozenset(
    (".git", ".hg", ".svn", ".sealkit", ".partial", ".scratch", "quarantine", "__pycache__", "node_modules", ".tox",
     ".mypy_cache", ".pytest_cache", ".ruff_cache")
)  # fmt: skip
BELOW_STAGES = 3  # no record of a run lies deeper than stages/*/*/*/


@dataclass
class Survey:
    """`files` are the records by name of the file, paths below the root; `not_read` is what was not looked into."""

    root: Path
    files: dict[str, list[str]] = field(default_factory=dict)
    not_read: list[NotRead] = field(default_factory=list)

    def of(self, name: str) -> list[str]:
        return sorted(self.files.get(name, ()))


def survey(root: Path) -> Survey:
    """Walk a folder. No link is followed: one that leads elsewhere in the workspace hides nothing, any other is told."""
    found = Survey(root)
    inside = os.path.realpath(root)
    waiting = [("", -1)]  # (folder, how many folders below `stages` it lies; -1 elsewhere)
    while waiting:
        folder, below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                listed = list(entries)
        except OSError as error:
            found.not_read.append(NotRead(folder or ".", f"cannot be looked into: {error.strerror}"))
            continue
        waiting += _sort(found, inside, folder, below, listed)
    found.not_read.sort()
    return found


def _sort(
    found: Survey, inside: str, folder: str, below: int, listed: list[os.DirEntry[str]]
) -> Iterator[tuple[str, int]]:
    """Note the records of a folder; gives the folders to look into."""
    names = {entry.name for entry in listed}
    if "pyvenv.cfg" in names:
        return
    is_run, is_seal = "run_metadata.json" in names, "seal.json" in names
    is_ours = is_run or below >= 0 or "model_manifest.json" in names
    for entry in listed:
        name = entry.name
        path = f"{folder}/{name}" if folder else name
        if name in NAMES or name.endswith(f".{INDEX_MANIFEST}"):
            kind = name if name in NAMES else INDEX_MANIFEST
            if entry.is_symlink():
                found.not_read.append(NotRead(path, "is a link, and links are not followed"))
            else:
                found.files.setdefault(kind, []).append(path)
        elif not is_ours and name.endswith((*YAML, *HELD)) and entry.is_file(follow_symlinks=False):
            found.files.setdefault(SETTINGS if name.endswith(YAML) else WEIGHTS, []).append(path)
        elif entry.is_symlink():
            if reason := _leads_out(entry, inside):
                found.not_read.append(NotRead(path, reason))
        elif entry.is_dir(follow_symlinks=False) and name not in PASSED_OVER and not (is_seal and name == "reference"):
            if not _is_text(name):
                shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                found.not_read.append(NotRead(shown, "has a name that is not UTF-8"))
            elif below < BELOW_STAGES:
                yield path, below + 1 if below >= 0 else 0 if is_run and name == "stages" else -1


def _leads_out(entry: os.DirEntry[str], inside: str) -> str | None:
    """Why what a link to a folder leads to is not looked into; None where that lies in the workspace, or is no folder."""
    try:
        target = os.path.realpath(entry.path)
        if not os.path.isdir(target) or target == inside or target.startswith(inside.rstrip(os.sep) + os.sep):
            return None
    except OSError as error:
        return f"is a link that cannot be looked at: {error.strerror}"
    return "is a link that leads out of the workspace"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
