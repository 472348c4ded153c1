"""The checks of an index: they judge without the libraries that built it, and whatever a manifest leaves out."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import manifest, mask
from sealkit.audit import judge
from sealkit.finding import Status
from sealkit.pack import BUILT_IN
from sealkit.rundir import Run, open_run

BASE = Path(__file__).parent / "checks" / "_base" / "finetuned"
MASKED = Path(__file__).parent / "checks" / "_base" / "masked"
SEALED = Path(__file__).parent / "sealed" / "0.1.0" / "base"
CHECKS = ("index-fresh", "probe-replays", "index-companions", "neighbours-plausible")
INDEX = "stages/index/index/index_manifest.json"
SEARCH = "stages/search/search_manifest.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "run"))


def opened(root: Path) -> Run:
    return open_run(root, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)


def without(document: Any) -> Iterator[Any]:
    """The document, each time with one member of an object left out."""
    places: list[list[Any]] = [[]]
    for place in places:
        inner = document
        for key in place:
            inner = inner[key]
        if isinstance(inner, dict):
            places += [[*place, key] for key in inner]
        if place:
            found = outer = copy.deepcopy(document)
            for key in place[:-1]:
                outer = outer[key]
            del outer[place[-1]]
            yield found


@pytest.mark.parametrize("name", [INDEX, SEARCH])
def test_nothing_that_is_left_out_makes_a_check_crash(name: str, root: Path) -> None:
    for document in without(json.loads((BASE / name).read_text("utf-8"))):
        (root / name).write_text(json.dumps(document), "utf-8")
        run = opened(root)
        for check in CHECKS:
            assert judge(run, BUILT_IN.checks[check]).status is not Status.CRASHED, check


@pytest.mark.parametrize("check", CHECKS)
def test_they_judge_without_the_libraries_that_built_the_index(
    check: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("faiss", "torch", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, library, None)
    assert judge(opened(root), BUILT_IN.checks[check]).status is Status.PASSED
    spoil(root)
    spoiled = {"probe-replays", "index-companions"}
    assert (judge(opened(root), BUILT_IN.checks[check]).status is Status.FAILED) == (check in spoiled)


def spoil(root: Path) -> None:
    """Give each row of the index the place of the next."""
    file = root / "stages/index/index/index.faiss"
    data = file.read_bytes()
    rows = np.frombuffer(data[45:], "<f4").reshape(3, 4)
    file.write_bytes(data[:45] + np.roll(rows, 1, axis=0).tobytes())


def test_of_an_index_of_version_1_nobody_says_that_it_was_adopted(tmp_path: Path) -> None:
    """And what two searches do not find known of it is told once."""
    root = Path(shutil.copytree(SEALED, tmp_path / "run"))
    config = root / "resolved_config.json"
    config.write_text(config.read_text("utf-8").replace("search_manifest/v1", "search_manifest/v2"), "utf-8")
    search = manifest.upgraded(json.loads((root / SEARCH).read_text("utf-8")))
    search = {**search, "fingerprint": {**search["fingerprint"], "mask": mask.none()}}
    for name in (SEARCH, "stages/again/search_manifest.json"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(json.dumps(search), "utf-8")
    outcome = judge(opened(root), BUILT_IN.checks["index-fits-query"])
    assert outcome.status is Status.BLOCKED and outcome.reason is not None
    assert outcome.reason.startswith("written under index_manifest/v1: of the index are unknown preparation, mask, ")
    assert outcome.reason.count("of the index are unknown") == 1


def test_a_mask_that_neither_side_knows_is_told_once(tmp_path: Path) -> None:
    """What mask-fits-index passes over, since nothing there was ever masked, index-fits-query does not."""
    root = Path(shutil.copytree(MASKED, tmp_path / "run"))
    for name in (SEARCH, "stages/index/index/index_manifest.json"):
        document = json.loads((root / name).read_text("utf-8"))
        del document["fingerprint"]["mask"]
        (root / name).write_text(json.dumps(document), "utf-8")
    outcome = judge(opened(root), BUILT_IN.checks["index-fits-query"])
    told = [one for one in outcome.findings if (one.at.pointer or "").startswith("/fingerprint/mask/")]
    assert outcome.status is Status.FAILED and len(told) == 9


def test_an_index_whose_corpus_lies_elsewhere_is_judged_by_its_files(root: Path) -> None:
    for path in [root / "resolved_config.json", *root.glob("stages/*/*_corpus.jsonl")]:
        path.unlink()
    assert judge(opened(root), BUILT_IN.checks["index-counts"]).status is Status.PASSED
    document = json.loads((root / INDEX).read_text("utf-8"))
    document["fingerprint"]["structure"]["count"] += 1
    (root / INDEX).write_text(json.dumps(document), "utf-8")
    outcome = judge(opened(root), BUILT_IN.checks["index-counts"])
    assert outcome.status is Status.FAILED
    assert outcome.findings[0].message.endswith("the manifest says 4")


def test_a_search_with_another_mask_is_told_by_one_check(tmp_path: Path) -> None:
    """So that who signs for it signs once."""
    root = Path(shutil.copytree(MASKED, tmp_path / "run"))
    shutil.copytree(MASKED.parents[1] / "mask-fits-index" / "fail_another_draw", root, dirs_exist_ok=True)
    run = opened(root)
    assert [
        check
        for check in (*CHECKS, "index-fits-query", "mask-fits-index")
        if judge(run, BUILT_IN.checks[check]).findings
    ] == ["mask-fits-index"]
