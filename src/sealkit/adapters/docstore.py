"""The pickle that LangChain keeps its documents in. Here it is looked at, and never opened."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.adapters import store
from sealkit.finding import Location
from sealkit.index_files import RESTORE
from sealkit.read import pickle

NEEDED = {
    "builtins.set",
    "langchain_community.docstore.in_memory.InMemoryDocstore",
    "langchain_core.documents.base.Document",
}


def copied(folder: Path, name: str, manifest: Mapping[str, Any], private: Path, *, trusted: bool) -> Path:
    """A copy in a private folder, where nobody exchanges it between a look and its opening: a pickle runs when it is opened.

    Raises Refused where it is not the one that was described; and, unless it is `trusted`, where it would import more than
    documents of texts, numbers, lists and the like need, or cannot be followed.
    """
    at = Location(str(folder / name))
    copy = Path(shutil.copyfile(folder / name, private / name))
    if digest.file(copy) != _described(manifest, name):
        raise store.refused([(at, "changed while the store was loaded")], RESTORE)
    if not trusted and (wrong := _more(copy)):
        fix = "where you trust whoever wrote it: allow_dangerous_deserialization=True"
        raise store.refused([(at, message) for message in wrong], fix)
    return copy


def _described(manifest: Mapping[str, Any], name: str) -> str | None:
    return next((str(one["digest"]) for one in manifest["files"]["listing"] if one["name"] == name), None)


def _more(file: Path) -> list[str]:
    """What a pickle does that a docstore does not need, in words."""
    found = pickle.pickles(file)
    wrong = [] if any(not one.member for one in found) else ["is no pickle that can be followed"]
    for one in found:
        names = sorted(set(one.names) - NEEDED)
        wrong += [f"would import {', '.join(names)}"] if names else []
        wrong += [one.unread] if one.unread else []
    return wrong
