"""The parts of lineage: quick reading, the lines of places, other tools' trees, and long chains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.cli import lineage as verb
from sealkit.finding import ReadError, pointer
from sealkit.read import json as read_json
from sealkit.trees.evidence import Evidence
from sealkit.workspace import foreign, records
from sealkit.workspace.ancestry import lineage
from sealkit.workspace.asked import resolve
from sealkit.workspace.impact import impact
from sealkit.workspace.kin import Step
from sealkit.workspace.ledger import Ledger, Link, Made
from sealkit.workspace.places import Lines
from sealkit.workspace.run import Place, Run, below, workspace_of
from tests.golden.tree import build
from tests.test_lineage_verb import call, document

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
        ledger.runs[run] = Run(run, f"id{number}", f"r{number}", "ok", None, None, (), (), ())
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


# Other tools' trees


def names(steps: tuple[Step, ...]) -> list[str]:
    return [step.name.rpartition("/")[2] for step in steps]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = build(tmp_path)
    monkeypatch.chdir(tmp_path)
    return folder.relative_to(tmp_path)


def test_a_tree_of_another_tool_tells_its_lineage(tree: Path) -> None:
    told = document(call(verb, "models/retriever_ft/latest", "--format", "json"))
    assert told["looked"]["trees"] == [tree.as_posix()]
    assert (told["looked"]["runs"], told["looked"]["counted"], told["complete"]) == (11, 11, True)
    assert [(one["relation"], one["name"].rpartition("/")[2]) for one in told["before"]] == [
        ("trained by", "20260203_005729_cd195e"),
        ("from", "all-MiniLM-L6-v2"),
    ]
    assert told["before"][1]["digest"] is None
    assert told["before"][1]["note"] == "known by its name alone"
    assert [one["name"].rpartition("/")[2] for one in told["itself"]] == [
        "step_150",
        "20260203_005729_cd195e",
        "latest",
    ]
    assert [one["name"].rpartition("/")[2] for one in told["after"]] == ["m02", *(f"m{n:02d}" for n in range(4, 11))]
    assert all(one["at"]["line"] for one in told["after"])
    assert {one["state"] for key in ("itself", "after") for one in told[key]} == {
        None
    }  # nobody recorded what to compare with
    lines = {one["role"]: one for one in told["lines"]}
    assert lines["HN-FT"]["models"] == []
    assert lines["HN-FT"]["searched"][1:] == [
        "outputs/*/train_config.yaml",
        "outputs/*/metrics.json",
        "outputs/*/logs.txt",
    ]


def test_a_run_of_a_tree_without_its_summary_does_not_count(tree: Path) -> None:
    (tree / "runs/m02/summary.json").unlink()
    told = document(call(verb, "models/retriever_ft/latest", "--format", "json"))
    assert (told["looked"]["runs"], told["looked"]["counted"]) == (11, 10)
    assert told["after"][0]["note"].endswith("has no summary: does not count as a run")


def test_a_base_that_is_not_here_is_known_by_its_name(tree: Path) -> None:
    found = call(verb, "sentence-transformers/all-MiniLM-L6-v2")
    assert f"loaded by {tree}/runs/m01 (m01): as sentence-transformers/all-MiniLM-L6-v2" in found.stdout
    assert "exported to models/retriever_ft/20260203_005729_cd195e" in found.stdout


def test_a_recorded_digest_is_held_against_the_model(tree: Path) -> None:
    path = tree / "matrix.json"
    held = json.loads(path.read_text("utf-8"))
    held["experiments"][1]["model_sha256"] = digest(7)[7:]
    path.write_text(json.dumps(held, indent=2), "utf-8")
    told = document(call(verb, "0000000000000", "--format", "json"))
    assert [(one["name"], one["state"]) for one in told["itself"]] == [("models/retriever_ft/latest", "changed")]
    assert any(one.endswith(f"so say {tree}/runs/m02") for one in told["remarks"])


def test_a_tree_that_nothing_recognises_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/matrix.json").write_text("[]\n")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    found = call(verb, "file", "--format", "json")
    assert document(found)["not_read"] == [{"path": "odd", "reason": "no layout recognises it; looked for"}]
    assert found.return_value == 3


def test_what_was_not_read_of_a_tree_is_told(tmp_path: Path) -> None:
    evidence = {
        "schema": "evidence/v1",
        "layout": {"id": "theirs/v1", "digest": None},
        "matrix": "outputs/m",
        "statements": [],
        "looked": [{"for": "training base", "in": ["outputs/*/config.yaml"]}],
        "models": [
            {"path": "models/x", "state": "unreadable", "reason": "is a link", "pointer": False, "weights": None, "tree": None, "files": {}}
        ],
        "unread": [{"at": {"path": "outputs/m/matrix.json"}, "reason": "is not JSON"}],
    }  # fmt: skip
    ledger = Ledger(tmp_path)
    foreign.add(ledger, Evidence(evidence), "their")
    assert ledger.not_read == [("their/outputs/m/matrix.json", "is not JSON"), ("their/models/x", "is a link")]
    assert ledger.looked["pre-FT"] == ["their/outputs/*/config.yaml"]


def test_a_workspace_may_hold_both_sorts(tree: Path, tmp_path: Path) -> None:
    from tests.bench.run_tree import grow

    grow(tmp_path / "ours", 2)
    ledger = records.read(tmp_path)
    assert ledger.unclaimed == [tree.as_posix()]
    assert set(ledger.runs) == {"ours/outputs/m000/runs/run0000", "ours/outputs/run0001"}
    told = document(call(verb, "ours/models/retriever/run0000", "--format", "json"))
    assert [one["name"] for one in told["after"]] == sorted(ledger.runs)
    assert told["itself"][-1]["state"] == "same"
