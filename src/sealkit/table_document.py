"""Tables as they are sealed: typed columns, and rows of cells; what has no value says why.

    {"name", "caption", "columns": [{"name", "type", "metric", "direction"}], "rows": [[cell, …], …], "notes": [text, …]}

The type of a column is `text`, `key` (of a metric), `count`, `number`, `difference` or `p`; `metric` is its key where it is one. A cell is
{"value"}, and what there is of: `low` and `high` of an interval, `of` (how many of how many), `best`, and `why` where the value is
null. A renderer needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealkit.matrix_table import Cell, Row, Table
from sealkit.metric_keys import MetricKeys

OVER_RUNS = "Mean over the runs of a row, with its 95 % interval (Student's t)."
NOT_ENDED = "no run came to its end"


def of_table(
    table: Table,
    name: str = "metrics",
    caption: str = "",
    comparison: Mapping[str, Any] | None = None,
    keys: MetricKeys | None = None,
) -> dict[str, Any]:
    """The table of a matrix: a row a label, a column a metric. With a comparison, what is `best` is marked, if anything is."""
    columns = [_column("", "text"), _column("runs", "count")]
    for metric in table.metrics:
        known = keys.find(metric) if keys else None
        columns.append(_column(metric, "number", metric, known.direction if known else None))
    best = {column["metric"]: _best(table, comparison, column) for column in columns if column["metric"]}
    over_runs = any(len(row.runs) > 1 for row in table.rows)
    return {
        "name": name,
        "caption": " ".join(filter(None, [caption, OVER_RUNS if over_runs else ""])),
        "columns": columns,
        "rows": [_row(row, best) for row in table.rows],
        "notes": list(table.notes),
    }


def _column(name: str, kind: str, metric: str | None = None, direction: str | None = None) -> dict[str, Any]:
    return {"name": name, "type": kind, "metric": metric, "direction": direction}


def _row(row: Row, best: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    ended, runs = len(row.ended), len(row.runs)
    return [
        {"value": row.label},
        {"value": ended, **({} if ended == runs else {"of": runs})},
        *(_cell(cell, ended, row.label in best[metric]) for metric, cell in row.cells.items()),
    ]


def _cell(cell: Cell, ended: int, best: bool) -> dict[str, Any]:
    """A mean that fewer runs have than came to their end says so."""
    if cell.mean is None:
        return {"value": None, "why": "not among the metrics of its runs" if ended else NOT_ENDED}
    found: dict[str, Any] = {"value": cell.mean}
    if cell.low is not None:
        found |= {"low": cell.low, "high": cell.high}
    if len(cell.values) < ended:
        found["of"] = len(cell.values)
    return found | ({"best": True} if best else {})


def _best(table: Table, comparison: Mapping[str, Any] | None, column: Mapping[str, Any]) -> set[str]:
    """The rows with the best value of a metric: those that are told from the reference, or the reference if it is told from all
    others. None where the registry has no direction for the metric, or the best is not told from noise."""
    means = {row.label: mean for row in table.rows if (mean := row.cells[column["metric"]].mean) is not None}
    if not means or comparison is None or column["direction"] is None:
        return set()
    pick = max if column["direction"] == "higher" else min
    found = {label for label, mean in means.items() if mean == pick(means.values())}
    of_reference = comparison["reference"] in found
    wanted = "worse" if of_reference else "better"
    told = {one["label"] for one in comparison["rows"] if one["metric"] == column["metric"] and judged(one) == wanted}
    needed = means.keys() - {comparison["reference"]} if of_reference else found
    return found if needed and needed <= told else set()


def of_comparison(comparison: Mapping[str, Any], caption: str) -> dict[str, Any]:
    """The comparison with the reference row: a row for each label and metric."""
    heads = (
        ("", "text"), ("metric", "key"), ("n", "count"), ("pre", "number"), ("post", "number"), ("difference", "difference"),
        ("in items", "difference"), ("p", "p"), ("p (Holm)", "p"), ("effect", "number"),
        ("wins", "count"), ("ties", "count"), ("losses", "count"), ("judged", "text"),
    )  # fmt: skip
    return {
        "name": "differences",
        "caption": caption,
        "columns": [_column(name, kind) for name, kind in heads],
        "rows": [_compared(row) for row in comparison["rows"]],
        "notes": [],
    }


def _compared(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = ("n", "pre", "post", "difference", "in_items", "p", "p_holm", "effect", "wins", "ties", "losses")
    cells = {name: {"value": row[name]} if row[name] is not None else _without(name, row) for name in names}
    if row["low"] is not None:
        cells["difference"] |= {"low": row["low"], "high": row["high"]}
    return [{"value": row["label"]}, {"value": row["metric"]}, *cells.values(), {"value": judged(row)}]


def _without(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A cell without a value. What an untested row lacks, it says itself why."""
    own = {
        "n": "not said, or not the same in all runs",
        "effect": row["why"] or "all differences are equal",
        "in_items": "n is not known" if row["n"] is None else "the values are no whole numbers of items",
    }
    why = row["why"] if row["difference"] is None else own.get(name, row["why"])
    return {"value": None, "why": why}


def judged(row: Mapping[str, Any]) -> str:
    """What a compared row shows, in words."""
    if not row["tested"]:
        return str(row["why"])
    if not row["told"]:
        return "not told from noise"
    higher = row["difference"] > 0
    if row["direction"] is None:
        return "higher" if higher else "lower"
    return "better" if higher == (row["direction"] == "higher") else "worse"
