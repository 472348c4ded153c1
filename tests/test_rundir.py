"""What a run's config says of its artifacts: which stage made one, which takes one, and the line that set a value."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sealkit.contract import Contract
from sealkit.finding import Finding
from sealkit.pack import BUILT_IN
from sealkit.rundir import Run, open_run

BASE = Path(__file__).parent / "checks" / "_base" / "masked"


def opened(root: Path) -> Run:
    return open_run(root, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)


def test_the_stage_that_made_an_artifact() -> None:
    run = opened(BASE)
    made = {artifact.path: run.maker(artifact) for artifact in run.artifacts}
    assert made["stages/index/index/index_manifest.json"] == "index"  # which lies in the folder that was promised
    assert made["stages/query_mask/mask.json"] == "query_mask"
    assert made["summary.json"] is None


def test_what_a_stage_takes_of_a_kind() -> None:
    run = opened(BASE)
    assert run.taken("search", "index_manifest") == {"index.index": "stages/index/index"}
    assert run.taken("search", "mask") == {"query_mask.mask": "stages/query_mask/mask.json"}
    assert run.taken("data", "mask") == run.taken("absent", "mask") == {}


def test_the_line_that_set_a_value() -> None:
    run = opened(BASE)
    assert str(run.origin("run", "seed")) == "sources/masked.yaml:5"
    assert str(run.origin("stages", "search", "with", "top_k")) == "sources/masked.yaml:48"
    assert str(run.origin("stages", "query_mask", "with", "rate")) == "sources/masked.yaml:19"  # by way of ${…}


@pytest.mark.parametrize(
    "told",
    [
        "default", "command line", "sources/absent.yaml:3", "sources/masked.yaml", "sources/masked.yaml:0", "sources/masked.yaml:²",
        "sources/masked.yaml:" + "9" * 5000, "../sources/masked.yaml:3", "", "sources/masked.yaml:3 via ${run.seed}",
        "sources/masked.yaml:3 via ${run.absent}",
    ],
    ids=lambda told: told[:40],
)  # fmt: skip
def test_a_value_that_no_line_set_has_its_place_in_the_resolved_config(told: str, tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path / "run")
    path = tmp_path / "run" / "resolved_config.json"
    document = json.loads(path.read_text("utf-8"))
    document["provenance"]["/run/seed"] = told
    path.write_text(json.dumps(document), "utf-8")
    found = opened(tmp_path / "run").origin("run", "seed")
    assert (found.path, found.line) == ("resolved_config.json", None)


def test_while_a_run_goes_on_a_file_is_held_against_its_contract_again_once_it_was_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    problems = Contract.problems

    def noted(self: Contract, path: Path, name: str) -> tuple[list[Finding], bool]:
        looked.append(name)
        return problems(self, path, name)

    monkeypatch.setattr(Contract, "problems", noted)
    root = Path(shutil.copytree(BASE, tmp_path / "run"))
    run = replace(opened(root), ongoing=True, held={})

    def metrics() -> list[str]:
        found = replace(run).one("metrics")
        return [finding.message for finding in found.problems] if found else ["absent"]

    assert metrics() == metrics() == []
    assert looked == ["metrics.json"]
    size = len((root / "metrics.json").read_text())
    (root / "metrics.json").write_text("[]".ljust(size))
    assert metrics() != []
    assert looked == ["metrics.json"] * 2
    again = opened(root).one("metrics")
    assert again and again.problems, "and whoever judges it later reads it himself"
    assert looked == ["metrics.json"] * 3
