"""What a tree says, asked: names that are one model's, digests that are one, and statements by what they speak of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.trees.evidence import Evidence, Model, normal, same_name

RICH = Path(__file__).parent.parent / "spec" / "evidence" / "examples" / "v1" / "valid-rich.json"
EVIDENCE = Evidence(json.loads(RICH.read_text("utf-8")))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("models/a/latest", "./models/a/latest/", True),
        ("models/a/latest", "models\\a\\latest", True),
        ("models/a", "/home/me/work/models/a", True),
        ("models/a", "work/models/a", False),  # both relative: two places
        ("a", "/models/ba", False),
        ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", True),
        ("other/all-MiniLM-L6-v2", "all-MiniLM-L6-v2", False),
        ("models/a/latest", "models/a/20260203", False),
        ("models//a", "models/a", True),
    ],
)
def test_names_of_one_model(one: str, other: str, same: bool) -> None:
    assert same_name(one, other) == same_name(other, one) == same


names = st.text(max_size=20) | st.text("./\\a", max_size=8)


@given(names, names)
def test_names_are_alike_both_ways_and_to_themselves(one: str, other: str) -> None:
    assert same_name(one, one)
    assert same_name(one, other) == same_name(other, one)
    assert normal(normal(one)) == normal(one)


def model(**given: Any) -> Model:
    fields: dict[str, Any] = {
        "path": "m",
        "state": "here",
        "reason": None,
        "pointer": False,
        "weights": None,
        "tree": None,
        "files": {},
    }
    return Model(**{**fields, **given})


@pytest.mark.parametrize("prefix", ["", "sha256:"])
@pytest.mark.parametrize("kept", ["weights", "tree", "files"])
def test_a_digest_may_be_of_the_weights_the_folder_or_a_file(prefix: str, kept: str) -> None:
    value = "sha256:" + "a" * 64
    found = model(**{kept: {"model.safetensors": value} if kept == "files" else value})
    assert found.is_named_by(prefix + "a" * 64)
    assert not found.is_named_by(prefix + "b" * 64)


def test_a_model_without_digests_is_named_by_none() -> None:
    assert not model().is_named_by("")
    assert not model(weights="sha256:" + "a" * 64).is_named_by("")


def test_statements_are_asked_by_what_they_speak_of() -> None:
    assert (EVIDENCE.ids("run"), EVIDENCE.ids("training"), EVIDENCE.ids("nothing")) == (["a1"], ["t1"], [])
    assert [one.what for one in EVIDENCE.all("run", "a1")] == ["label", "model", "metric"]
    assert [one.value for one in EVIDENCE.all("run", what="model", by="log")] == ["all-MiniLM-L6-v2"]
    assert EVIDENCE.all("run", what="model", by="config") == EVIDENCE.all("run", "a2") == []
    assert EVIDENCE.one("run", "a1", "seed") is None
    assert (EVIDENCE.text("training", "t1", "metric"), EVIDENCE.text("run", "a1", "seed")) == ("0.41", None)
    assert (EVIDENCE.label("a1"), EVIDENCE.label("a9")) == ("pre_ft", "a9")
    assert (EVIDENCE.looked("run model"), EVIDENCE.looked("run seed")) == (["outputs/retriever/runs/*/logs.txt"], [])


def test_a_statement_has_its_place() -> None:
    found = EVIDENCE.one("code", "scripts/train.py", "moves_pointer")
    assert found and str(found.at) == "scripts/train.py:12-13"
    assert found.at.quote == "shutil.rmtree(latest)\nshutil.copytree(final, latest)"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("models/retriever/latest", "models/retriever/latest"),
        ("./models/retriever/latest/", "models/retriever/latest"),
        ("/home/me/models/retriever/latest", "models/retriever/latest"),
        ("models/retriever", None),
        ("latest", None),
        ("", None),
    ],
)
def test_a_name_leads_to_a_model_of_the_tree(name: str, path: str | None) -> None:
    found = EVIDENCE.model(name)
    assert (found.path if found else None) == path
