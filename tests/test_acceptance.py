"""What was promised before a run, from `run` to `verify`: met, missed, waived, expired, waiting for a reference, forged."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealkit import acceptance, band, digest, expectation, observe, pipeline, policy, write
from sealkit.audit import audit
from sealkit.expectation import HistoryBand
from sealkit.finding import Report, Severity, Status, UsageError, Verdict
from sealkit.metric_keys import MetricKeys
from sealkit.pack import BUILT_IN, Pack
from sealkit.pipeline import Result
from sealkit.policy import Policy
from sealkit.render import text
from sealkit.rundir import Run, open_run
from sealkit.seal import Sealed, seal
from sealkit.verify import Verification, verify

HERE = Path(__file__).parent
ROOT = HERE.parent
BASES, CASES = HERE / "checks" / "_base", HERE / "checks" / "expectations-met"
PACK = Pack(stage_package="tests.pack")
TOY = """\
schema: pipeline/v1
run: {name: toy}
stages:
  rows: {uses: toy.rows, with: {queries: 20, top_k: 5}}
  measure: {uses: toy.measure, in: {rankings: rows.rankings, qrels: rows.qrels}}
"""
HIGH = 'expect: [{metric: "retrieval/test/nDCG@10", at_least: 0.9}]\n'
WAIVER = """\
schema: waivers/v1
waivers:
  - check: expectations-met
    scope: {run: "%s", at: /config/expect/0}
    owner: Ada Byron
    reason: small index until the new disks are here
    expires: %s
