"""How judgements come out: passed, warned, failed, skipped, blocked, crashed; and what they add up to."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest
from sealkit.audit import SHOWN, audit, judge, judge_artifacts, promises
from sealkit.check import Check, View
from sealkit.finding import Blocked, Finding, Location, Outcome, ReadError, Report, Severity, Status, Verdict
from sealkit.observe import check as check_directory
from sealkit.pack import BUILT_IN
from sealkit.policy import Policy, Waiver
from sealkit.rundir import Run, open_run

BASES = Path(__file__).parent / "checks" / "_base"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
INDEX = "stages/index/index/index_manifest.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole, good run to spoil."""
    return Path(shutil.copytree(BASES / "retrieval", tmp_path / "outputs" / "retrieval"))


def opened(root: Path) -> Run:
    return open_run(root, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)


def audited(root: Path, sealed: bool = False) -> Report:
    return audit(opened(root), BUILT_IN.checks, sealed)


def artifact(report: Report, path: str) -> Outcome:
    return next(outcome for outcome in report.artifacts if outcome.id == path)


def checked(report: Report, check_id: str) -> Outcome:
    return next(outcome for outcome in report.checks if outcome.id == check_id)


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    """Edit a JSON document in place."""
    document = json.loads(path.read_text("utf-8"))
    edit(document)
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def a_check(
    find: Callable[[View], Iterator[Finding]],
    reads: dict[str, int] | None = None,
    severity: Severity = Severity.ERROR,
) -> Check:
    """A check of the test's own; it reads `metrics` where nothing else is said."""
    return Check(
        id="a-check",
        title="A check",
        why="so#1",
        fix="put it right",
        since="0.1.0",
        reads=reads or {"metrics": 1},
        find=find,
        severity=severity,
    )


def nothing(run: View) -> Iterator[Finding]:
    yield from ()


def at_key(run: View) -> Iterator[Finding]:
    yield Finding("is wrong", run.one("metrics").at("time/data"))


# What there is decides which checks can run.


def test_a_good_run_passes(root: Path) -> None:
    report = audited(root)
    assert (report.verdict, report.exit_code(), report.exit_code(strict=True)) == (Verdict.PASS, 0, 0)
    assert report.name == "retrieval"
    assert report.run_id == "retrieval-20260203T100000Z-0a1b2c"
    assert {outcome.id for outcome in report.checks} == set(BUILT_IN.checks)
    assert {outcome.id for outcome in report.artifacts} == {artifact.path for artifact in opened(root).artifacts}


def test_what_is_absent_and_was_promised_by_nobody_skips_a_check(root: Path) -> None:
    outcome = checked(audited(root), "model-best-exported")
    assert (outcome.status, outcome.findings) == (Status.SKIPPED, ())
    assert outcome.reason == "the run holds no model_manifest, and nothing promises one"


def test_an_optional_kind_that_is_absent_skips_nothing(root: Path) -> None:
    assert judge(opened(root), a_check(nothing, {"metrics": 1, "model_manifest?": 1})).status is Status.PASSED


@pytest.mark.parametrize("optional", [False, True])
def test_what_the_config_promised_and_is_absent_blocks(root: Path, optional: bool) -> None:
    shutil.rmtree(root / "stages/index/index")
    report = audited(root)
    missing = artifact(report, "stages/index/index")
    assert (missing.title, missing.status) == ("index_manifest/v2", Status.BLOCKED)
    assert missing.reason == "promised by the stage index, and absent"
    assert missing.fix
    assert checked(report, "index-counts").status is Status.BLOCKED
    assert checked(report, "index-fits-query").status is Status.BLOCKED
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)
    reads = {"metrics": 1, "index_manifest?" if optional else "index_manifest": 2}
    outcome = judge(opened(root), a_check(nothing, reads))
    assert outcome.status is Status.BLOCKED
    assert re.search("index.* is promised.*, and absent", outcome.reason or "")


