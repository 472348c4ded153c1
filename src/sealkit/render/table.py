"""The table of a matrix as Markdown, JSON and CSV."""

from __future__ import annotations

import csv as standard
import io

from sealkit.matrix_table import Cell, Row, Table
from sealkit.render.text import clean
from sealkit.write import dumps

NONE = "—"


def markdown(table: Table) -> str:
    """A row a label; a cell is the mean, with its interval where the label has several runs. What is no pass is told below."""
    head = ["", "runs", *table.metrics]
    rows = [head, ["---", "---:", *("---:" for _ in table.metrics)], *map(_cells, table.rows)]
    lines = ["| " + " | ".join(_escaped(part) for part in row) + " |" for row in rows]
    if any(len(row.runs) > 1 for row in table.rows):
        lines += ["", "Mean over the runs of a row, with its 95 % interval (Student's t)."]
    lines += ["", *(f"- {_escaped(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def json(table: Table) -> str:
    """Everything, with the value of each run."""
    rows = [
        {
            "label": row.label,
            "tag": row.tag,
            "runs": list(row.runs),
            "ended": list(row.ended),
            "metrics": {
                metric: {"values": dict(cell.values), "mean": cell.mean, "low": cell.low, "high": cell.high}
                for metric, cell in row.cells.items()
            },
        }
        for row in table.rows
    ]
    return dumps({"metrics": list(table.metrics), "rows": rows, "notes": list(table.notes)})


def csv(table: Table) -> str:
    """A line for each label and metric."""
    text = io.StringIO()
    writer = standard.writer(text, lineterminator="\n")
    writer.writerow(["label", "tag", "metric", "runs", "of", "mean", "low", "high"])
    for row in table.rows:
        for metric, cell in row.cells.items():
            numbers = [cell.mean, cell.low, cell.high]
            writer.writerow([row.label, row.tag, metric, len(cell.values), len(row.runs), *numbers])
    return text.getvalue()


def _cells(row: Row) -> list[str]:
    ended, runs = len(row.ended), len(row.runs)
    return [
        row.label,
        f"{ended}" if ended == runs else f"{ended} of {runs}",
        *(_shown(c, ended) for c in row.cells.values()),
    ]


def _shown(cell: Cell, ended: int) -> str:
    """A mean that fewer runs have than came to their end says so."""
    if cell.mean is None:
        return NONE
    interval = "" if cell.low is None else f" [{cell.low:.4f}, {cell.high:.4f}]"
    return f"{cell.mean:.4f}{interval}" + (f" (of {len(cell.values)})" if len(cell.values) < ended else "")


def _escaped(text: str) -> str:
    return clean(text).replace("|", "\\|")