"""
AFTER, BEFORE = "2999-12-31", "2020-12-31"


def waivers(folder: Path, expires: str = AFTER, run: str = "*") -> Policy:
    (folder / "waivers.yaml").write_text(WAIVER % (run, expires))
    return policy.read(folder / "waivers.yaml", BUILT_IN.contracts["waivers/v1"], BUILT_IN.checks)


def run(folder: Path, expect: str = HIGH, signed: Policy | None = None, reference: Path | None = None) -> Result:
    (folder / "toy.yaml").write_text(TOY + expect)
    with contextlib.chdir(folder):
        return pipeline.run(
            Path("toy.yaml"), [], ["toolkit"], pack=PACK, reference=reference, policy=signed or Policy()
        )


def sealed(folder: Path, path: Path, signed: Policy | None = None, reference: Path | None = None) -> Sealed:
    with contextlib.chdir(folder):
        return seal(path.absolute(), reference, signed or Policy())


def verified(path: Path) -> Verification:
    found = verify(path)
    assert [problem.message for problem in found.problems] == []
    assert found.holds
    return found


def document(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def judged(report: Report) -> Any:
    return next(outcome for outcome in report.checks if outcome.id == "expectations-met")


def rows(path: Path) -> list[tuple[str, str]]:
    return [(row["status"], row["found"]) for row in document(path / "seal/seal.json")["predicate"]["acceptance"]]


# A run that misses what it promised


def test_a_missed_expectation_ends_with_1_and_the_complete_run(tmp_path: Path) -> None:
    result = run(tmp_path)
    path = tmp_path / result.path
    summary = document(path / "summary.json")
    assert (result.exit_code, result.error, summary["status"], summary["failure"]) == (1, None, "ok", None)
    assert [stage["name"] for stage in summary["stages"]] == ["rows", "measure"]
    value = document(path / "metrics.json")["retrieval/test/nDCG@10"]
    assert text.outcome(judged(result.report)) == (
        f"resolved_config.json:40: expectations-met: expected retrieval/test/nDCG@10 at least 0.9; found {value!r}\n"
        '  resolved_config.json:40 | "metric": "retrieval/test/nDCG@10",\n'
        f'  metrics.json:3 | "retrieval/test/nDCG@10": {value!r},\n'
        "  fix: see what changed since the last run that met it; a known exception is a waiver with an owner, a reason"
        " and an expiry"
    )
    again = sealed(tmp_path, path)
    assert (again.report.verdict, verified(path).exit_code) == (Verdict.FAIL, 1)
    assert rows(path) == [("failed", repr(value))]


def test_the_same_with_a_waiver_passes_with_warnings_and_names_the_owner(tmp_path: Path) -> None:
    signed = waivers(tmp_path)
    result = run(tmp_path, signed=signed)
    path = tmp_path / result.path
    assert (result.exit_code, judged(result.report).status) == (0, Status.WARNED)
    again = sealed(tmp_path, path, signed)
    assert (again.report.verdict, verified(path).exit_code) == (Verdict.WARNINGS, 0)
    assert [status for status, _ in rows(path)] == ["warned"]
    page = (path / "seal/SEAL.md").read_text("utf-8")
    section = page[page.index("## Waivers") : page.index("## What stands out")]
    assert section == (
        "## Waivers\n\nFailures that somebody signed for. `seal/observed.json` holds the waivers and the digest of their"
        " file.\n\n| signed by | until | check | finding | reason |\n|---|---|---|---|---|\n| Ada Byron | 2999-12-31 |"
        ' `expectations-met` | `resolved_config.json:40` `"metric": "retrieval/test/nDCG@10",` |'
        " small index until the new disks are here |\n\n"
    )
    kept = document(path / "seal/observed.json")["policy"]
    assert (kept["file"], kept["digest"]) == ("waivers.yaml", digest.file(tmp_path / "waivers.yaml"))


def test_the_same_with_an_expired_waiver_fails_and_says_since_when(tmp_path: Path) -> None:
    signed = waivers(tmp_path, BEFORE)
    result = run(tmp_path, signed=signed)
    assert (result.exit_code, result.error) == (1, None)
    path = tmp_path / result.path
    again = sealed(tmp_path, path, signed)
    assert (again.report.verdict, verified(path).exit_code) == (Verdict.FAIL, 1)
    assert rows(path)[0][0] == "failed"
    assert text.outcome(judged(again.report)).endswith(
        "waivers.yaml:3: expectations-met: the waiver of Ada Byron expired on 2020-12-31: "
        "small index until the new disks are here\n  fix: put it right, or have the waiver signed anew"
    )
    assert "## Waivers" not in (path / "seal/SEAL.md").read_text("utf-8")


def test_a_seal_is_judged_by_the_day_on_which_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / run(tmp_path).path
    with monkeypatch.context() as then:
        then.setattr(write, "now", lambda: "2020-06-01T00:00:00Z")
        assert sealed(tmp_path, path, waivers(tmp_path, BEFORE)).report.verdict is Verdict.WARNINGS
    assert verified(path).exit_code == 0
    assert observe.check(path).verdict is Verdict.WARNINGS


def test_what_is_softened_by_the_settings_says_so_on_the_page(tmp_path: Path) -> None:
    path = tmp_path / run(tmp_path).path
    softer = Policy({"expectations-met": Severity.WARNING})
    assert sealed(tmp_path, path, softer).report.verdict is Verdict.WARNINGS
    assert verified(path).exit_code == 0
    assert rows(path)[0][0] == "warned"
    assert "\\(softened to warning by the project's settings\\)" in (path / "seal/SEAL.md").read_text("utf-8")


def test_a_seal_of_a_run_that_promised_nothing_says_so(tmp_path: Path) -> None:
    path = tmp_path / run(tmp_path, "").path
    sealed(tmp_path, path)
    assert rows(path) == []
    assert "## Acceptance\n\nNothing was promised beforehand" in (path / "seal/SEAL.md").read_text("utf-8")


# Changed afterwards


def edit(path: Path, change: Callable[[Any], object]) -> None:
    found = document(path)
    change(found)
    path.write_text(write.dumps(found), "utf-8")


@pytest.mark.parametrize("promised", [None, 5, [1], ["metric"], {"metric": 1}, [{"metric": 5}], [{}]])
def test_expectations_that_were_spoilt_afterwards_fail_and_break_nothing(promised: Any, tmp_path: Path) -> None:
    path = tmp_path / run(tmp_path).path
    edit(path / "resolved_config.json", lambda config: config["config"].update(expect=promised))
    found = judged(observe.check(path))
    assert found.status is Status.FAILED
    assert "are not those that the run fixed before its first stage" in text.outcome(found)
    sealed(tmp_path, path)
    assert verified(path).exit_code == 1


def test_expectations_that_were_taken_out_everywhere_but_in_the_sources_fail(tmp_path: Path) -> None:
    path = tmp_path / run(tmp_path).path
    edit(path / "resolved_config.json", lambda config: config["config"].pop("expect"))
    edit(path / "run_metadata.json", lambda metadata: metadata.pop("expect"))
    found = judged(observe.check(path))
    assert [finding.message for finding in found.findings] == ["the expectations are not those of sources/toy.yaml"]


def forge(path: Path, change: Callable[[Any], object]) -> None:
    """Edit the predicate of a seal, and put every digest right again."""
    statement = path / "seal/seal.json"
    before = digest.file(statement)[7:]
    edit(statement, lambda found: change(found["predicate"]))
    sums = path / "seal/SHA256SUMS"
    sums.write_text(sums.read_text().replace(before, digest.file(statement)[7:]))


@pytest.mark.parametrize(
    "change",
    [
        lambda stated: stated["acceptance"][0].update(status="passed"),
        lambda stated: stated["acceptance"][0].update(says="retrieval/test/nDCG@10 at least 0.001"),
        lambda stated: stated.update(acceptance=[]),
        lambda stated: stated.pop("acceptance"),
    ],
)
def test_a_forged_acceptance_table_is_found(change: Callable[[Any], object], tmp_path: Path) -> None:
    path = tmp_path / run(tmp_path).path
    sealed(tmp_path, path)
    forge(path, change)
    found = verify(path)
    assert found.exit_code == 1
    assert any("/predicate/acceptance" in problem.message for problem in found.problems)


# Against a reference run, on runs that keep every contract


def promising(folder: Path, *promised: dict[str, Any]) -> Path:
    """A copy of the fine-tuned run whose config promised this; the run that it came from lies beside it."""
    outputs = folder / "outputs"
    shutil.copytree(BASES / "retrieval", outputs / "retrieval")
    path = Path(shutil.copytree(BASES / "finetuned", outputs / "finetuned"))
    edit(path / "resolved_config.json", lambda found: found["config"].update(expect=list(promised)))
    edit(path / "run_metadata.json", lambda found: found.update(expect=expectation.identity(list(promised))))
    source = path / "sources/finetuned.yaml"
    source.write_text(source.read_text("utf-8") + f"expect: {json.dumps(promised)}\n", "utf-8")
    return path


def opened(path: Path, reference: Path | None = None) -> Run:
    found = open_run(path, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)
    return replace(found, reference=opened(reference) if reference else None)


NDCG: dict[str, Any] = {"metric": "retrieval/test/nDCG@10", "against": "reference"}


@pytest.mark.parametrize(
    ("promised", "status", "found"),
    [
        ({**NDCG, "not_worse_than": 0}, "passed", "+0.1667 [+0.0000, +0.5000], p 1"),
        ({**NDCG, "better_than": 0}, "failed", "+0.1667 [+0.0000, +0.5000], p 1"),
        ({"contrast": "pre_post"}, "passed", "3 metrics compared"),
        (
            {"metric": "retrieval/test/AP@10", "against": "reference", "better_than": 0},
            "blocked",
            "not measured query by query in both runs",
        ),
    ],
)
def test_a_comparison_is_judged_by_its_interval(promised: Any, status: str, found: str, tmp_path: Path) -> None:
    path = promising(tmp_path, promised)
    (row,) = acceptance.judge(opened(path, tmp_path / "outputs/retrieval"))
    assert (row.status, row.found) == (status, found)


def test_where_less_is_better_the_interval_is_mirrored(tmp_path: Path) -> None:
    path = promising(tmp_path, {**NDCG, "not_worse_than": 0.4}, {**NDCG, "not_worse_than": 0.5})
    run = opened(path, tmp_path / "outputs/retrieval")
    lower = MetricKeys(tuple(replace(family, direction="lower") for family in run.metric_keys.families))
    assert [row.status for row in acceptance.judge(replace(run, metric_keys=lower))] == ["failed", "passed"]


@pytest.mark.parametrize("promised", [{**NDCG, "not_worse_than": 0}, {"contrast": "pre_post"}])
def test_a_run_is_no_reference_of_its_own(promised: Any, tmp_path: Path) -> None:
    path = promising(tmp_path, promised)
    copy = shutil.copytree(path, tmp_path / "outputs/copy")
    for reference in (path, copy):
        (row,) = acceptance.judge(opened(path, reference))
        assert row.status in ("blocked", "failed")
        assert row.found == "cannot be compared: the reference is the run itself"


def test_without_a_reference_nothing_is_said_either_way(tmp_path: Path) -> None:
    path = promising(tmp_path, {**NDCG, "not_worse_than": 0})
    reference = tmp_path / "outputs/retrieval"
    assert text.outcome(judged(observe.check(path))) == (
        "expectations-met: blocked: cannot be judged: retrieval/test/nDCG@10 not worse than the reference by more than 0"
        " (95 % interval): there is no reference run: give one with --reference DIR\n"
        "  fix: complete the run, or give --reference DIR"
    )
    assert judged(observe.check(path, reference)).status is Status.PASSED
    assert sealed(tmp_path, path).report.verdict is not Verdict.PASS
    assert rows(path) == [("blocked", "there is no reference run: give one with --reference DIR")]
    with pytest.raises(UsageError, match="is sealed, with the reference of its seal"):
        observe.check(path, reference)


def test_a_sealed_run_is_judged_against_the_reference_of_its_seal(tmp_path: Path) -> None:
    path = promising(tmp_path, {**NDCG, "not_worse_than": 0}, {**NDCG, "better_than": 0.1, "required": False})
    sealed(tmp_path, path, reference=tmp_path / "outputs/retrieval")
    shutil.rmtree(tmp_path / "outputs/retrieval")
    assert [status for status, _ in rows(path)] == ["passed", "warned"]
    assert judged(observe.check(path)).status is Status.WARNED
    verified(path)


def test_what_is_not_required_is_a_warning_where_it_cannot_be_judged(tmp_path: Path) -> None:
    """Else leaving the reference out would be better than being worse than it."""
    path = promising(
        tmp_path, {**NDCG, "better_than": 0, "required": False}, {"contrast": "pre_post", "required": False}
    )
    assert [row.status for row in acceptance.judge(opened(path))] == ["warned", "skipped"]


def test_while_a_run_goes_on_a_comparison_waits_and_is_named(tmp_path: Path) -> None:
    path = promising(
        tmp_path,
        {**NDCG, "better_than": 0},
        {"contrast": "hard_negatives"},
        {"contrast": "pre_post", "required": False},
    )
    found = acceptance.judge(replace(opened(path), ongoing=True))
    assert [(row.status, row.waits) for row in found] == [("skipped", True)] * 3
    assert {row.found for row in found} == {"waits for the reference run: toolkit seal RUN_DIR --reference DIR"}
    over = acceptance.judge(opened(path))
    assert [(row.status, row.waits) for row in over] == [("blocked", False), ("failed", False), ("skipped", False)]


def test_a_run_says_what_waits_and_does_not_fail_for_it(tmp_path: Path) -> None:
    expect = 'expect: [{metric: "retrieval/test/nDCG@10", against: reference, better_than: 0}, {contrast: hard_negatives, required: false}]\n'
    result = run(tmp_path, expect)
    assert result.exit_code == 0
    assert [waiting.partition(":")[0] for waiting in result.waiting] == [
        "retrieval/test/nDCG@10 better than the reference by more than 0 (95 % interval, p)",
        "the contrast hard_negatives",
    ]
    other = tmp_path / "other"
    other.mkdir()
    compared = run(other, expect, reference=(tmp_path / result.path).absolute())
    assert (compared.waiting, compared.exit_code) == ((), 3)  # the toy keeps no digest of its queries: no test


# Histories


def history(path: Path, *rows: tuple[int, str, float]) -> None:
    lines = [json.dumps({"step": s, "epoch": None, "key": k, "value": v}) + "\n" for s, k, v in rows]
    (path / "stages/train/metric_history.jsonl").write_text("".join(lines), "utf-8")


LOSS = "train/loss"


@pytest.mark.parametrize(
    ("promised", "values", "status"),
    [
        ({"at_most": 1.0, "after": 2}, [3.0, 1.0, 0.5], "passed"),
        ({"at_most": 1.0, "after": 2}, [0.5, 1.5, 0.5], "failed"),
        ({"at_most": 1.0, "after": 3}, [3.0, 2.0, 1.5], "failed"),
        ({"at_most": 1.0, "after": 4}, [0.5, 0.5, 0.5], "failed"),
        ({"fall_from_best": 0.2, "better": "lower"}, [1.0, 0.5, 0.7], "passed"),
        ({"fall_from_best": 0.2, "better": "lower"}, [1.0, 0.5, 0.75], "failed"),
        ({"fall_from_best": 0.2, "better": "lower"}, [0.5, 0.75, 0.4], "failed"),
        ({"fall_from_best": 0.2, "better": "lower", "after": 3}, [0.5, 0.75, 0.4], "passed"),
        ({"fall_from_best": 0.2, "better": "higher"}, [1.0, 1.5, 1.25], "failed"),
        ({"fall_from_best": 0.0, "better": "higher"}, [1.0, 1.0, 1.0], "passed"),
    ],
)
def test_a_band_over_the_history(promised: Any, values: list[float], status: str, tmp_path: Path) -> None:
    path = promising(tmp_path, {"history": LOSS, **promised})
    history(path, *((i, LOSS, value) for i, value in enumerate(values, 1)))
    (row,) = acceptance.judge(opened(path))
    assert (row.status, str(row.found)) == (status, row.found)


def test_rows_out_of_order_are_judged_by_step(tmp_path: Path) -> None:
    path = promising(tmp_path, {"history": LOSS, "at_most": 1.0, "after": 3})
    history(path, (3, LOSS, 0.5), (1, LOSS, 3.0), (2, LOSS, 2.0))
    (row,) = acceptance.judge(opened(path))
    assert (row.status, row.found) == ("passed", "0.5 at step 3")


@pytest.mark.parametrize(
    ("better", "values", "status"),
    [("higher", [0.5, 0.9], "passed"), ("higher", [0.9, 0.5], "failed"), ("lower", [0.9, 0.5], "passed"), (None, [0.9, 0.5], "failed"), (None, [0.5, 0.9], "failed")],
)  # fmt: skip
def test_a_gap_of_which_one_side_is_said_counts_only_what_lies_behind(
    better: str | None, values: list[float], status: str, tmp_path: Path
) -> None:
    promised = {"history": LOSS, "gap_to": "train/other", "at_most": 0.2}
    path = promising(tmp_path, {**promised, **({"better": better} if better else {})})
    history(path, (1, "train/other", values[0]), (1, LOSS, values[1]))
    (row,) = acceptance.judge(opened(path))
    assert row.status == status


def test_one_of_two_histories_is_judged_where_its_path_is_given(tmp_path: Path) -> None:
    path = promising(tmp_path)
    history(path, (1, LOSS, 1.0), (2, LOSS, 3.0))
    shutil.copyfile(path / "stages/train/metric_history.jsonl", path / "stages/train/other_metric_history.jsonl")
    history(path, (1, LOSS, 3.0), (2, LOSS, 1.0))
    promise = HistoryBand(history=LOSS, fall_from_best=1, better="lower")
    found = [band.judge(opened(path), promise, f"stages/train/{name}metric_history.jsonl") for name in ("", "other_")]
    assert [judged.status for judged in found] == ["passed", "failed"]


def test_a_key_of_two_histories_is_judged_in_neither(tmp_path: Path) -> None:
    path = promising(tmp_path, {"history": LOSS, "at_most": 100})
    shutil.copyfile(path / "stages/train/metric_history.jsonl", path / "stages/train/other_metric_history.jsonl")
    (row,) = acceptance.judge(opened(path))
    assert (row.status, row.found) == (
        "blocked",
        "stands in more than one history: stages/train/metric_history.jsonl, stages/train/other_metric_history.jsonl",
    )


CURVE = """\
schema: pipeline/v1
run: {name: toy, purpose: bench}
stages:
  train: {uses: toy.curve, with: {key: genotype/validation/F1, values: [0.95, 0.86, 0.44, 0.22]}}
  rows: {uses: toy.rows, with: {queries: 20, top_k: 5}}
