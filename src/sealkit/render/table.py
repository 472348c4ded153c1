"""The table of a matrix as Markdown, LaTeX, JSON and CSV."""

from __future__ import annotations

import csv as standard
import io

from sealkit.matrix_table import Table
from sealkit.render import tabular
from sealkit.table_document import of_table
from sealkit.write import dumps


def markdown(table: Table) -> str:
    """A row a label; a cell is the mean, with its interval where the label has several runs. What is no pass is told below."""
    return tabular.markdown(of_table(table))


def latex(table: Table) -> str:
    """The same for a paper."""
    return tabular.latex(of_table(table))


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