def test_one_of_several_that_is_promised_and_absent_blocks_too(root: Path) -> None:
    """Judging by the two qrels that are left would be a judgement on less than was promised."""
    (root / "stages/data/test_qrels.jsonl").unlink()
    report = audited(root)
    assert artifact(report, "stages/data/test_qrels.jsonl").status is Status.BLOCKED
    for check_id in ("metrics-recomputed", "rankings-cover-qrels"):
        outcome = checked(report, check_id)
        assert outcome.status is Status.BLOCKED, f"{check_id} is {outcome.status}"
        assert "test_qrels" in (outcome.reason or "")
    assert report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", ["metrics.json", "resolved_config.json", "summary.json"])
def test_what_the_layout_promises_and_is_absent_blocks(root: Path, name: str) -> None:
    (root / name).unlink()
    report = audited(root)
    assert artifact(report, name).status is Status.BLOCKED
    assert artifact(report, name).reason == "promised by the layout native/v1, and absent"
    for check_id, check in BUILT_IN.checks.items():
        if name.removesuffix(".json") in check.kinds:
            assert checked(report, check_id).status in (Status.BLOCKED, Status.SKIPPED), check_id
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_removing_any_artifact_of_a_good_run_is_noticed(root: Path, tmp_path: Path) -> None:
    for name in [artifact.path for artifact in opened(root).artifacts if artifact.path != "run_metadata.json"]:
        copy = Path(shutil.copytree(root, tmp_path / "less"))
        (copy / name).unlink()
        # A folder from which a file is gone is another than its stage wrote.
        whole = name.count("/") <= 2
        assert audited(copy).verdict in ([Verdict.INCONCLUSIVE] if whole else [Verdict.INCONCLUSIVE, Verdict.FAIL]), (
            name
        )
        shutil.rmtree(copy)


def test_a_seal_is_promised_in_a_sealed_run_only(root: Path) -> None:
    assert "seal/observed.json" not in promises(opened(root), sealed=False)
    report = audited(root, sealed=True)
    assert artifact(report, "seal/observed.json").status is Status.BLOCKED
    assert checked(report, "commit-bound").status is Status.BLOCKED
    assert report.verdict is Verdict.INCONCLUSIVE


def test_the_observation_of_a_sealed_run_cannot_be_made_up_for(root: Path) -> None:
    (root / "seal").mkdir()
    (root / "seal/seal.json").write_text("{}", "utf-8")
    report = check_directory(root)
    assert artifact(report, "seal/observed.json").status is Status.BLOCKED
    assert checked(report, "commit-bound").status is Status.BLOCKED


def test_what_a_seal_adds_is_no_artifact_of_the_run(root: Path) -> None:
    before = [outcome.id for outcome in judge_artifacts(opened(root), sealed=False)]
    shutil.copytree(BASES / "finetuned", root / "seal/reference")
    assert [outcome.id for outcome in judge_artifacts(opened(root), sealed=False)] == before


# Artifacts that cannot be used.


def test_a_broken_artifact_fails_and_blocks_the_checks_that_read_it(root: Path) -> None:
    (root / "metrics.json").write_text('{\n  "time/data": "quick"\n}\n', "utf-8")
    report = audited(root)
    broken = artifact(report, "metrics.json")
    assert broken.status is Status.FAILED
    assert [finding.message for finding in broken.findings] == ['/time~1data: expected number, found string "quick"']
    for check_id, check in BUILT_IN.checks.items():
        outcome = checked(report, check_id)
        if outcome.status is Status.SKIPPED:
            assert any(not opened(root).all(kind) for kind in check.required), check_id
        elif "metrics" in check.kinds:
            assert outcome.status is Status.BLOCKED, check_id
            assert outcome.reason == "metrics.json does not keep metrics/v1"
        else:
            assert outcome.status is Status.PASSED, check_id
    assert (report.verdict, report.exit_code()) == (Verdict.FAIL, 1)


def test_a_broken_artifact_of_an_optional_kind_blocks_too(root: Path) -> None:
    (root / "stages/data/dev_corpus.jsonl").write_text('{"doc_id": "d1"}\n', "utf-8")
    assert judge(opened(root), a_check(nothing, {"metrics": 1, "corpus?": 1})).status is Status.BLOCKED


