"""What softens or hardens the outcome of a check: severities that a project sets, and waivers that somebody signed.

Neither makes anything silent: a softened finding says so, a waived one names owner, reason and expiry, and a waiver that
is expired, broken or matches nothing is a finding itself.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.contract import Contract, did_you_mean
from sealkit.finding import Finding, Location, Outcome, ReadError, Severity, Status, UsageError, dotted, status_of
from sealkit.read import yaml
from sealkit.read.source import read_text

_JUDGED = (Status.PASSED, Status.WARNED, Status.FAILED)


@dataclass(frozen=True)
class Waiver:
    """One exception. `problem` is what is wrong with it as it is written; then it waives nothing."""

    check: str
    run: str
    path: str
    at: str
    owner: str
    reason: str
    expires: str
    line: int
    problem: str | None = None

    def concerns(self, check: str, run_name: str) -> bool:
        return self.check == check and fnmatchcase(run_name, self.run)

    def holds(self, today: str) -> bool:
        return self.problem is None and self.expires >= today

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is in its scope."""
        return self.reaches(finding.at) and not finding.firm

    def reaches(self, place: Location) -> bool:
        """Whether a place is the one that it names, or below it."""
        where = place.pointer or ""
        there = fnmatchcase(where, self.at) or fnmatchcase(where, f"{self.at}/*")
        return there and fnmatchcase(place.path, self.path)

    @property
    def signed(self) -> str:
        return f"{self.owner} until {self.expires}: {self.reason}"


@dataclass(frozen=True)
class Policy:
    """How outcomes are judged beyond the checks themselves; `file` and `digest` are of the waivers file."""

    severities: Mapping[str, Severity] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    file: str | None = None
    digest: str | None = None

    def document(self) -> dict[str, Any]:
        """The policy as `observed/v1` keeps it."""
        return {
            "severities": {check: str(severity) for check, severity in self.severities.items()},
            "file": self.file,
            "digest": self.digest,
            "waivers": [asdict(waiver) for waiver in self.waivers],
        }

    def apply(self, outcome: Outcome, severity: Severity, run_name: str, today: str) -> Outcome:
        """The outcome of a check under this policy. `severity` is the check's own, `today` a day like 2027-01-31."""
        findings = [self._with_severity(outcome.id, severity, finding) for finding in outcome.findings]
        told: list[Finding] = []
        # What holds comes first, so that it does not matter in which order the file has them.
        for waiver in sorted(self.waivers, key=lambda one: not one.holds(today)):
            if waiver.concerns(outcome.id, run_name):
                covered = [i for i, finding in enumerate(findings) if waiver.covers(finding)]
                if waiver.holds(today):
                    for i in covered:
                        findings[i] = self._waived(waiver, findings[i])
                told += self._said(waiver, [findings[i] for i in covered], outcome.status, today)
        if (findings, told) == (list(outcome.findings), []):
            return outcome
        findings += told
        return replace(outcome, findings=tuple(findings), status=_status(outcome, findings))

    def reason(self, check: str, place: Location, run_name: str, today: str) -> str | None:
        """Who signed for what a check tells at a place, until when and why; None where nobody did."""
        found = (
            one for one in self.waivers if one.concerns(check, run_name) and one.holds(today) and one.reaches(place)
        )
        return next((one.signed for one in found), None)

    def _with_severity(self, check: str, severity: Severity, finding: Finding) -> Finding:
        wanted = self.severities.get(check, severity)
        # A check that is no harder than before leaves alone what it says more softly itself.
        if wanted is severity or finding.severity is wanted or finding.firm:
            return finding
        word = "softened" if wanted is Severity.WARNING else "hardened"
        message = f"{finding.message} ({word} to {wanted} by the project's settings)"
        return replace(finding, severity=wanted, message=message)

    def _at(self, waiver: Waiver) -> Location:
        return Location(self.file or "waivers.yaml", line=waiver.line)

    def _waived(self, waiver: Waiver, finding: Finding) -> Finding:
        if finding.severity is not Severity.ERROR:
            return finding
        signed = {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires}
        message = f"{finding.message} (waived by {waiver.signed})"
        also = (*finding.also, self._at(waiver))
        return replace(finding, severity=Severity.WARNING, message=message, waiver=signed, also=also)

    def _said(self, waiver: Waiver, covered: list[Finding], status: Status, today: str) -> Iterator[Finding]:
        """What there is to say of a waiver itself, once its turn is over."""
        at = self._at(waiver)
        if waiver.problem:
            message = f"the waiver waives nothing: {waiver.problem}"
            yield Finding(message, at, Severity.ERROR, fix="complete it, or remove it")
        elif any(finding.severity is Severity.ERROR for finding in covered):
            message = f"the waiver of {waiver.owner} expired on {waiver.expires}: {waiver.reason}"
            yield Finding(message, at, Severity.ERROR, fix="put it right, or have the waiver signed anew")
        # Where nothing was judged, nobody knows what it would have covered.
        elif status in _JUDGED and not any(finding.waiver for finding in covered):
            message = f"the waiver of {waiver.owner} matches nothing: {waiver.reason}"
            yield Finding(message, at, Severity.WARNING, fix="remove it")


