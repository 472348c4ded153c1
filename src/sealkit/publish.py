"""Writes what of a seal belongs in git: the page, the statement, and the tables and figures of a matrix."""

from __future__ import annotations

import shutil
from pathlib import Path

from sealkit import digest, write
from sealkit.finding import ReadError, UsageError
from sealkit.matrix_seal import FORMS, TABLES
from sealkit.read import json
from sealkit.render import figure
from sealkit.seal import PAGE, STATEMENT

FIGURES = "figures"


def publish(seal: Path, folder: Path, name: str) -> list[Path]:
    """Write SEAL.md, seal.json, and of a matrix its tables (Markdown, CSV, LaTeX) and figures (PNG, PDF, and their numbers), to
    `folder/name`, all of them made of what seal.json states. Returns the files.

    Raises UsageError where another seal was published there, where a figure lacks a number that it declares, and where there are
    figures and matplotlib is not installed.
    """
    target = folder / name
    stated = json.read(seal / STATEMENT)["predicate"]
    if (target / STATEMENT).exists() and not _same(seal, target):
        fix = "move it away, or publish to another folder"
        raise UsageError(f"{target}: another seal was published there", fix)
    target.mkdir(parents=True, exist_ok=True)
    numbers = stated.get("numbers", {"tables": [], "figures": []})
    written = []
    for table in numbers["tables"]:
        for ending, render in FORMS.items():
            written.append(target / TABLES / f"{table['name']}.{ending}")
            written[-1].parent.mkdir(exist_ok=True)
            write.atomic(written[-1], render(table))
    for one in numbers["figures"]:
        (target / FIGURES).mkdir(exist_ok=True)
        written += figure.draw(one, target / FIGURES, digest.file(seal / STATEMENT))
    for file in (PAGE, STATEMENT):  # last: what lies there without a statement is not published
        written.append(target / file)
        shutil.copyfile(seal / file, written[-1])
    return written


def _same(seal: Path, target: Path) -> bool:
    try:
        return digest.file(seal / STATEMENT) == digest.file(target / STATEMENT)
    except ReadError:
        return False