def test_a_newer_schema_is_blocked_and_not_failed(root: Path) -> None:
    change(root / "summary.json", lambda summary: summary.update(schema="summary/v2", unheard_of=1))
    report = audited(root)
    newer = artifact(report, "summary.json")
    assert newer.status is Status.BLOCKED
    assert newer.reason == "keeps summary/v2, which is newer than this sealkit knows (summary/v1)"
    assert [(finding.at.line, finding.fix) for finding in newer.findings] == [(2, "update sealkit")]
    assert checked(report, "summary-agrees").status is Status.BLOCKED
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_a_check_reads_the_version_that_it_understands(root: Path) -> None:
    outcome = judge(opened(root), a_check(nothing, {"metrics": 2}))
    assert (outcome.status, outcome.reason) == (
        Status.BLOCKED,
        "metrics.json is metrics/v1; the check reads metrics/v2",
    )


@pytest.mark.parametrize(
    "name", ["metrics.json", "run_metadata.json", INDEX, "stages/data/test_qrels.jsonl", "stages/search/rankings.jsonl"]
)
def test_a_pointer_in_the_place_of_content_is_blocked_with_the_way_out(root: Path, name: str) -> None:
    (root / name).write_text(LFS, "utf-8")
    report = audited(root)
    assert artifact(report, name).status is Status.BLOCKED
    assert [finding.fix for finding in artifact(report, name).findings] == [f"git lfs pull --include '{name}'"]
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_a_file_beside_an_artifact_that_is_a_pointer_is_blocked(root: Path) -> None:
    (root / "stages/index/index/index.faiss").write_text(LFS, "utf-8")
    report = audited(root)
    outcome = checked(report, "index-counts")
    assert outcome.status is Status.BLOCKED
    assert outcome.fix == "git lfs pull --include 'stages/index/index/index.faiss'"
    assert report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", ["metrics.json", "summary.json", "stages/data/test_qrels.jsonl"])
def test_a_link_in_the_place_of_an_artifact_is_blocked(root: Path, tmp_path: Path, name: str) -> None:
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    report = audited(root)
    assert artifact(report, name).status is Status.BLOCKED
    assert "symbolic link" in (artifact(report, name).reason or "")
    assert report.verdict is Verdict.INCONCLUSIVE


def test_a_link_in_the_place_of_a_folder_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / "stages/search").rename(tmp_path / "elsewhere")
    (root / "stages/search").symlink_to(tmp_path / "elsewhere")
    report = audited(root)
    assert artifact(report, "stages/search/rankings.jsonl").status is Status.BLOCKED
    assert report.verdict is Verdict.INCONCLUSIVE


def test_a_pipe_in_the_place_of_an_artifact_is_blocked_and_not_waited_for(root: Path) -> None:
    (root / "metrics.json").unlink()
    os.mkfifo(root / "metrics.json")
    assert artifact(audited(root), "metrics.json").status is Status.BLOCKED


def test_a_folder_in_the_place_of_an_artifact_is_blocked(root: Path) -> None:
    (root / "metrics.json").unlink()
    (root / "metrics.json").mkdir()
    (root / "metrics.json/metrics.json").write_text("{}", "utf-8")
    assert artifact(audited(root), "metrics.json").status is Status.BLOCKED


def test_an_empty_file_is_no_artifact(root: Path) -> None:
    (root / "metrics.json").write_text("", "utf-8")
    assert artifact(audited(root), "metrics.json").status is Status.FAILED


def test_a_file_name_that_is_no_text_is_said_and_not_stumbled_over(root: Path) -> None:
    """Neither a report nor a seal could write it down."""
    try:
        Path(os.fsdecode(os.fsencode(root / "stages") + b"/\xff.jsonl")).write_text("{}", "utf-8")
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(ReadError, match="UTF-8"):
        audited(root)


# Checks that go wrong.


