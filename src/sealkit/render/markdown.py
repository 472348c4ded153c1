"""A report as Markdown, for a job summary or an issue: what stands out, then every check."""

from __future__ import annotations

from sealkit.finding import Report
from sealkit.render import json
from sealkit.render.seal import cell, checks, findings
from sealkit.render.text import counts


def render(report: Report) -> str:
    """The whole report; everything in it is escaped as in SEAL.md."""
    document = json.document(report)
    sections = [
        f"# {cell(report.name)}: {report.verdict}",
        f"Artifacts: {counts(report.artifacts)}. Checks: {counts(report.checks)}.",
        "## What stands out\n\n" + findings(document),
        "## Checks\n\n" + checks(document),
    ]
    return "\n\n".join(sections) + "\n"
