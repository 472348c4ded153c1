"""Why two runs differ, and then by how much: word for word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sealkit.cli import diff as verb
from sealkit.diff import Diff, diff
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.render import diff as render
from sealkit.seal import seal

BASE = Path(__file__).parent / "checks" / "_base" / "retrieval"
OTHER = Path(__file__).parent / "checks" / "_base" / "finetuned"
HEAD = """\
A: retrieval (retrieval-20260203T100000Z-0a1b2c), ok: {a}
B: retrieval (retrieval-20260204T100000Z-3d4e5f), {status}: {b}
"""
SAME = """
config: no difference

data: no difference

code: no difference

libraries: no difference

machine: no difference

models: no difference

metrics: no difference

query by query, B (the run) against A (the reference):
"""
COMPARED = """\
  retrieval/test/nDCG@10: +0.0000 [+0.0000, +0.0000], p 1, 3 queries: 0 better, 3 same, 0 worse
  retrieval/test/RR@10: +0.0000 [+0.0000, +0.0000], p 1, 3 queries: 0 better, 3 same, 0 worse
  retrieval/test/R@2: +0.0000 [+0.0000, +0.0000], p 1, 3 queries: 0 better, 3 same, 0 worse
"""
CHANGED = """
config: 3 differences
  /run/seed
    A  42  (sources/retrieval.yaml:5)
    B  43  (command line)
  /stages/evaluate/with/measures
    A  ["nDCG@10", "RR@10", "R@2"]  (sources/retrieval.yaml:25)
    B  ["nDCG@10"]  (sources/retrieval.yaml:25)
  /retriever/alpha
    A  –
    B  null  (default)

data: 1 difference
  search.queries
    A  sha256:{queries}  (stages/data/test_queries.jsonl)
    B  sha256:{other}  (stages/data/test_queries.jsonl)

code: 3 differences
  commit
    A  4f2a9c1e7b3d5860a1c2e3f4b5d6978812345678  (main)
    B  {commit}  (try)
  uncommitted changes
    A  null
    B  sha256:{other}
  pack sealkit
    A  sha256:4862f447f2c7f272fa2f4aaf89dadb3b1ac09105bd5864f8d1a0c9452bb0a226  (0.1.0)
    B  sha256:{other}  (0.2.0)

libraries: 2 differences
  faiss-cpu
    A  –
    B  1.10.0
  attrs
    A  –
    B  25.1.0

machine: 4 differences
  python
    A  CPython 3.11.7
    B  CPython 3.12.1
  device.used
    A  cpu
    B  cuda:0
  device.threads
    A  2
    B  8
  host.name
    A  host
    B  other

models: 1 difference
  models/tiny-encoder
    A  sha256:{weights}  (path)
    B  sha256:{other}  (path)

metrics: 2 of 7 differ
  retrieval/test/RR@10        0.7778           –
  retrieval/test/nDCG@10      0.7534      0.8000  +0.0466

query by query, B (the run) against A (the reference):
  not compared: other queries of test: sha256:{queries} in the reference, sha256:{other} in the run
"""


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of one run."""
    for name in ("a", "b"):
        shutil.copytree(BASE, tmp_path / name)
    for name in ("run_metadata.json", "summary.json"):  # another run, which came to the same
        edit(tmp_path / "b" / name, lambda document: document.update(run_id="retrieval-20260204T100000Z-3d4e5f"))
    return tmp_path / "a", tmp_path / "b"


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def head(a: Path, b: Path, status: str = "ok") -> str:
    return HEAD.format(a=a, b=b, status=status)


def shown(a: Path, b: Path) -> str:
    found = diff(a, b)
    assert BUILT_IN.contracts["diff/v1"].violations(json.loads(render.json(found))) == []
    return render.text(found)


def unknown(found: Diff) -> dict[str, str]:
    return {part.name: part.unknown for part in found.parts if part.unknown}


def test_where_nothing_differs_that_is_said(two: tuple[Path, Path]) -> None:
    assert shown(*two) == head(*two) + SAME + COMPARED