def test_a_check_that_raises_has_crashed_and_the_others_are_judged(root: Path) -> None:
    def raises(run: View) -> Iterator[Finding]:
        yield from ()
        raise ZeroDivisionError("division by zero")

    crashing = a_check(raises)
    report = audit(opened(root), {"a-check": crashing, **BUILT_IN.checks})
    outcome = checked(report, "a-check")
    assert (outcome.status, outcome.reason) == (Status.CRASHED, "ZeroDivisionError: division by zero")
    assert outcome.fix
    assert [other for other in report.checks if other.id != "a-check"] == list(audited(root).checks)
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_a_check_that_reads_a_kind_it_does_not_name_has_crashed(root: Path) -> None:
    def sneaks(run: View) -> Iterator[Finding]:
        yield Finding("is there", run.one("summary").at())

    outcome = judge(opened(root), a_check(sneaks))
    assert outcome.status is Status.CRASHED
    assert "does not say that it reads summary" in (outcome.reason or "")


@pytest.mark.parametrize("reads", [{"metrics": 1}, {"metrics": 1, "resolved_config": 1}])
def test_a_check_cannot_come_by_another_kind_through_the_wiring(root: Path, reads: dict[str, int]) -> None:
    def sneaks(run: View) -> Iterator[Finding]:
        yield from (Finding("is there", found.at()) for found in [run.produced("search.rankings")] if found)

    assert judge(opened(root), a_check(sneaks, reads)).status is Status.CRASHED


def test_a_check_that_yields_no_findings_has_crashed(root: Path) -> None:
    def yields(run: View) -> Iterator[Any]:
        yield "is wrong"

    assert judge(opened(root), a_check(yields)).status is Status.CRASHED


def test_a_check_may_say_that_it_cannot_tell(root: Path) -> None:
    def cannot_tell(run: View) -> Iterator[Finding]:
        yield from ()
        raise Blocked("nobody knows yet", "wait")

    outcome = judge(opened(root), a_check(cannot_tell))
    assert (outcome.status, outcome.reason, outcome.fix) == (Status.BLOCKED, "nobody knows yet", "wait")


@pytest.mark.parametrize(("malformed", "status"), [(True, Status.FAILED), (False, Status.BLOCKED)])
def test_a_file_that_a_check_cannot_read_fails_if_broken_and_blocks_if_out_of_reach(
    root: Path, malformed: bool, status: Status
) -> None:
    def reads(run: View) -> Iterator[Finding]:
        yield from ()
        raise ReadError(
            "is no index", Location("stages/index/index/ids.txt", line=2), "build it again", malformed=malformed
        )

    outcome = judge(opened(root), a_check(reads))
    assert outcome.status is status
    assert [(f.message, f.at.line, f.at.quote, f.fix) for f in outcome.findings] == [
        ("is no index", 2, "t2", "build it again")
    ]


