"""The parts of lineage: quick reading, the lines of places, other tools' trees, and long chains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import ReadError, pointer
from sealkit.read import json as read_json
from sealkit.workspace.ancestry import lineage
from sealkit.workspace.asked import resolve
from sealkit.workspace.impact import impact
from sealkit.workspace.ledger import Ledger, Link, Made
from sealkit.workspace.places import Lines
from sealkit.workspace.run import Place, Run, below, workspace_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


# Reading


@given(DOCUMENTS, st.sampled_from([None, 2]))
def test_the_quick_reader_reads_what_the_strict_one_reads(
    tmp_path_factory: Any, value: Any, indent: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "quick.json"
    try:
        path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", "utf-8")
    except UnicodeEncodeError:
        return
    assert said(lambda: read_json.quick(path, "it")) == said(lambda: read_json.read(path, "it", follow=False))


@pytest.mark.parametrize(
    "text",
    [
        '{\n  "a": 1,\n  "a": 2\n}\n',
        '{\n  "a": NaN\n}\n',
        '{\n  "a": 1e999\n}\n',
        '{\n  "a": "\\ud800"\n}\n',
        '{\n  "a": 123456789012345678901234567890\n}\n',
        f'{{\n  "a": {"[" * 70}{"]" * 70}\n}}\n',
        f'{{\n  "a": {"1" * 299}\n}}\n',
        f'{{\n  "a": {"1" * 401}\n}}\n',
        "",
        "\ufeff{}\n",
        "{} {}\n",
    ],
)
def test_the_quick_reader_is_as_strict(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    path = tmp_path / "a.json"
    assert said(lambda: read_json.quick(path, "it")) == said(lambda: read_json.read(path, "it", follow=False))


def test_the_quick_reader_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}\n")
    (tmp_path / "b.json").symlink_to("a.json")
    with pytest.raises(ReadError, match="is a symbolic link"):
        read_json.quick(tmp_path / "b.json", "b.json")


def said(read: Any) -> str:
    try:
        return f"{read()!r}"
    except ReadError as error:
        return str(error)


def test_long_numbers_are_found_wherever_they_lie() -> None:
    for before in (0, 1, 298, 299, 300, 301, 1000):
        with pytest.raises(ReadError, match=r"larger than a float can be|holds a number of"):
            read_json.parse(json.dumps(["x" * before, 7]).replace("7", "9" * 320), "it")


# Places


@given(
    st.dictionaries(
        st.text(max_size=3), st.lists(st.sampled_from(["aa", "a", "b", 'a"a', "ä"]), max_size=5), max_size=5
    )
)
def test_lines_are_those_of_a_walk(tmp_path_factory: Any, value: dict[str, list[str]]) -> None:
    root: Path = tmp_path_factory.getbasetemp()
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False)
        (root / "lines.json").write_text(text, "utf-8")
    except UnicodeEncodeError:
        return
    lines = Lines(root)
    for key, items in value.items():
        for number, item in enumerate(items):
            where = pointer(key, number)
            found = lines.location(Place("lines.json", where, item))
            assert found.line == read_json.line_of(text, where)


def test_a_place_in_a_file_that_is_gone_has_no_line(tmp_path: Path) -> None:
    assert Lines(tmp_path).location(Place("gone.json", "/a", "b")).line is None
    (tmp_path / "other.json").write_text("[]")
    assert Lines(tmp_path).location(Place("other.json", "/a", "b")).line is None


def test_names_begin_at_the_workspace_of_a_run() -> None:
    assert workspace_of("outputs/ft") == ""
    assert workspace_of("work/outputs/m/runs/ft") == "work"
    assert workspace_of("ft") == ""
    assert below("work", "./models/x/") == "work/models/x"
    assert below("work", "/srv/x") == "/srv/x"
    assert below("", "") == ""


# Chains


def chain(root: Path, length: int) -> Ledger:
    """Models of which each was trained from the one before."""
    ledger = Ledger(root)
    for number in range(1, length):
        run, weights, base = f"outputs/r{number}", digest(number), (f"m{number - 1}", digest(number - 1))
        ledger.runs[run] = Run(run, f"id{number}", f"r{number}", "ok", None, None, (), (), (), Place(run, None, ""))
        at = f"{run}/stages/train/model/best/model_manifest.json"
        ledger.made.append(
            Made(at, at.rpartition("/")[0], run, "train", "best", 1, weights, digest(number + 10**9), base, f"id{number}",
                 None, False, 1, None, None)
        )  # fmt: skip
        ledger.links.append(Link(base[1], weights, "trained from it", Place(at, "/base/weights", base[1])))
    return ledger


def test_a_chain_may_be_longer_than_the_stack(tmp_path: Path) -> None:
    ledger = chain(tmp_path, 1500)
    found = lineage(resolve(digest(1), ledger), ledger)
    assert max(step.depth for step in found.after) == 2 * 1498 - 1
    found = lineage(resolve(digest(1499), ledger), ledger)
    assert sum(step.relation == "trained by" for step in found.before) == 1499
    stands = impact(resolve(digest(700), ledger), ledger)
    assert len(stands.dependents) == 1499 - 700


def test_a_circle_comes_to_an_end(tmp_path: Path) -> None:
    ledger = chain(tmp_path, 3)
    ledger.made[0] = Made(**{**vars(ledger.made[0]), "base": ("m2", digest(2))})
    ledger.links.append(Link(digest(2), digest(1), "trained from it", Place("x", None, "")))
    found = lineage(resolve(digest(1), ledger), ledger)
    assert [step.digest for step in found.before if step.kind == "model"] == [digest(2), digest(1)]
    assert len(impact(resolve(digest(1), ledger), ledger).dependents) == 1
