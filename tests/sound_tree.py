"""Evidence of a tree that is made by hand, and copies of the tree that the cases of checks stand on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sealkit.trees.evidence import Evidence

BASE = Path(__file__).parent / "checks" / "_base" / "tree"
MATRIX = "outputs/20260110_090000_ef34ab"
TRAINING = "outputs/20260105_120000_ab12cd"


def said(of: str, id: str, what: str, value: Any, **more: Any) -> dict[str, Any]:
    """A statement of `evidence/v1`, on line 1 of a file that is named after its subject."""
    at = {"path": f"{of}/{id}", "line": 1, "end": None, "pointer": None, "quote": str(value), "digest": None}
    empty = {"by": None, "key": None, "step": None, "instead": None}
    return {"of": of, "id": id, "what": what, "value": value, "at": at, **empty, **more}


def model(path: str, weights: str | None, *files: str, pointer: bool = False) -> dict[str, Any]:
    """A model of `evidence/v1` that is here."""
    held = {name: f"sha256:{weights}/{name}" for name in files or ("model.safetensors",)}
    known = {"weights": weights, "tree": None, "files": held}
    return {"path": path, "state": "here", "reason": None, "pointer": pointer, **known}


def evidence(*statements: Mapping[str, Any], models: tuple[Mapping[str, Any], ...] = (), **more: Any) -> Evidence:
    looked = more.pop("looked", [])
    return Evidence({"statements": statements, "models": models, "looked": looked, "contrasts": {}, **more})


def workspace(folder: Path) -> Path:
    """A copy of the sound tree; returns the folder of its matrix."""
    shutil.copytree(BASE, folder, dirs_exist_ok=True)
    return folder / MATRIX


def rewrite(path: Path, change: Callable[[Any], object]) -> None:
    """Change what a JSON file holds."""
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document, indent=2), "utf-8")
