"""What is wrong and where, how each judgement came out, and the verdict they add up to.

The one currency of the project: readers, contracts, checks and stages all say what they have to say as a
`Finding`; every format of a report is made from findings and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) from its unescaped parts: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parts(json_pointer: str) -> list[str]:
    """The unescaped parts of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in json_pointer.split("/")[1:]]


def dotted(json_pointer: str) -> str:
    """A JSON pointer as a config's reader writes it: `run.seed`."""
    return ".".join(parts(json_pointer))


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Status(StrEnum):
    """How one judgement came out. Only `PASSED` is a pass."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    CRASHED = "crashed"


class Verdict(StrEnum):
    PASS = "PASS"
    WARNINGS = "PASS (with warnings)"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


EXIT_CODES = {Verdict.PASS: 0, Verdict.WARNINGS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 3}


@dataclass(frozen=True)
class Location:
    """A place in a file: a path below the run directory (or as the user typed it) and a JSON pointer or a line.

    `line` counts from 1. `quote` is the text of that line and `digest` the file's, so that evidence outlives
    edits of the file, and dead evidence is noticed. `end` is the last line of a place that has several.
    """

    path: str
    pointer: str | None = None
    line: int | None = None
    quote: str | None = None
    digest: str | None = None
    end: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.path
        return f"{self.path}:{self.line}" + (f"-{self.end}" if self.end else "")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `severity` None means: the severity of the check that found it.

    `waiver` (owner, reason, expires) is set where somebody signed for it. One that is `firm` speaks of what nobody looked at,
    and nothing softens it.
    """

    message: str
    at: Location
    severity: Severity | None = None
    also: tuple[Location, ...] = ()
    fix: str | None = None
    waiver: Mapping[str, str] | None = None
    firm: bool = False


@dataclass(frozen=True)
class Outcome:
    """How one artifact (held against its contract) or one check came out. `reason` is set where it did not run."""

    id: str
    title: str
    status: Status
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    fix: str | None = None


@dataclass(frozen=True)
class Report:
    """All outcomes of one judgement: one per artifact, one per check."""

    run_id: str | None
    name: str
    artifacts: tuple[Outcome, ...]
    checks: tuple[Outcome, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return self.artifacts + self.checks

    @property
    def verdict(self) -> Verdict:
        seen = {outcome.status for outcome in self.outcomes}
        if Status.FAILED in seen:
            return Verdict.FAIL
        if seen & {Status.BLOCKED, Status.CRASHED} or not seen & {Status.PASSED, Status.WARNED}:
            return Verdict.INCONCLUSIVE
        return Verdict.WARNINGS if Status.WARNED in seen else Verdict.PASS

    def exit_code(self, strict: bool = False) -> int:
        """0, 1 or 3; with `strict`, warnings are 1."""
        return 1 if strict and self.verdict is Verdict.WARNINGS else EXIT_CODES[self.verdict]


def status_of(findings: Iterable[Finding]) -> Status:
    """`FAILED` if any finding is an error, `WARNED` if there are only warnings, else `PASSED`."""
    severities = {finding.severity for finding in findings}
    if severities - {Severity.WARNING}:
        return Status.FAILED
    return Status.WARNED if severities else Status.PASSED


class SealkitError(Exception):
    """An error that a user can act on; `exit_code` follows the public table."""

    exit_code = 4

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return self.message if self.fix is None else f"{self.message}\n  fix: {self.fix}"


class UsageError(SealkitError):
    """What was asked for cannot be done as written: exit 2."""

    exit_code = 2


class ReadError(SealkitError):
    """A file that cannot be read as what it should be.

    `malformed` tells content that breaks its format (a failure) from content that could not be judged: gone,
    too large, no permission, a pointer in the place of content (never a pass, but no failure either).
    """

    def __init__(self, message: str, at: Location, fix: str | None = None, *, malformed: bool = True) -> None:
        super().__init__(message, fix)
        self.at = at
        self.malformed = malformed
        self.exit_code = 1 if malformed else 3

    def __str__(self) -> str:
        return f"{self.at}: {super().__str__()}"

    def finding(self) -> Finding:
        return Finding(self.message, self.at, Severity.ERROR, fix=self.fix)


class Refused(SealkitError):
    """A stage or a guard that declines to go on, with its reasons: a failed check, exit 1."""

    exit_code = 1

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        self._joined = "; ".join(finding.message for finding in self.findings)
        super().__init__(self._joined)

    def __str__(self) -> str:
        if self.message != self._joined or not self.findings:  # whoever raised it has said more
            return self.message
        told = [f"{finding.at}: {finding.message}" for finding in self.findings]
        fixes = dict.fromkeys(finding.fix for finding in self.findings if finding.fix)
        return "\n".join([*told, *(f"  fix: {fix}" for fix in fixes)])


class Blocked(SealkitError):
    """Raised by a check that cannot come to a judgement on this run: never a pass, exit 3."""

    exit_code = 3
