"""The rules of masks, of a pipeline whose sections say them and whose stages refer to the sections: what a user reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sealkit import pipeline
from sealkit.audit import judge
from sealkit.engine import Event
from sealkit.finding import Outcome, Status
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy, Waiver
from sealkit.render import text
from sealkit.rundir import open_run
from tests.test_checks import HERE as CASES
from tests.test_checks import build

CONFIG = """\
schema: pipeline/v1
run: {name: toy, output_dir: outputs}
index:
  mask: {kind: fixed, rate: 0.5, seed: 7}
train:
  mask: {kind: fixed, rate: 0.5, seed: 7}
validation:
  mask: {kind: fixed, rate: 0.5, seed: 7}
stages:
  index_mask:
    uses: toy.mask
    with: {kind: "${index.mask.kind}", rate: "${index.mask.rate}", seed: "${index.mask.seed}", schedule: "${index.mask.schedule}"}
  train_mask:
    uses: toy.mask
    with: {kind: "${train.mask.kind}", rate: "${train.mask.rate}", seed: "${train.mask.seed}", schedule: "${train.mask.schedule}"}
  validation_mask:
    uses: toy.mask
    with: {kind: "${validation.mask.kind}", rate: "${validation.mask.rate}", seed: "${validation.mask.seed}"}
  index: {uses: toy.tokens, in: {mask: index_mask.mask}, with: {invariant: {mask: "${index.invariant.mask}"}}}
  train: {uses: toy.guarded, in: {index: index.index, train_mask: train_mask.mask, validation_mask: validation_mask.mask}}
