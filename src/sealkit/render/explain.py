"""What the checks are for: one line each, one in full, or all of them as the page `checks/README.md`."""

from __future__ import annotations

from collections.abc import Iterable

from sealkit.check import Check
from sealkit.render.text import clean

HEAD = """# Checks

Invariants that no single file of a run can show. Every check is one file here and is found by being here; its id is the
file's name with `-` for `_`. It reads artifacts that keep their contracts and yields findings; it never writes.

To add one:

1. Write a file here: a docstring of one line, `find(run)`, and `CHECK = Check(...)`. In `reads`, a `?` marks a kind that
   the check can do without; `why` names the failure that taught it, `fix` the way out.
2. Put runs beside it in `tests/checks/<check id>/`: `pass*` folders that it lets through, and `fail*` folders for each
   finding that it can yield. A folder holds the files in which its run differs from one of `tests/checks/_base`.
3. `python -m tests.test_checks` writes this page, and the `expected.txt` of new fail cases: read them as their user will.
"""


def listing(checks: Iterable[Check]) -> str:
    """One line a check: id, severity, title."""
    rows = [(check.id, str(check.severity), check.title) for check in checks]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "".join(
        f"{clean(f'{name:{widths[0]}}  {severity:{widths[1]}}  {title}')}\n" for name, severity, title in rows
    )


def text(check: Check) -> str:
    """All that a check says of itself."""
    reads = ", ".join(_kind(kind, version) for kind, version in check.reads.items())
    told = [
        ("severity", str(check.severity)),
        *([("risk", check.risk)] if check.risk else []),
        ("reads", reads),
        ("since", check.since),
        ("why", check.why),
        ("fix", check.fix),
    ]
    lines = [f"{check.id}: {check.title}", *([check.summary] if check.summary else []), ""]
    return "\n".join(clean(line) for line in [*lines, *(f"{name:8}  {says}" for name, says in told)]) + "\n"


def page(checks: Iterable[Check]) -> str:
    """The Markdown of `checks/README.md`."""
    return "\n".join([HEAD, *map(_section, checks)])


def _section(check: Check) -> str:
    reads = ", ".join(_kind(kind, version, "`") for kind, version in check.reads.items())
    told = [
        f"severity: {check.severity}",
        *([f"risk: {check.risk}"] if check.risk else []),
        f"reads: {reads}",
        f"since: {check.since}",
        f"why: {check.why}",
        f"fix: {check.fix}",
    ]
    lines = [f"## {check.id}", f"{check.title}. {check.summary}", "\n".join(f"- {one}" for one in told)]
    return "\n\n".join(lines) + "\n"


def _kind(kind: str, version: int, quote: str = "") -> str:
    return f"{quote}{kind.rstrip('?~')}/v{version}{quote}{' if there' * ('?' in kind)}"
