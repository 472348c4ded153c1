"""A stage asks whether somebody signed for the misfit of a mask, and is told what the check will say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sealkit import pipeline, policy
from sealkit.finding import Status
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import Policy

CONFIG = """\
schema: pipeline/v1
run: {name: token_dynamic_1, output_dir: outputs}
index: {mask: {kind: fixed, rate: 0.5, seed: 7}}
train: {mask: {kind: fixed, rate: 0.5, seed: 8}}
validation: {mask: {kind: fixed, rate: 0.5, seed: 8}}
stages:
  index_mask: {uses: toy.mask, with: {kind: "${index.mask.kind}", rate: "${index.mask.rate}", seed: "${index.mask.seed}"}}
  train_mask: {uses: toy.mask, with: {kind: "${train.mask.kind}", rate: "${train.mask.rate}", seed: "${train.mask.seed}"}}
  validation_mask: {uses: toy.mask, with: {kind: "${validation.mask.kind}", rate: "${validation.mask.rate}", seed: "${validation.mask.seed}"}}
  index: {uses: toy.tokens, in: {mask: index_mask.mask}}
  train: {uses: toy.guarded, in: {index: index.index, train_mask: train_mask.mask, validation_mask: validation_mask.mask}}
"""
WAIVER = """\
  - check: {check}
    scope: {{run: "{run}", at: {at}}}
    owner: Ada Byron
    reason: the damage is to be measured
    expires: {expires}
"""
TRAIN, VALIDATION = "/config/stages/train_mask/with", "/config/stages/validation_mask/with"
SIGNED = "Ada Byron until 2999-12-31: the damage is to be measured"


def waivers(
    folder: Path, *at: str, check: str = "mask-fits-index", run: str = "token_dynamic*", expires: str = "2999-12-31"
) -> Policy:
    entries = [WAIVER.format(check=check, run=run, at=where, expires=expires) for where in at]
    (folder / "waivers.yaml").write_text("schema: waivers/v1\nwaivers:\n" + "".join(entries))
    return policy.read(folder / "waivers.yaml", BUILT_IN.contracts["waivers/v1"], BUILT_IN.checks)


def ran(kept: Policy, *overrides: str) -> Any:
    Path("toy.yaml").write_text(CONFIG)
    return pipeline.run(
        Path("toy.yaml"),
        list(overrides),
        ["toolkit"],
        lambda event: None,
        Pack(stage_package="tests.pack"),
        policy=kept,
    )


def answers() -> dict[str, str]:
    rows = (Path("outputs/token_dynamic_1/stages/train/corpus.jsonl")).read_text("utf-8").splitlines()
    return {row["doc_id"]: row["text"] for row in map(json.loads, rows)}


def judged(result: Any) -> Any:
    return next(one for one in result.report.checks if one.id == "mask-fits-index")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_who_signs_for_both_masks_is_told_to_the_stage_by_input(here: Path) -> None:
    result = ran(waivers(here, TRAIN, VALIDATION))
    assert result.exit_code == 0
    nobody = dict.fromkeys(["index", "nothing", "another check"], "nobody")
    assert answers() == {"train_mask": SIGNED, "validation_mask": SIGNED, **nobody}
    outcome = judged(result)
    assert outcome.status is Status.WARNED
    assert [finding.at.pointer for finding in outcome.findings] == [TRAIN, VALIDATION]
    assert all(finding.message.endswith(f"(waived by {SIGNED})") for finding in outcome.findings)


def test_what_a_stage_did_under_a_waiver_is_recorded_and_serves_no_other_run(here: Path) -> None:
    ran(waivers(here, TRAIN, VALIDATION))
    summary = json.loads(Path("outputs/token_dynamic_1/summary.json").read_text("utf-8"))
    facts = {one["name"]: one["facts"] for one in summary["stages"]}
    assert facts["train"] == {"waived": {"mask-fits-index": {"train_mask": SIGNED, "validation_mask": SIGNED}}}
    assert facts["index"] == {}
    events: list[Any] = []
    pipeline.run(
        Path("toy.yaml"), ["run.name=token_dynamic_2"], ["toolkit"], events.append, Pack(stage_package="tests.pack"),
        policy=waivers(here, TRAIN, VALIDATION),
    )  # fmt: skip
    cached = [event.stage for event in events if event.kind == "stage-cached"]
    assert "train_mask" in cached and "train" not in cached


def test_a_waiver_that_nothing_needs_keeps_no_stage_from_the_cache(here: Path) -> None:
    """A row of a matrix in which everything fits, under the waivers of all its rows."""
    fits = ["train.mask.seed=7", "validation.mask.seed=7"]
    result = ran(waivers(here, TRAIN, VALIDATION), *fits)
    assert result.exit_code == 0
    assert set(answers().values()) == {"nobody"}
    summary = json.loads(Path("outputs/token_dynamic_1/summary.json").read_text("utf-8"))
    assert [one["facts"] for one in summary["stages"]] == [{}] * 5
    events: list[Any] = []
    pipeline.run(
        Path("toy.yaml"), ["run.name=token_dynamic_2", *fits], ["toolkit"], events.append, Pack(stage_package="tests.pack"),
        policy=waivers(here, TRAIN, VALIDATION),
    )  # fmt: skip
    assert "train" in [event.stage for event in events if event.kind == "stage-cached"]


def test_of_two_masks_that_are_signed_for_only_the_one_that_misfits_is_waived(here: Path) -> None:
    ran(waivers(here, TRAIN, VALIDATION), "train.mask.seed=7")
    assert {name for name, answer in answers().items() if answer == SIGNED} == {"validation_mask"}


@pytest.mark.parametrize(
    "waiver",
    [
        {"run": "token_static*"},
        {"expires": "2020-01-01"},
        {"expires": "2999-02-30"},
        {"check": "index-fits-query"},
    ],
)
def test_a_waiver_that_does_not_hold_is_none(here: Path, waiver: dict[str, str]) -> None:
    result = ran(waivers(here, TRAIN, VALIDATION, **waiver))
    assert result.exit_code == 1
    assert not Path("outputs/token_dynamic_1/stages").exists()


def test_who_signs_for_the_validation_has_not_signed_for_the_training(here: Path) -> None:
    result = ran(waivers(here, VALIDATION))
    assert result.exit_code == 1
    assert [finding.waiver is None for finding in judged(result).findings] == [True, False]
    result = ran(waivers(here, VALIDATION), "run.name=token_dynamic_1", "run.output_dir=others", "train.mask.seed=7")
    assert result.exit_code == 0
    rows = Path("others/token_dynamic_1/stages/train/corpus.jsonl").read_text("utf-8")
    assert {row["doc_id"]: row["text"] for row in map(json.loads, rows.splitlines())} == {
        "validation_mask": SIGNED, **dict.fromkeys(["train_mask", "index", "nothing", "another check"], "nobody"),
    }  # fmt: skip
