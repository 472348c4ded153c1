"""Waivers and severities: what they soften, what they never do, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import policy
from sealkit.finding import Finding, Location, Outcome, Severity, Status, UsageError, status_of
from sealkit.pack import BUILT_IN
from sealkit.policy import Policy, Waiver

CONTRACT = BUILT_IN.contracts["waivers/v1"]
HEAD = "schema: waivers/v1\nwaivers:\n"
SIGNED = (
    "  - check: run-finished\n    scope: {run: 'ft_*', path: summary.json}\n"
    "    owner: Ada\n    reason: known outage\n    expires: 2027-01-31\n"
)


def error(path: str = "summary.json", pointer: str | None = "/status") -> Finding:
    return Finding("it failed", Location(path, pointer=pointer), Severity.ERROR)


def outcome(*findings: Finding, status: Status = Status.FAILED, reason: str | None = None) -> Outcome:
    return Outcome("run-finished", "The run finished", status, findings, reason)


def read(folder: Path, text: str = HEAD + SIGNED) -> Policy:
    (folder / "waivers.yaml").write_text(text)
    return policy.read(folder / "waivers.yaml", CONTRACT, BUILT_IN.checks)


def told(outcome: Outcome) -> list[str]:
    return [f"{finding.at}: {finding.severity}: {finding.message}" for finding in outcome.findings]


def test_a_waived_failure_is_a_warning_that_names_who_signed(tmp_path: Path) -> None:
    found = read(tmp_path).apply(outcome(error()), Severity.ERROR, "ft_mnr", "2027-01-31")
    assert found.status is Status.WARNED
    assert told(found) == ["summary.json: warning: it failed (waived by Ada until 2027-01-31: known outage)"]
    assert found.findings[0].waiver == {"owner": "Ada", "reason": "known outage", "expires": "2027-01-31"}
    assert found.findings[0].also == (Location("waivers.yaml", line=3),)


def test_an_expired_waiver_waives_nothing_and_is_told(tmp_path: Path) -> None:
    found = read(tmp_path).apply(outcome(error()), Severity.ERROR, "ft_mnr", "2027-02-01")
    assert found.status is Status.FAILED
    assert told(found) == [
        "summary.json: error: it failed",
        "waivers.yaml:3: error: the waiver of Ada expired on 2027-01-31: known outage",
    ]


@pytest.mark.parametrize("finding", [error("metrics.json"), error("other.json")])
def test_a_waiver_that_matches_nothing_is_told(finding: Finding, tmp_path: Path) -> None:
    found = read(tmp_path).apply(outcome(finding), Severity.ERROR, "ft_mnr", "2026-01-01")
    assert found.status is Status.FAILED
    assert told(found)[1:] == ["waivers.yaml:3: warning: the waiver of Ada matches nothing: known outage"]
    passed = read(tmp_path).apply(outcome(status=Status.PASSED), Severity.ERROR, "ft_mnr", "2026-01-01")
    assert passed.status is Status.WARNED


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.CRASHED, Status.SKIPPED])
def test_what_could_not_be_judged_cannot_be_waived(status: Status, tmp_path: Path) -> None:
    unjudged = outcome(status=status, reason="it is not there")
    assert read(tmp_path).apply(unjudged, Severity.ERROR, "ft_mnr", "2026-01-01") == unjudged


def test_what_was_left_unjudged_beside_a_waived_failure_stays_so(tmp_path: Path) -> None:
    found = read(tmp_path).apply(
        outcome(error(), reason="the rest is not there"), Severity.ERROR, "ft_mnr", "2026-01-01"
    )
    assert found.status is Status.BLOCKED


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.CRASHED, Status.SKIPPED])
def test_a_broken_waiver_fails_whatever_came_of_the_check(status: Status, tmp_path: Path) -> None:
    unsigned = read(tmp_path, HEAD + SIGNED.replace("    owner: Ada\n", ""))
    unjudged = outcome(status=status, reason="it is not there")
    assert unsigned.apply(unjudged, Severity.ERROR, "ft_mnr", "2026-01-01").status is Status.FAILED


@pytest.mark.parametrize("order", [1, -1])
def test_an_expired_waiver_beside_one_that_holds_changes_nothing_in_either_order(order: int, tmp_path: Path) -> None:
    two = [SIGNED, SIGNED.replace("2027-01-31", "2025-01-31").replace("Ada", "Bob")]
    found = read(tmp_path, HEAD + "".join(two[::order])).apply(outcome(error()), Severity.ERROR, "ft_mnr", "2026-01-01")
    assert found.status is Status.WARNED
    assert [finding.message for finding in found.findings] == [
        "it failed (waived by Ada until 2027-01-31: known outage)"
    ]


@pytest.mark.parametrize(
    ("scope", "where", "covered"),
    [
        ("/config/expect/1", "/config/expect/1", True),
        ("/config/expect/1", "/config/expect/1/metric", True),
        ("/config/expect/1", "/config/expect/10", False),
        ("/config/expect/1", "/config/expect/10/metric", False),
        ("/config/*", "/config/expect/1/metric", True),
        ("*", None, True),
        ("/status", None, False),
    ],
)
def test_a_scope_is_a_place_and_what_is_below_it(scope: str, where: str | None, covered: bool, tmp_path: Path) -> None:
    text = SIGNED.replace("path: summary.json", f"at: '{scope}'")
    found = read(tmp_path, HEAD + text).apply(outcome(error(pointer=where)), Severity.ERROR, "ft_mnr", "2026-01-01")
    assert (found.findings[0].waiver is not None) == covered


def test_what_nobody_looked_at_is_neither_waived_nor_softened(tmp_path: Path) -> None:
    firm = replace(error(), firm=True)
    waived = read(tmp_path).apply(outcome(error(), firm), Severity.ERROR, "ft_mnr", "2026-01-01")
    assert (waived.status, waived.findings[1]) == (Status.FAILED, firm)
    softer = Policy({"run-finished": Severity.WARNING}).apply(outcome(firm), Severity.ERROR, "one", "2026-01-01")
    assert softer == outcome(firm)


def test_a_waiver_of_another_run_or_check_says_nothing(tmp_path: Path) -> None:
    waivers = read(tmp_path)
    assert waivers.apply(outcome(error()), Severity.ERROR, "base", "2026-01-01") == outcome(error())
    other = Outcome("index-counts", "t", Status.FAILED, (error(),))
    assert waivers.apply(other, Severity.ERROR, "ft_mnr", "2026-01-01") == other


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SIGNED.replace("    owner: Ada\n", ""), "the waiver waives nothing: `owner` is missing"),
        (SIGNED.replace("Ada", "' '"), 'the waiver waives nothing: owner: expected a name, found " "'),
        (
            SIGNED.replace("2027-01-31", "2027-02-30"),
            "the waiver waives nothing: expires: 2027-02-30 is no day of the calendar",
        ),
    ],
)
def test_a_waiver_that_nobody_signed_is_a_failure_of_its_own(text: str, says: str, tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + text).apply(outcome(status=Status.PASSED), Severity.ERROR, "ft_mnr", "2026-01-01")
    assert found.status is Status.FAILED
    assert told(found) == [f"waivers.yaml:3: error: {says}"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "schema: waivers/v1\n",
            "waivers.yaml:1: `waivers` is missing\n  fix: toolkit spec show waivers    tells its keys",
        ),
        (
            HEAD + SIGNED.replace("run-finished", "run-finnished"),
            "waivers.yaml:3: there is no check `run-finnished`; did you mean `run-finished`?\n"
            "  fix: name the check that the waiver is for",
        ),
        (
            HEAD + SIGNED.replace("check: run-finished\n    ", ""),
            "waivers.yaml:3: `check` is missing\n  fix: name the check that the waiver is for",
        ),
        (
            HEAD + "  - nothing\n",
            'waivers.yaml:3: expected object, found string "nothing"\n  fix: name the check that the waiver is for',
        ),
        (
            HEAD + "  - {check: a, check: b}\n",
            "waivers.yaml:3: has the key `check` twice in one mapping\n  fix: keep one of the two",
        ),
    ],
)
def test_a_file_that_is_no_list_of_waivers_is_a_usage_error(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value).endswith(says)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        policy.read(tmp_path / "absent.yaml", CONTRACT, BUILT_IN.checks)


def test_a_project_sets_the_severity_of_a_check_and_it_shows() -> None:
    softer = Policy({"run-finished": Severity.WARNING}).apply(outcome(error()), Severity.ERROR, "one", "2026-01-01")
    assert (softer.status, told(softer)) == (
        Status.WARNED,
        ["summary.json: warning: it failed (softened to warning by the project's settings)"],
    )
    warned = Finding("odd", Location("a"), Severity.WARNING)
    harder = Policy({"run-finished": Severity.ERROR}).apply(
        outcome(warned, status=Status.WARNED), Severity.WARNING, "one", "2026-01-01"
    )
    assert (harder.status, told(harder)) == (
        Status.FAILED,
        ["a: error: odd (hardened to error by the project's settings)"],
    )


def test_a_setting_that_hardens_nothing_leaves_what_a_check_says_more_softly() -> None:
    warned = outcome(Finding("odd", Location("a"), Severity.WARNING), status=Status.WARNED)
    assert Policy({"run-finished": Severity.ERROR}).apply(warned, Severity.ERROR, "one", "2026-01-01") == warned


def test_what_a_setting_hardens_fails_though_the_rest_could_not_be_judged() -> None:
    blocked = outcome(Finding("odd", Location("a"), Severity.WARNING), status=Status.BLOCKED, reason="the rest is gone")
    harder = Policy({"run-finished": Severity.ERROR}).apply(blocked, Severity.WARNING, "one", "2026-01-01")
    assert harder.status is Status.FAILED


def test_a_policy_is_kept_and_read_again(tmp_path: Path) -> None:
    one = Policy({"git-clean": Severity.ERROR}, read(tmp_path).waivers, "waivers.yaml", "sha256:" + "0" * 64)
    assert policy.recorded(one.document()) == one
    assert policy.recorded(None) == Policy()


names = st.sampled_from(["*", "summary.json", "metrics.json", "ft_*", "nobody"])
waivers = st.builds(
    Waiver,
    check=st.sampled_from(["run-finished", "index-counts"]), run=names, path=names, at=names, owner=st.just("Ada"),
    reason=st.just("r"), expires=st.sampled_from(["2025-01-01", "2027-01-01"]), line=st.just(1),
    problem=st.none() | st.just("`owner` is missing"),
)  # fmt: skip
findings = st.builds(
    Finding,
    st.just("m"),
    st.builds(Location, st.sampled_from(["summary.json", "metrics.json"])),
    st.sampled_from(Severity),
    firm=st.booleans(),
)
statuses = st.sampled_from([Status.BLOCKED, Status.CRASHED]) | st.none()


@given(st.lists(findings, max_size=4), st.lists(waivers, max_size=4), statuses)
def test_a_waiver_silences_nothing(found: list[Finding], signed: list[Waiver], stopped: Status | None) -> None:
    status = status_of(found)
    if stopped and status is not Status.FAILED:
        status = stopped
    before = outcome(*found, status=status, reason="it stopped" if stopped else None)
    after = Policy(waivers=tuple(signed)).apply(before, Severity.ERROR, "ft_mnr", "2026-01-01")
    for old, new in zip(found, after.findings, strict=False):
        waived = new.waiver is not None
        assert new == old or (waived and not old.firm and old.severity is Severity.ERROR)
        assert (new.severity is old.severity) != waived and new.message.startswith(old.message)
    # What is added is about the waivers alone, and never makes a no into a yes.
    assert {finding.at.path for finding in after.findings[len(found) :]} <= {"waivers.yaml"}
    assert after.status is not Status.PASSED or before.status is Status.PASSED
    assert not stopped or after.status in (Status.FAILED, Status.BLOCKED, Status.CRASHED)


@given(st.lists(findings, max_size=4), st.lists(waivers, max_size=4), st.randoms())
def test_the_order_of_waivers_does_not_matter_to_the_status(
    found: list[Finding], signed: list[Waiver], shuffle: Random
) -> None:
    before = outcome(*found, status=status_of(found))
    other = list(signed)
    shuffle.shuffle(other)
    results = [
        Policy(waivers=tuple(one)).apply(before, Severity.ERROR, "ft_mnr", "2026-01-01") for one in (signed, other)
    ]
    assert results[0].status is results[1].status


@pytest.mark.parametrize("run_name", ["ft_mnr", "base"])
@pytest.mark.parametrize("today", ["2027-01-31", "2027-02-01"])
@pytest.mark.parametrize("check", ["run-finished", "git-clean"])
@pytest.mark.parametrize("path", ["summary.json", "metrics.json"])
@pytest.mark.parametrize("text", [HEAD + SIGNED, HEAD + SIGNED.replace("    owner: Ada\n", "")])
def test_who_signed_for_a_place_is_told_just_where_a_finding_there_would_be_waived(
    tmp_path: Path, run_name: str, today: str, check: str, path: str, text: str
) -> None:
    kept, failed = read(tmp_path, text), replace(outcome(error(path)), id=check)
    waived = kept.apply(failed, Severity.ERROR, run_name, today).findings[0].waiver is not None
    said = kept.reason(check, error(path).at, run_name, today)
    assert said == ("Ada until 2027-01-31: known outage" if waived else None)