@pytest.mark.parametrize(
    "trouble",
    [
        ZeroDivisionError("division by zero"),
        Blocked("nobody knows yet"),
        ReadError("is out of reach", Location("metrics.json"), malformed=False),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
def test_what_a_check_found_before_it_stopped_is_kept(root: Path, trouble: Exception) -> None:
    def stops(run: View) -> Iterator[Finding]:
        yield Finding("is wrong", run.one("metrics").at("time/data"))
        raise trouble

    outcome = judge(opened(root), a_check(stops))
    assert outcome.status is Status.FAILED
    assert "is wrong" in [finding.message for finding in outcome.findings]


# What runs say of themselves.


def test_a_run_that_was_cut_off_is_inconclusive(root: Path) -> None:
    change(root / "summary.json", lambda summary: summary.update(status="running", finished=None))
    report = audited(root)
    assert checked(report, "run-finished").status is Status.BLOCKED
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_a_run_that_failed_fails(root: Path) -> None:
    failure = {"stage": "index", "type": "StageRaised", "message": "stage index: ValueError: no documents"}
    change(
        root / "summary.json",
        lambda summary: summary.update(status="failed", failure=failure, stages=summary["stages"][:1]),
    )
    for stage in ("index", "search", "evaluate"):
        shutil.rmtree(root / "stages" / stage)
    report = audited(root)
    assert checked(report, "run-finished").status is Status.FAILED
    assert artifact(report, "stages/index/index").status is Status.BLOCKED
    assert (report.verdict, report.exit_code()) == (Verdict.FAIL, 1)


def test_a_warning_alone_is_a_pass_unless_it_may_not_be(root: Path) -> None:
    (root / "seal").mkdir()
    case = BASES.parent / "commit-bound" / "fail_diverged" / "seal" / "observed.json"
    shutil.copyfile(case, root / "seal" / "observed.json")
    report = audited(root, sealed=True)
    assert [o.id for o in report.outcomes if o.status not in (Status.PASSED, Status.SKIPPED)] == ["commit-bound"]
    assert (report.verdict, report.exit_code(), report.exit_code(strict=True)) == (Verdict.WARNINGS, 0, 1)


def test_an_unsealed_run_is_judged_with_the_world_as_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    files = opened(root).files
    report = check_directory(root)
    outcome = checked(report, "commit-bound")
    assert outcome.status is Status.WARNED
    assert [finding.at.path for finding in outcome.findings] == ["seal/observed.json"]
    assert artifact(report, "seal/observed.json").status is Status.PASSED
    assert opened(root).files == files, "checking writes nothing"


# Findings, made exact.


def found(
    root: Path,
    place: Callable[[View], Location],
    severity: Severity | None = None,
    reads: dict[str, int] | None = None,
) -> Finding:
    """The one finding of a check that points at a place."""

    def find(run: View) -> Iterator[Finding]:
        yield Finding("is wrong", place(run), severity)

    (finding,) = judge(opened(root), a_check(find, reads)).findings
    return finding


def test_a_place_in_a_document_gets_its_line_its_text_and_the_digest_of_the_file(root: Path) -> None:
    at = found(root, lambda run: run.one("metrics").at("retrieval/test/RR@10")).at
    assert at == Location(
        "metrics.json",
        pointer="/retrieval~1test~1RR@10",
        line=6,
        quote='"retrieval/test/RR@10": 0.7777777777777778,',
        digest=digest.file(root / "metrics.json"),
    )


def test_a_place_in_rows_gets_its_text(root: Path) -> None:
    at = found(root, lambda run: run.all("qrels")[1].at(line=3), reads={"qrels": 1}).at
    assert (at.path, at.line) == ("stages/data/test_qrels.jsonl", 3)
    assert at.quote == '{"query_id": "q2", "doc_id": "t1", "relevance": 2}'
    assert at.digest == digest.file(root / "stages/data/test_qrels.jsonl")


def test_a_place_may_lie_in_any_file_of_the_run(root: Path) -> None:
    at = found(root, lambda run: Location("stages/index/index/ids.txt", line=3)).at
    assert (at.quote, at.digest) == ("t3", digest.file(root / "stages/index/index/ids.txt"))


def test_a_binary_file_gets_its_digest_alone(root: Path) -> None:
    name = "stages/index/index/index.faiss"
    assert found(root, lambda run: Location(name)).at == Location(name, digest=digest.file(root / name))


@pytest.mark.parametrize(
    "location",
    [Location("gone.json", pointer="/x"), Location("../retrieval/metrics.json", pointer="/x"), Location("stages/data")],
    ids=lambda location: location.path,
)
def test_a_place_outside_of_the_files_of_the_run_stays_as_it_is(root: Path, location: Location) -> None:
    assert found(root, lambda run: location).at == location


def test_a_pointer_that_leads_nowhere_is_told_by_the_object_around_it(root: Path) -> None:
    at = found(root, lambda run: run.one("metrics").at("nowhere")).at
    assert (at.line, at.quote, at.digest) == (1, "{", digest.file(root / "metrics.json"))
    at = found(root, lambda run: run.one("metrics").at("nowhere", "at", "all")).at
    assert (at.line, at.quote) == (1, "{")


def test_a_line_is_the_same_in_a_file_from_windows(root: Path) -> None:
    text = (root / "metrics.json").read_text("utf-8")
    (root / "metrics.json").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    at = found(root, lambda run: run.one("metrics").at("time/search")).at
    assert (at.line, at.quote) == (4, '"time/search": 0.3,')


def test_a_long_line_is_quoted_in_part(root: Path) -> None:
    (root / "metrics.json").write_text(json.dumps({f"time/{i}": 1 for i in range(100)} | {"time/data": 2}), "utf-8")
    at = found(root, lambda run: run.one("metrics").at("time/data")).at
    assert at.line == 1
    assert at.quote is not None and at.quote.startswith('{"time/0": 1,') and len(at.quote) <= 201


def test_a_place_in_a_document_that_is_not_on_disk_is_found_as_if_it_were(root: Path) -> None:
    observed = json.loads((BASES.parent / "commit-bound/fail_diverged/seal/observed.json").read_text("utf-8"))
    run = opened(root).with_documents({"seal/observed.json": observed})
    (finding,) = judge(run, BUILT_IN.checks["commit-bound"]).findings
    (root / "seal").mkdir()
    shutil.copyfile(BASES.parent / "commit-bound/fail_diverged/seal/observed.json", root / "seal/observed.json")
    (written,) = judge(opened(root), BUILT_IN.checks["commit-bound"]).findings
    assert finding == written


def test_further_places_are_made_exact_too(root: Path) -> None:
    def find(run: View) -> Iterator[Finding]:
        metrics = run.one("metrics")
        yield Finding("is wrong", metrics.at("time/data"), also=(metrics.at("time/index"), metrics.at("time/search")))

    (finding,) = judge(opened(root), a_check(find)).findings
    assert [at.line for at in (finding.at, *finding.also)] == [2, 3, 4]


@pytest.mark.parametrize("severity", Severity)
def test_a_finding_has_the_severity_of_its_check(root: Path, severity: Severity) -> None:
    outcome = judge(opened(root), a_check(at_key, severity=severity))
    assert [finding.severity for finding in outcome.findings] == [severity]
    assert outcome.status is (Status.FAILED if severity is Severity.ERROR else Status.WARNED)
    assert outcome.fix == "put it right"


def test_a_finding_may_be_softer_than_its_check(root: Path) -> None:
    finding = found(root, lambda run: run.one("metrics").at("time/data"), Severity.WARNING)
    assert finding.severity is Severity.WARNING


def test_judging_twice_comes_out_the_same(root: Path) -> None:
    (root / "metrics.json").write_text('{"time/data": "quick"}', "utf-8")
    change(root / "summary.json", lambda summary: summary.update(run_id="other-1"))
    assert dataclasses.asdict(audited(root)) == dataclasses.asdict(audited(root))


# What a check did not come to cannot be waived or softened.

SIGNED = Waiver("a-check", "*", "*", "*", "Ada", "known", "2999-01-01", 3)


def many(count: int, last: Severity | None) -> Callable[[View], Iterator[Finding]]:
    def find(run: View) -> Iterator[Finding]:
        for _ in range(count - 1):
            yield Finding("is wrong", run.one("metrics").at("time/data"), Severity.WARNING)
        yield Finding("is wrong", run.one("metrics").at("time/data"), last)

    return find


def under(policy: Policy, run: Run, check: Check) -> Outcome:
    return policy.apply(judge(run, check), check.severity, "retrieval", "2026-01-01")


@pytest.mark.parametrize("count", [SHOWN, SHOWN + 1, 3 * SHOWN])
def test_an_error_beyond_those_that_are_told_still_counts(count: int, root: Path) -> None:
    check = a_check(many(count, None))
    outcome = judge(opened(root), check)
    assert (outcome.status, len(outcome.findings)) == (Status.FAILED, min(count, SHOWN + 1))
    assert judge(opened(root), a_check(many(count, Severity.WARNING))).status is Status.WARNED
    waived = under(Policy(waivers=(SIGNED,)), opened(root), check)
    assert waived.status is (Status.WARNED if count == SHOWN else Status.FAILED)


@pytest.mark.parametrize("policy", [Policy(waivers=(SIGNED,)), Policy({"a-check": Severity.WARNING})])
def test_a_check_that_was_cut_off_by_a_broken_file_is_not_waived(policy: Policy, root: Path) -> None:
    def find(run: View) -> Iterator[Finding]:
        yield from at_key(run)
        raise ReadError("is no index", Location("stages/index/index/ids.txt", line=2))

    outcome = under(policy, opened(root), a_check(find))
    assert outcome.status is Status.FAILED
    assert [str(finding.severity) for finding in outcome.findings] == ["warning", "error"]
