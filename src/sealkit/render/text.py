"""A report for the terminal: a line a finding, `path:line: check-id: message`, then the counts and the verdict."""

from __future__ import annotations

import unicodedata
from collections import Counter

from sealkit.finding import Finding, Location, Outcome, Report, Status


def render(report: Report) -> str:
    """The whole report. What passed is counted, everything else is told."""
    told = [outcome(item) for item in report.outcomes if item.status not in (Status.PASSED, Status.SKIPPED)]
    lines = [
        f"artifacts: {counts(report.artifacts)}",
        f"checks: {counts(report.checks)}",
        f"verdict: {report.verdict}",
    ]
    return "\n".join([*told, *lines]) + "\n"


def outcome(item: Outcome) -> str:
    """One outcome that did not pass: its findings, or the reason why it has none."""
    lines = [line for finding in item.findings for line in _finding(item, finding)]
    if not item.findings or (item.reason and not any(item.reason.endswith(f.message) for f in item.findings)):
        lines.append(f"{clean(item.id)}: {item.status}: {clean(item.reason or '')}")
    if item.fix and not any(finding.fix for finding in item.findings):
        lines.append(f"  fix: {clean(item.fix)}")
    return "\n".join(lines)


def _finding(item: Outcome, finding: Finding) -> list[str]:
    word = (
        ""
        if item.status is Status.FAILED and finding.severity == "error"
        else f"{item.status if item.reason else finding.severity}: "
    )
    # An artifact's own id is its path, which stands at the head of the line already.
    who = item.title if item.id == finding.at.path else item.id
    lines = [f"{clean(str(finding.at))}: {clean(who)}: {word}{clean(finding.message)}"]
    # Where no line of the finding's own place is quoted, the head has said all of it.
    places = [*([finding.at] if finding.at.quote is not None else []), *finding.also]
    lines += [f"  {place}" for place in map(_place, places) if place]
    if finding.fix:
        lines.append(f"  fix: {clean(finding.fix)}")
    return lines


def _place(location: Location) -> str:
    if location.quote is None and (location.line is not None or location.pointer is None):
        return f"see {clean(str(location))}"
    if location.line is None:
        return ""
    quote = " ⏎ ".join(clean(line) for line in (location.quote or "").split("\n"))
    return f"{clean(str(location))} | {quote}"


def counts(outcomes: tuple[Outcome, ...]) -> str:
    counted = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{counted[status]} {status}" for status in Status if counted[status]) or "none"


def clean(text: str) -> str:
    """Text without what could rewrite a terminal, or stop it: control and format characters (bidirectional, zero-width),
    line separators, surrogates."""
    if text.isprintable():  # as nearly everything is
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    category, code = unicodedata.category(character), ord(character)
    if category[0] != "C" and category not in ("Zl", "Zp"):
        return character
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
