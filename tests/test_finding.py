"""Pointers, statuses, verdicts and exit codes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import (
    EXIT_CODES,
    Blocked,
    Finding,
    Location,
    Outcome,
    ReadError,
    Refused,
    Report,
    SealkitError,
    Severity,
    Status,
    UsageError,
    Verdict,
    parts,
    pointer,
    status_of,
)

HERE = Location("metrics.json")


def report(statuses: Iterable[Status], artifacts: Iterable[Status] = ()) -> Report:
    def outcomes(found: Iterable[Status]) -> tuple[Outcome, ...]:
        return tuple(Outcome(f"check-{i}", "A check", status) for i, status in enumerate(found))

    return Report("run-1", "run", outcomes(artifacts), outcomes(statuses))


@given(st.lists(st.text(st.sampled_from("~/01a .é"))))
def test_a_pointer_leads_back_to_its_parts(unescaped: list[str]) -> None:
    assert parts(pointer(*unescaped)) == unescaped


@given(st.lists(st.text()))
def test_any_text_may_be_a_part(unescaped: list[str]) -> None:
    assert parts(pointer(*unescaped)) == unescaped


@pytest.mark.parametrize(
    ("unescaped", "expected"),
    [
        ((), ""),
        (("",), "/"),
        (("a/b", 0), "/a~1b/0"),
        (("m~n",), "/m~0n"),
        (("~1",), "/~01"),
        (("a", "", "b"), "/a//b"),
    ],
)
def test_a_pointer_is_written_as_rfc_6901_says(unescaped: tuple[str | int, ...], expected: str) -> None:
    assert pointer(*unescaped) == expected


def test_a_place_is_shown_with_its_line_where_it_is_known() -> None:
    assert str(Location("a/b.json", pointer="/x")) == "a/b.json"
    assert str(Location("a/b.json", pointer="/x", line=3, quote="x")) == "a/b.json:3"


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], Status.PASSED),
        ([Severity.WARNING], Status.WARNED),
        ([Severity.WARNING, Severity.WARNING], Status.WARNED),
        ([Severity.ERROR], Status.FAILED),
        ([Severity.WARNING, Severity.ERROR], Status.FAILED),
        ([None], Status.FAILED),  # nobody made it softer
        ([None, Severity.WARNING], Status.FAILED),
    ],
)
def test_the_hardest_finding_decides_how_a_judgement_came_out(
    severities: list[Severity | None], expected: Status
) -> None:
    assert status_of(Finding("wrong", HERE, severity) for severity in severities) is expected


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([Status.PASSED], Verdict.PASS),
        ([Status.PASSED, Status.SKIPPED], Verdict.PASS),
        ([Status.PASSED, Status.WARNED], Verdict.WARNINGS),
        ([Status.WARNED], Verdict.WARNINGS),
        ([Status.FAILED], Verdict.FAIL),
        ([Status.BLOCKED], Verdict.INCONCLUSIVE),
        ([Status.CRASHED], Verdict.INCONCLUSIVE),
        ([Status.PASSED, Status.BLOCKED], Verdict.INCONCLUSIVE),
        ([Status.WARNED, Status.CRASHED], Verdict.INCONCLUSIVE),
        ([Status.FAILED, Status.BLOCKED, Status.CRASHED, Status.WARNED, Status.PASSED], Verdict.FAIL),
    ],
)
def test_the_verdict_of_a_report(statuses: list[Status], verdict: Verdict) -> None:
    assert report(statuses).verdict is verdict
    assert report([], artifacts=statuses).verdict is verdict


@pytest.mark.parametrize("count", [1, 3])
def test_a_report_in_which_nothing_was_judged_is_no_pass(count: int) -> None:
    assert report([Status.SKIPPED] * count).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("statuses", list(itertools.product(Status, repeat=3)))
def test_only_what_passed_adds_up_to_a_pass(statuses: tuple[Status, ...]) -> None:
    verdict = report(statuses).verdict
    assert verdict is report(reversed(statuses)).verdict, "the order decides nothing"
    if set(statuses) & {Status.FAILED}:
        assert verdict is Verdict.FAIL
    elif set(statuses) & {Status.BLOCKED, Status.CRASHED} or not set(statuses) & {Status.PASSED, Status.WARNED}:
        assert verdict is Verdict.INCONCLUSIVE
    else:
        assert verdict is (Verdict.WARNINGS if Status.WARNED in statuses else Verdict.PASS)


@given(st.lists(st.sampled_from(Status), min_size=1), st.data())
def test_leaving_an_outcome_out_of_a_failed_report_is_the_only_way_past_it(
    statuses: list[Status], data: st.DataObject
) -> None:
    extra = data.draw(st.sampled_from([Status.FAILED, Status.BLOCKED, Status.CRASHED]))
    assert report([*statuses, extra]).exit_code() != 0


@pytest.mark.parametrize(
    ("statuses", "plain", "strict"),
    [
        ([Status.PASSED], 0, 0),
        ([Status.WARNED], 0, 1),
        ([Status.FAILED], 1, 1),
        ([Status.BLOCKED], 3, 3),
        ([Status.BLOCKED, Status.WARNED], 3, 3),
        ([], 3, 3),
    ],
)
def test_the_exit_codes_of_a_report(statuses: list[Status], plain: int, strict: int) -> None:
    assert report(statuses).exit_code() == plain
    assert report(statuses).exit_code(strict=True) == strict


def test_every_verdict_has_an_exit_code() -> None:
    assert EXIT_CODES.keys() == set(Verdict)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SealkitError("a bug"), 4),
        (UsageError("no such key"), 2),
        (Blocked("cannot tell"), 3),
        (Refused([Finding("another space", HERE)]), 1),
        (ReadError("is not JSON", HERE), 1),
        (ReadError("is not here", HERE, malformed=False), 3),
    ],
)
def test_the_exit_codes_of_errors(error: SealkitError, code: int) -> None:
    assert error.exit_code == code


def test_an_error_says_what_to_do_below_what_is_wrong() -> None:
    assert str(UsageError("no such key", "write `seed`")) == "no such key\n  fix: write `seed`"
    assert str(UsageError("no such key")) == "no such key"
    at = Location("metrics.json", line=3)
    assert str(ReadError("is not JSON", at, "write it again")) == "metrics.json:3: is not JSON\n  fix: write it again"


def test_a_read_error_becomes_a_finding_with_everything_it_knows() -> None:
    at = Location("metrics.json", line=3)
    error = ReadError("is not JSON", at, "write it again")
    assert error.finding() == Finding("is not JSON", at, Severity.ERROR, fix="write it again")


def test_a_refusal_names_every_reason() -> None:
    refused = Refused(Finding(message, HERE) for message in ("other weights", "other pooling"))
    assert [finding.message for finding in refused.findings] == ["other weights", "other pooling"]
    assert refused.message == "other weights; other pooling"
    assert str(refused) == f"{HERE}: other weights\n{HERE}: other pooling"
    told = Refused([Finding("gone", HERE, fix="look"), Finding("cut", HERE, fix="look")])
    assert str(told) == f"{HERE}: gone\n{HERE}: cut\n  fix: look"
