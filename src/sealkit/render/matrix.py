"""How a matrix came out, for the terminal: a line a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealkit.render.text import clean


def text(record: Mapping[str, Any]) -> str:
    """The table of a `matrix/v1`: run, how it came out, seconds, and the first thing that was wrong with it."""
    head = ("run", "came out", "seconds", "")
    rows = [head, *(_row(one) for one in record["experiments"])]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {word:<{widths[1]}}  {seconds:>{widths[2]}}  {reason}".rstrip()
        for name, word, seconds, reason in rows
    ]
    return "\n".join(lines) + "\n"


def _row(one: Mapping[str, Any]) -> Sequence[str]:
    seconds = "" if one["seconds"] is None else f"{one['seconds']:.1f}"
    name = one["run_dir"].rpartition("/")[2]
    return clean(name), one["verdict"] or one["status"], seconds, clean(one["reason"] or "")
