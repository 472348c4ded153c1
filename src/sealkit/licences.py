"""Licences, as folders and packages say theirs. They are told in their own words: nothing is guessed, and nothing judged."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sealkit.finding import ReadError
from sealkit.read import yaml
from sealkit.read.source import MEBIBYTE, read_text

SAID_BY_FILE = ("LICENSE", "LICENCE", "LICENSE.md", "LICENCE.md", "LICENSE.txt", "LICENCE.txt", "COPYING")


def of_folder(folder: Path) -> str | None:
    """What the front matter of the folder's README.md says, as the Hub reads it; else the name of a licence file; else None."""
    try:
        said = _front_matter(read_text(folder / "README.md", limit=MEBIBYTE))
    except ReadError:
        said = {}
    licence = said.get("license")
    if licence == "other":
        licence = said.get("license_name", licence)
    words = ", ".join(text for text in _texts(licence))
    return words or next((f"see {name}" for name in SAID_BY_FILE if (folder / name).is_file()), None)


def of_package(name: str) -> str | None:
    """What an installed distribution says: an SPDX expression, the old licence field, or its classifiers."""
    try:
        metadata = importlib.metadata.metadata(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    said: list[str] = [
        text.strip() for field in ("License-Expression", "License") for text in metadata.get_all(field) or []
    ]
    if words := next((text for text in said if text and text != "UNKNOWN"), None):
        return words.splitlines()[0]
    classifiers = metadata.get_all("Classifier") or []
    return ", ".join(text.split(" :: ")[-1] for text in classifiers if text.startswith("License :: ")) or None


def _front_matter(text: str) -> dict[str, Any]:
    lines = text.split("\n")
    if lines[0].strip() != "---" or "---" not in (rest := [line.rstrip() for line in lines[1:]]):
        return {}
    data = yaml.parse("\n".join(rest[: rest.index("---")]), "README.md").data
    return data if isinstance(data, dict) else {}


def _texts(value: Any) -> Iterator[str]:
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and text.strip():
            yield " ".join(text.split())[:200]