"""
DYNAMIC = (
    ("seed: 7}\nvalidation", 'seed: 7, schedule: "seed + epoch*10000 + window"}\nvalidation'),
    ("train:\n  mask: {kind: fixed", "train:\n  mask: {kind: dynamic"),
)
TRAIN, VALIDATION = "/config/stages/train_mask/with", "/config/stages/validation_mask/with"
INVARIANT = "or search in embedding space, with an index of what nobody masked that declares the mask invariant: index.invariant.mask: the reason"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ran(
    *changes: tuple[str, str], overrides: tuple[str, ...] = (), policy: Policy = NO_POLICY
) -> tuple[int, list[str], Outcome]:
    """The exit code, the stages that were started, and what mask-fits-index says."""
    config = CONFIG
    for old, new in changes:
        assert config.count(old) == 1, old
        config = config.replace(old, new)
    Path("toy.yaml").write_text(config)
    events: list[Event] = []
    result = pipeline.run(
        Path("toy.yaml"), list(overrides), ["toolkit"], events.append, Pack(stage_package="tests.pack"), policy=policy
    )
    started = [str(event.stage) for event in events if event.kind == "stage-started"]
    return result.exit_code, started, next(one for one in result.report.checks if one.id == "mask-fits-index")


def shown(outcome: Outcome) -> list[str]:
    return text.outcome(outcome).splitlines()


def test_one_rule_for_all_passes() -> None:
    code, started, outcome = ran()
    assert (code, outcome.status) == (0, Status.PASSED)
    assert len(started) == 5


def test_a_mask_that_is_redrawn_in_training_stops_before_the_first_stage() -> None:
    code, started, outcome = ran(*DYNAMIC)
    assert (code, started) == (1, [])
    assert shown(outcome) == [
        "resolved_config.json:54: mask-fits-index: the index is built with a fixed mask (rate 0.5, seed 7, no schedule), the queries "
        "are masked by a dynamic mask (rate 0.5, seed 7, schedule seed + epoch*10000 + window)",
        '  resolved_config.json:54 | "with": {',
        '  sources/toy.yaml:6 | mask: {kind: dynamic, rate: 0.5, seed: 7, schedule: "seed + epoch*10000 + window"}',
        "  sources/toy.yaml:4 | mask: {kind: fixed, rate: 0.5, seed: 7}",
        f"  fix: draw both by one rule: train.mask: {{kind: fixed, schedule: null}}; {INVARIANT}; "
        'if it is meant, sign a waiver of this check, scope: {run: "toy", at: /config/stages/train_mask/with}',
    ]


def test_the_values_to_paste_are_a_way_out() -> None:
    code, _, outcome = ran(*DYNAMIC, overrides=("train.mask.kind=fixed", "train.mask.schedule=null"))
    assert (code, outcome.status) == (0, Status.PASSED)


def test_a_mask_that_is_declared_invariant_is_the_other() -> None:
    code, _, outcome = ran(*DYNAMIC, overrides=("index.invariant.mask=references are encoded unmasked",))
    assert (code, outcome.status) == (0, Status.PASSED)


def test_a_validation_that_differs_is_told_by_itself_and_needs_a_waiver() -> None:
    code, started, outcome = ran(overrides=("validation.mask.seed=8",))
    assert (code, started) == (1, [])
    (finding,) = outcome.findings
    assert finding.at.pointer == VALIDATION
    waiver = Waiver(
        "mask-fits-index", "to*", "*", VALIDATION, "Ada", "the draw is not what is measured", "2999-12-31", 3
    )
    code, started, outcome = ran(
        overrides=("validation.mask.seed=8", "run.name=toy_2"), policy=Policy(waivers=(waiver,), file="waivers.yaml")
    )
    assert (code, outcome.status, len(started)) == (0, Status.WARNED, 5)
    (finding,) = outcome.findings
    assert finding.message == (
        "the index was built with a fixed mask (rate 0.5, seed 7), the queries were masked by another draw (rate 0.5, seed 8) "
        "(waived by Ada until 2999-12-31: the draw is not what is measured)"
    )


def test_masks_of_one_rule_in_other_positions_stop_the_run_after_they_were_drawn() -> None:
    code, started, outcome = ran(overrides=("stages.validation_mask.with.length=3",))
    assert (code, started[-1]) == (1, "index")
    assert shown(outcome)[0].endswith(
        ": the index was built with a fixed mask (rate 0.5, seed 7), the queries were masked by the same rule, in other "
        "positions (rate 0.5, seed 7)"
    )
    assert shown(outcome)[-1] == (
        f"  fix: give both stages one mask: stages.train.in: {{validation_mask: index_mask.mask}}; {INVARIANT}; "
        f'if it is meant, sign a waiver of this check, scope: {{run: "toy", at: {VALIDATION}}}'
    )


def test_a_mask_of_a_section_that_no_wire_brings_to_the_index_is_told_of_its_section() -> None:
    """Stages use it, and nobody can see for what."""
    evaluated = (
        '  test_mask:\n    uses: toy.mask\n    with: {kind: "${test.mask.kind}", rate: 0.5, seed: 7}\n  index: {uses'
    )
    code, started, outcome = ran(
        ("  index: {uses", evaluated), overrides=("test.mask.kind=fixed", "test.mask.rate=0.25")
    )
    assert (code, started) == (1, [])
    assert [finding.at.pointer for finding in outcome.findings] == ["/config/test/mask"]


def test_the_files_alone_tell_the_same_elsewhere(tmp_path: Path) -> None:
    """Of a run that somebody waived, to somebody who did not."""
    both = tuple(Waiver("mask-fits-index", "*", "*", at, "Ada", "x", "2999-12-31", 3) for at in (TRAIN, VALIDATION))
    changed = ("validation.mask.seed=8", "train.mask.rate=0.25")
    assert ran(overrides=changed, policy=Policy(waivers=both))[0] == 0
    Path("outputs/toy").rename("elsewhere")
    run = open_run(Path("elsewhere"), BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)
    outcome = judge(run, BUILT_IN.checks["mask-fits-index"])
    assert outcome.status is Status.FAILED
    assert [(finding.at.pointer, finding.message.rpartition(", the ")[2]) for finding in outcome.findings] == [
        (TRAIN, "queries were masked by another fixed mask (rate 0.25, seed 7)"),
        (VALIDATION, "queries were masked by another draw (rate 0.5, seed 8)"),
    ]


REDRAWN = tuple(
    (f"{section}:\n  mask: {{kind: fixed, rate: 0.5, seed: 7}}", f'{section}:\n  mask: {{kind: dynamic, rate: 0.5, seed: 7, schedule: "seed + epoch*10000 + window"}}')
    for section in ("index", "train")
)  # fmt: skip


def test_a_mask_of_an_index_that_is_redrawn_stops_before_the_first_stage_whatever_the_queries_have() -> None:
    """One rule in the config, and two draws: the index is built once, and the mask of the queries is another in every epoch."""
    code, started, outcome = ran(*REDRAWN)
    assert (code, started) == (1, [])
    assert [finding.at.pointer for finding in outcome.findings] == [TRAIN, VALIDATION]
    assert shown(outcome)[:5] == [
        "resolved_config.json:54: mask-fits-index: the index is built once, and its mask (rate 0.5, seed 7, schedule seed + "
        "epoch*10000 + window) is redrawn in every epoch",
        '  resolved_config.json:54 | "with": {',
        '  sources/toy.yaml:4 | mask: {kind: dynamic, rate: 0.5, seed: 7, schedule: "seed + epoch*10000 + window"}',
        "  fix: draw it once, and the masks of the queries by the same rule: index.mask: {kind: fixed, schedule: null}; "
        f"{INVARIANT}",
        "resolved_config.json:65: mask-fits-index: the index is built once, and its mask (rate 0.5, seed 7, schedule seed + "
        "epoch*10000 + window) is redrawn in every epoch",
    ]


@pytest.mark.parametrize(("said", "passes"), [("mask", True), ("mask.kind", False)])
def test_a_redrawn_mask_of_an_index_fits_where_the_mask_as_a_whole_is_invariant(said: str, passes: bool) -> None:
    declared = (
        'with: {invariant: {mask: "${index.invariant.mask}"}}',
        f"with: {{invariant: {{{said}: references are encoded unmasked}}}}",
    )
    _, started, outcome = ran(*REDRAWN, declared)
    assert (bool(started), outcome.status is not Status.FAILED) == (passes, passes)


@pytest.mark.parametrize(
    ("case", "status"), [("fail_searched_without_a_mask", Status.FAILED), ("pass_redrawn_in_more_epochs", Status.PASSED)]
)  # fmt: skip
def test_what_an_evaluation_hides_is_held_against_its_search_before_that_is_run(
    tmp_path: Path, case: str, status: Status
) -> None:
    check = BUILT_IN.checks["nothing-hidden-was-searched"]
    run = build(CASES / check.id / case, tmp_path / "run")
    for name in ("search/rankings.jsonl", "evaluate/imputed_alleles.jsonl"):
        (run.root / "stages" / name).unlink()
    assert not check.kinds & {"rankings", "imputed_alleles"}, "it would wait for them"
    assert judge(replace(run, ongoing=True), check).status is status


def test_a_mask_that_is_not_drawn_yet_is_waited_for_and_missed_in_the_end(tmp_path: Path) -> None:
    check = BUILT_IN.checks["nothing-hidden-was-searched"]
    run = build(CASES / check.id / "fail_searched_without_a_mask", tmp_path / "run")
    (run.root / "stages/search_mask/mask.json").unlink()
    assert judge(replace(run, ongoing=True), check).status is Status.PASSED
    assert judge(run, check).status is Status.BLOCKED
