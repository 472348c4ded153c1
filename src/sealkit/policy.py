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
from sealkit.finding import Finding, Location, Outcome, ReadError, Severity, Status, UsageError, status_of
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

    def covers(self, finding: Finding) -> bool:
        return fnmatchcase(finding.at.path, self.path) and fnmatchcase(finding.at.pointer or "", self.at)


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

    def apply(self, outcome: Outcome, run_name: str, today: str) -> Outcome:
        """The outcome of a check under this policy."""
        findings = [self._with_severity(outcome.id, finding) for finding in outcome.findings]
        told: list[Finding] = []
        for waiver in self.waivers:
            if waiver.concerns(outcome.id, run_name):
                findings, more = _waive(waiver, findings, today, self.file or "waivers.yaml", outcome.status)
                told += more
        if (findings, told) == (list(outcome.findings), []):
            return outcome
        status = status_of([*findings, *told]) if outcome.status in _JUDGED else outcome.status
        if outcome.reason and status is not Status.FAILED:
            status = Status.BLOCKED  # what it could not judge stays unjudged, whatever was waived of the rest
        return replace(outcome, findings=(*findings, *told), status=status)

    def _with_severity(self, check: str, finding: Finding) -> Finding:
        wanted = self.severities.get(check)
        if wanted is None or finding.severity is wanted:
            return finding
        word = "softened" if wanted is Severity.WARNING else "hardened"
        message = f"{finding.message} ({word} to {wanted} by the project's settings)"
        return replace(finding, severity=wanted, message=message)


def _waive(
    waiver: Waiver, findings: list[Finding], today: str, file: str, status: Status
) -> tuple[list[Finding], list[Finding]]:
    """The findings with what the waiver covers turned into warnings, and what there is to say of the waiver itself."""
    at = Location(file, line=waiver.line)
    if waiver.problem:
        told = Finding(
            f"the waiver waives nothing: {waiver.problem}", at, Severity.ERROR, fix="complete it, or remove it"
        )
        return findings, [told]
    covered = [f for f in findings if f.severity is Severity.ERROR and f.waiver is None and waiver.covers(f)]
    if covered and waiver.expires < today:
        message = f"the waiver of {waiver.owner} expired on {waiver.expires}: {waiver.reason}"
        return findings, [Finding(message, at, Severity.ERROR, fix="put it right, or have the waiver signed anew")]
    if not covered:
        if status not in _JUDGED:
            return findings, []  # nobody knows what it would have covered
        message = f"the waiver of {waiver.owner} matches nothing: {waiver.reason}"
        return findings, [Finding(message, at, Severity.WARNING, fix="remove it")]
    signed = {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires}
    note = f"(waived by {waiver.owner} until {waiver.expires}: {waiver.reason})"
    waived = [
        replace(f, severity=Severity.WARNING, message=f"{f.message} {note}", waiver=signed, also=(*f.also, at))
        if f in covered
        else f
        for f in findings
    ]
    return waived, []


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
            raise UsageError(f"{path}:{line}: {violation.message}", "see docs/expectations.md for a waivers file")
        where = violation.pointer.removeprefix(entry).replace("/", ".").removeprefix(".")
        problems.setdefault(entry, []).append(f"{where}: {violation.message}" if where else violation.message)
    waivers = tuple(_entries(document, problems))
    for waiver in waivers:
        if waiver.check not in checks:
            message = f"{path}:{waiver.line}: there is no check `{waiver.check}`{did_you_mean(waiver.check, checks)}"
            raise UsageError(message, "name the check that the waiver is for; toolkit explain lists them")
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
            check=str(said.get("check")),
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