NO_POLICY = Policy()


def _status(outcome: Outcome, findings: list[Finding]) -> Status:
    """How a check came out by findings that were softened or hardened: what it could not judge stays unjudged."""
    status = status_of(findings)
    if status is Status.FAILED:
        return status
    if outcome.status not in _JUDGED:
        return outcome.status
    return Status.BLOCKED if outcome.reason else status


def read(path: Path, contract: Contract, checks: Collection[str]) -> Policy:
    """The waivers of a file that keeps `waivers/v1`. An entry that is broken is kept, with what is wrong with it.

    Raises UsageError for a file that cannot be read, or is no list of waivers, and for a check that there is none.
    """
    try:
        text = read_text(path, limit=yaml.LIMIT)
        document = yaml.parse(text, str(path))
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", error.fix) from error
    problems: dict[str, list[str]] = {}
    for violation in contract.violations(document.data):
        entry = "/".join(violation.pointer.split("/")[:3])
        if not violation.pointer.startswith("/waivers/"):
            line = document.lines.get(violation.pointer, 1)
            raise UsageError(f"{path}:{line}: {violation.message}", "toolkit spec show waivers    tells its keys")
        where = dotted(violation.pointer.removeprefix(entry))
        problems.setdefault(entry, []).append(f"{where}: {violation.message}" if where else violation.message)
    waivers = tuple(_entries(document, problems))
    for waiver in waivers:
        if waiver.check not in checks:
            unknown = f"there is no check `{waiver.check}`{did_you_mean(waiver.check, checks)}"
            message = f"{path}:{waiver.line}: {unknown if waiver.check else waiver.problem}"
            raise UsageError(message, "name the check that the waiver is for")
    return Policy(waivers=waivers, file=path.name, digest=digest.of_bytes(text.encode()))


def _entries(document: yaml.Document, problems: Mapping[str, list[str]]) -> Iterator[Waiver]:
    for i, entry in enumerate(document.data["waivers"]):
        where = f"/waivers/{i}"
        said = entry if isinstance(entry, dict) else {}
        scope = said["scope"] if isinstance(said.get("scope"), dict) else {}
        wrong = problems.get(where, [])
        if not wrong and not _is_date(said["expires"]):
            wrong = [f"expires: {said['expires']} is no day of the calendar"]
        yield Waiver(
            check=str(said.get("check", "")),
            run=str(scope.get("run", "*")),
            path=str(scope.get("path", "*")),
            at=str(scope.get("at", "*")),
            owner=str(said.get("owner", "nobody")),
            reason=str(said.get("reason", "")),
            expires=str(said.get("expires", "")),
            line=document.lines.get(where, 1),
            problem="; ".join(wrong) or None,
        )


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def recorded(document: Mapping[str, Any] | None) -> Policy:
    """The policy that an observed document keeps."""
    if document is None:
        return Policy()
    return Policy(
        severities={check: Severity(severity) for check, severity in document["severities"].items()},
        waivers=tuple(
            Waiver(**{key: value for key, value in entry.items() if not key.startswith("x-")})
            for entry in document["waivers"]
        ),
        file=document["file"],
        digest=document["digest"],
    )
