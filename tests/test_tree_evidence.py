"""The models of a tree, by content: what leads out of it, to itself or nowhere, and what is no model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sealkit.pack import BUILT_IN
from sealkit.trees.audit import look_at
from sealkit.trees.recognise import recognise
from tests.trees import write

MINE = """\
layout: my-tool/v1
title: T
recognised_by: [{file: runs.json}]
files:
  - path: runs.json
    media: json
    says: [{of: run, id: r, what: model, at: "$.models[*]"}]
  - {path: "models/{name}", media: model, pointers: [latest]}
"""


def observed(root: Path, *names: str) -> dict[str, Any]:
    write(root, {"t/runs.json": str({"models": list(names)}).replace("'", '"'), "my.yaml": MINE})
    tree = recognise(root / "t", BUILT_IN, str(root / "my.yaml"))
    assert tree
    document = dict(look_at(tree, pack=BUILT_IN).document)
    assert BUILT_IN.contracts["evidence/v1"].violations(document) == []
    return document


def states(document: dict[str, Any]) -> dict[str, tuple[str, str | None, bool]]:
    return {one["path"]: (one["state"], one["reason"], one["pointer"]) for one in document["models"]}


def test_a_model_is_known_by_its_content(tmp_path: Path) -> None:
    write(tmp_path / "t/models", {"a/config.json": "{}", "a/w.bin": "1", "latest/config.json": "{}", "latest/w.bin": "1", "b/config.json": "{}", "b/w.bin": "2"})  # fmt: skip
    document = observed(tmp_path)
    assert states(document) == {
        "models/a": ("here", None, False),
        "models/b": ("here", None, False),
        "models/latest": ("here", None, True),
    }
    a, b, latest = document["models"]
    assert a["weights"] == latest["weights"] != b["weights"]
    assert sorted(a["files"]) == ["config.json", "w.bin"]


def test_a_link_out_of_the_tree_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "away", {"config.json": "{}"})
    write(tmp_path / "t/models/a", {"config.json": "{}"})
    (tmp_path / "t/models/latest").symlink_to(tmp_path / "away")
    found = states(observed(tmp_path, "../away", str(tmp_path / "away"), "../../etc", "/etc", "models/../../away"))
    assert found == {
        "models/a": ("here", None, False),
        "models/latest": ("unreadable", "is a link that leads out of the tree", True),
    }


def test_links_to_themselves_and_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "t/models/a", {"config.json": "{}"})
    (tmp_path / "t/models/loop").symlink_to("loop")
    (tmp_path / "t/models/latest").symlink_to("gone")
    assert states(observed(tmp_path, "models/loop", "models/latest", "models/loop/x", "a\0b", "x" * 5000)) == {
        "models/a": ("here", None, False)
    }


def test_a_pipe_in_a_model_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "t/models/a", {"config.json": "{}"})
    os.mkfifo(tmp_path / "t/models/a/w.bin")
    ((state, reason, _),) = states(observed(tmp_path)).values()
    assert (state, reason) == ("unreadable", "w.bin is not a regular file")


def test_a_folder_that_holds_no_model_is_told(tmp_path: Path) -> None:
    write(tmp_path / "t/models/a", {"notes.txt": ""})
    ((state, reason, _),) = states(observed(tmp_path)).values()
    assert state == "unreadable" and str(reason).startswith("holds none of modules.json, config.json")


def test_it_is_told_where_each_thing_was_looked_for(tmp_path: Path) -> None:
    assert observed(tmp_path)["looked"] == [{"for": "run model", "in": ["runs.json"]}]