def test_why_comes_before_how_much(two: tuple[Path, Path]) -> None:
    other, commit = "e" * 64, "e" * 40
    digests: dict[str, str] = {}

    def config(document: Any) -> None:
        document["config"]["run"]["seed"] = 43
        document["config"]["run"]["name"] = "second"
        document["config"]["retriever"]["alpha"] = None
        document["config"]["stages"]["evaluate"]["with"]["measures"] = ["nDCG@10"]
        document["provenance"] |= {"/run/seed": "command line", "/retriever/alpha": "default"}

    def metadata(document: Any) -> None:
        document["git"] |= {"commit": commit, "branch": "try", "dirty": True, "diff": f"sha256:{other}"}
        document["packs"][0] |= {"version": "0.2.0", "digest": f"sha256:{other}"}
        document["packages"] |= {"attrs": "25.1.0", "faiss-cpu": "1.10.0"}
        document["device"] |= {"used": "cuda:0", "threads": 8}
        document["host"]["name"] = "other"
        document["python"] = "CPython 3.12.1"
        digests["weights"] = document["models"][0]["weights"].removeprefix("sha256:")
        document["models"][0]["weights"] = f"sha256:{other}"

    def summary(document: Any) -> None:
        stages = {stage["name"]: stage for stage in document["stages"]}
        digests["queries"] = stages["search"]["inputs"]["queries"].removeprefix("sha256:")
        stages["search"]["inputs"]["queries"] = f"sha256:{other}"
        stages["data"]["outputs"]["test_queries"]["digest"] = f"sha256:{other}"

    def metrics(document: Any) -> None:
        document["retrieval/test/nDCG@10"] = 0.8
        del document["retrieval/test/RR@10"]

    changes = {"resolved_config": config, "run_metadata": metadata, "summary": summary, "metrics": metrics}
    for name, change in changes.items():
        edit(two[1] / f"{name}.json", change)
    assert shown(*two) == head(*two) + CHANGED.format(other=other, commit=commit, **digests)


def test_a_run_that_still_runs_or_failed_is_compared_as_far_as_it_came(two: tuple[Path, Path]) -> None:
    def stopped(document: Any) -> None:
        document |= {"status": "running", "finished": None, "seconds": None, "stages": document["stages"][:1]}

    edit(two[1] / "summary.json", stopped)
    (two[1] / "metrics.json").unlink()
    told = shown(*two)
    assert told.startswith(head(*two, status="running") + "\nconfig: no difference\n\ndata: 3 differences\n")
    assert "  search.queries\n    A  sha256:" in told
    assert "    B  –\n" in told
    assert told.endswith("  not compared: the run did not come to its end\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resolved_config", ["config"]),
        ("summary", ["data", "models"]),
        ("run_metadata", ["code", "libraries", "machine", "models"]),
    ],
)
def test_what_cannot_be_read_is_not_called_the_same(name: str, expected: list[str], two: tuple[Path, Path]) -> None:
    (two[0] / f"{name}.json").write_text("{")
    found = diff(*two)
    assert unknown(found) == dict.fromkeys(expected, f"A has no readable {name}.json")
    assert f"\n{expected[0]}: cannot be compared: A has no readable {name}.json\n" in shown(*two)


def test_broken_rankings_are_no_ground_for_a_comparison(two: tuple[Path, Path]) -> None:
    (two[1] / "stages/search/rankings.jsonl").write_text("{}\n")
    assert "not compared: the run has artifacts that break their contracts: stages/search/rankings.jsonl" in shown(*two)


def test_types_are_told_apart(two: tuple[Path, Path]) -> None:
    edit(two[1] / "resolved_config.json", lambda document: document["config"]["retriever"].update(top_k=3.0))
    (difference,) = diff(*two).parts[0].differences
    assert (difference.name, difference.a and difference.a.value) == ("/retriever/top_k", 3)


def test_a_sealed_run_is_compared_by_what_it_is_and_not_by_its_seal(two: tuple[Path, Path]) -> None:
    seal(two[1], OTHER)
    assert shown(*two) == head(*two) + SAME + COMPARED


def test_what_both_runs_have_comes_before_what_one_has() -> None:
    found = diff(BASE, OTHER)
    names = [difference.name for difference in found.parts[0].differences]
    assert names[:2] == ["/stages/index/in/model", "/stages/search/in/model"]
    assert "/stages/train/uses" in names
    assert [difference.name for difference in found.parts[5].differences] == [
        "index.model",
        "search.model",
        "train.base",
        "export.model",
    ]
    assert found.comparison["rows"][0]["difference"] > 0


def test_the_verb_exits_with_0_and_prints_json_on_request(two: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(verb.command, [*map(str, two), "--format", "json"], standalone_mode=False)
    assert done.return_value == 0
    assert [part["name"] for part in json.loads(done.output)["parts"]] == [
        "config", "data", "code", "libraries", "machine", "models",
    ]  # fmt: skip


def test_what_is_no_run_is_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone: no such run directory"):
        diff(two[0], tmp_path / "gone")
    with pytest.raises(UsageError, match=r"is no run directory: it holds no run_metadata\.json"):
        diff(tmp_path, two[1])


def test_nothing_that_a_run_says_is_printed_raw(two: tuple[Path, Path]) -> None:
    edit(
        two[1] / "resolved_config.json",
        lambda document: document["config"]["retriever"].update({"x\x1b[2J": "\x1b]0;t\x07"}),
    )
    assert "\x1b" not in shown(*two) and "\\x1b" in shown(*two)
