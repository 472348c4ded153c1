"""Figures as they are sealed: the numbers of each panel; what has no value says why.

    {"name", "kind", "caption", "reference", "panels": [{"metric", "direction", "rows": [row, …]}, …]}

`kind` is `bars` (values) or `deltas` (differences to the reference). A row is {"label", "value", "low", "high", "n", "judged",
"ended", "why"}: `low` and `high` bound the value at 95 %, over the runs of a row (bars) or over queries (deltas); `judged` is how it
compares with the reference, in words; `ended` is None where the matrix has no such row. A renderer needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealkit.matrix_table import Row, Table
from sealkit.metric_keys import MetricKeys
from sealkit.table_document import NOT_ENDED, judged


def figure(
    declared: Mapping[str, Any], table: Table, comparison: Mapping[str, Any] | None, caption: str, keys: MetricKeys
) -> dict[str, Any]:
    """The document of a declared figure: {"name", "kind", "metrics", and perhaps "labels"}."""
    labels = declared.get("labels") or [row.label for row in table.rows]
    reference = comparison["reference"] if comparison else None
    rows = {row.label: row for row in table.rows}
    compared = {(one["label"], one["metric"]): one for one in (comparison or {"rows": []})["rows"]}
    panels = []
    for metric in declared["metrics"]:
        known = keys.find(metric)
        shown: Sequence[dict[str, Any]]
        if declared["kind"] == "bars":
            shown = [_bar(label, rows.get(label), metric, compared.get((label, metric))) for label in labels]
        else:
            shown = [
                _delta(label, rows.get(label), compared.get((label, metric))) for label in labels if label != reference
            ]
        panels.append({"metric": metric, "direction": known.direction if known else None, "rows": shown})
    return {
        "name": declared["name"],
        "kind": declared["kind"],
        "caption": caption,
        "reference": reference,
        "panels": panels,
    }


def _bar(label: str, row: Row | None, metric: str, compared: Mapping[str, Any] | None) -> dict[str, Any]:
    found = row.cells[metric] if row else None
    value, low, high = (found.mean, found.low, found.high) if found else (None, None, None)
    return {
        "label": label,
        "value": value,
        "low": low,
        "high": high,
        "n": compared["n"] if compared else None,
        "judged": judged(compared) if compared else None,
        "ended": bool(row.ended) if row else None,
        "why": None if value is not None else _why(row),
    }


def _delta(label: str, row: Row | None, compared: Mapping[str, Any] | None) -> dict[str, Any]:
    value = compared["difference"] if compared else None
    return {
        "label": label,
        "value": value,
        "low": compared["low"] if compared else None,
        "high": compared["high"] if compared else None,
        "n": compared["n"] if compared else None,
        "judged": judged(compared) if compared else None,
        "ended": bool(row.ended) if row else None,
        "why": None if value is not None else compared["why"] if compared else _why(row),
    }


def _why(row: Row | None) -> str:
    if row is None:
        return "the matrix has no such row"
    return "not among the metrics of its runs" if row.ended else NOT_ENDED
