"""A report as JSON under `report/v1`, written field by field: the inner types may change, this may not."""

from __future__ import annotations

from typing import Any

from sealkit.finding import Finding, Location, Outcome, Report
from sealkit.write import dumps


def render(report: Report) -> str:
    return dumps(document(report))


def document(report: Report) -> dict[str, Any]:
    """The report as a `report/v1` document."""
    return {
        "schema": "report/v1",
        "run_id": report.run_id,
        "name": report.name,
        "verdict": str(report.verdict),
        "exit_code": report.exit_code(),
        "artifacts": [_outcome(outcome) for outcome in report.artifacts],
        "checks": [_outcome(outcome) for outcome in report.checks],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "title": outcome.title,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "fix": outcome.fix,
        "findings": [_finding(finding) for finding in outcome.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "message": finding.message,
        "severity": str(finding.severity),
        "fix": finding.fix,
        "location": _location(finding.at),
        "also": [_location(location) for location in finding.also],
        "waiver": dict(finding.waiver) if finding.waiver else None,
    }


def _location(location: Location) -> dict[str, Any]:
    return {
        "path": location.path,
        "pointer": location.pointer,
        "line": location.line,
        "quote": location.quote,
        "digest": location.digest,
        **({"x-end": location.end} if location.end else {}),
    }