"""


@pytest.mark.parametrize(
    ("expect", "stages"),
    [("", ["train"]), ("expect: [{history: genotype/validation/F1, fall_from_best: 0.8}]\n", ["train", "rows"])],
)
def test_a_metric_that_collapsed_stops_the_run_behind_its_training(
    expect: str, stages: list[str], tmp_path: Path
) -> None:
    (tmp_path / "toy.yaml").write_text(CURVE + expect)
    with contextlib.chdir(tmp_path):
        result = pipeline.run(Path("toy.yaml"), [], ["toolkit"], pack=PACK)
        summary = document(result.path / "summary.json")
    assert [stage["name"] for stage in summary["stages"]] == stages
    assert (summary["failure"] or {}).get("message") == (
        None if expect else "stopped: the check metric-collapse failed"
    )


# Nothing that is left out makes a run better

RANK = {Verdict.PASS: 2, Verdict.WARNINGS: 1, Verdict.INCONCLUSIVE: 0, Verdict.FAIL: 0}


@pytest.mark.parametrize(("case", "signed"), [("pass_met", False), ("fail_metric", True), ("fail_not_required", False)])
def test_a_file_that_is_gone_never_improves_the_verdict(case: str, signed: bool, tmp_path: Path) -> None:
    path = Path(shutil.copytree(BASES / "finetuned", tmp_path / "outputs/finetuned"))
    for name in (name for name in digest.walk(CASES / case) if name not in ("case.json", "expected.txt")):
        shutil.copyfile(CASES / case / name, path / name)
    kept = waivers(tmp_path) if signed else Policy()

    def verdict() -> Verdict:
        found = opened(path)
        return audit(found.with_documents({"seal/observed.json": observed}), BUILT_IN.checks).verdict

    observed = observe.observe(opened(path), kept)
    whole = verdict()
    for name in digest.walk(path):
        if name != "run_metadata.json":  # without it there is no run
            (path / name).rename(tmp_path / "away")
            assert RANK[verdict()] <= RANK[whole], name
            (tmp_path / "away").rename(path / name)


# The command


def toolkit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sealkit.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def test_by_the_command_alone(tmp_path: Path) -> None:
    path = promising(tmp_path, {"metric": "retrieval/test/nDCG@10", "at_least": 0.95})
    assert toolkit("check", str(path), cwd=tmp_path).returncode == 1
    waivers(tmp_path)
    found = toolkit("check", str(path), cwd=tmp_path)
    assert found.returncode == 0
    assert "(waived by Ada Byron until 2999-12-31: small index until the new disks are here)" in found.stdout
    assert found.stdout.endswith("verdict: PASS (with warnings)\n")
    shutil.move(tmp_path / "waivers.yaml", tmp_path / "signed.yaml")
    assert toolkit("seal", str(path), "--waivers", "signed.yaml", cwd=tmp_path).returncode == 0
    refused = toolkit("check", str(path), "--waivers", "signed.yaml", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (
        2,
        f"toolkit: {path}: is sealed, with the waivers of its seal\n  fix: leave --waivers out\n",
    )
    (tmp_path / "waivers.yaml").write_text("schema: waivers/v1\nwaivers: [{check: nonsense}]\n")
    assert toolkit("check", str(path), cwd=tmp_path).returncode == 0  # the file of today is not what it is judged by


@pytest.mark.slow
def test_a_retriever_that_misses_what_it_promised(copied: Path) -> None:
    promised = (
        '[{metric: "retrieval/test/nDCG@10", at_least: 0.999},'
        ' {metric: "retrieval/test/nDCG@10", against: reference, not_worse_than: 1}]'
    )
    done = toolkit(
        "run", str(ROOT / "configs/retriever_base.yaml"), f"model.base={copied}/tiny", "run.limit=24",
        "run.name=promised", "run.output_dir=outputs", f"expect={promised}", "--reference", "outputs/ft_mnr", cwd=copied,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "outputs/promised\n"), done.stderr
    assert "not judged yet" not in done.stderr
    path = copied / "outputs/promised"
    assert document(path / "summary.json")["status"] == "ok"
    reference = copied / "outputs/ft_mnr"
    for signed, code in ((Policy(), 1), (waivers(copied, AFTER, "promised"), 0), (waivers(copied, BEFORE), 1)):
        assert sealed(copied, path, signed, reference).report.exit_code() == code
        assert [status for status, _ in rows(path)] == ["failed" if code else "warned", "passed"]
        assert ("Ada Byron" in (path / "seal/SEAL.md").read_text("utf-8")) == bool(signed.waivers)
        assert verified(path).exit_code == code
        shutil.rmtree(path / "seal")


def test_a_comparison_of_nothing_shows_no_contrast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = promising(tmp_path, {"contrast": "pre_post"})
    monkeypatch.setattr("sealkit.delta.between", lambda *_: {"differs": [], "rows": []})
    (row,) = acceptance.judge(opened(path, tmp_path / "outputs/retrieval"))
    assert (row.status, row.found) == ("failed", "no metric was measured query by query in both runs")
