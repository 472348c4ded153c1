"""Trees of a tool of our own, for the tests of what reads other tools' trees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sealkit.pack import BUILT_IN
from sealkit.read import yaml
from sealkit.trees.gather import Gathered, gather
from sealkit.trees.layout import TreeLayout, parse

HEAD = """\
layout: my-tool/v1
title: Runs of my tool
recognised_by:
  - {file: runs.json}
"""


def layout(files: str, head: str = HEAD) -> TreeLayout:
    """A layout whose `files` are written as in its own file."""
    text = f"{head}files:\n{files}"
    return parse(yaml.parse(text, "my.yaml"), "my.yaml", BUILT_IN.contracts["tree_layout/v1"])


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    return root


def gathered(root: Path, files: str, tree: Mapping[str, str]) -> Gathered:
    return gather(layout(files), write(root, tree), {"matrix": ".", "outputs": "."})


def said(root: Path, files: str, tree: Mapping[str, str]) -> list[dict[str, Any]]:
    """The statements that a layout takes of a tree in which everything can be read."""
    found = gathered(root, files, tree)
    assert found.unread == []
    return found.statements
