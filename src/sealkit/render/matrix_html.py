"""SEAL.html of a matrix: its seal as one page that loads nothing and runs nothing, made from what SEAL.md is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from sealkit.render import html, matrix_models, plot, tabular
from sealkit.render import matrix_words as words
from sealkit.render.graph import graph
from sealkit.table_document import judged
from sealkit.trees.words import listed

FEW = 4  # places of a finding that stand open
LONG = 40  # rows from which on a table scrolls in itself, and a drawing is folded


def render(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The page of the seal of a matrix. Every text in it is escaped, and shown without characters that could reorder or hide others."""
    template, style, policy = html.page("matrix_seal.html.jinja", "seal.css", "matrix_seal.css")
    return template.render(
        seal=predicate,
        report=report,
        style=style,
        policy=policy,
        tone=html.TONES[predicate["verdict"]],
        meaning=html.MEANINGS[predicate["verdict"]],
        risks=words.risks(predicate, report),
        beside=words.beside(predicate, report),
        broken=[one for one in report["artifacts"] if one["status"] != "passed"],
        drawings=list(_drawings(predicate["numbers"])),
        tables=[_table(one) for one in words.results(predicate)],
        lineage=graph(predicate["lineage"], predicate["trainings"]),
        words=words,
        models=matrix_models,
        tabular=tabular,
        listed=listed,
        FEW=FEW,
        LONG=LONG,
        NEWLINE=Markup("\n"),
    )


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    columns, rows = tabular.held(table)
    return {**table, "columns": columns, "rows": rows, "notes": tabular.notes(table)}


def _drawings(numbers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One drawing a metric: of the differences to the reference row, or of the values where there is none."""
    comparison = numbers["comparison"]
    if comparison:
        for metric in dict.fromkeys(row["metric"] for row in comparison["rows"]):
            rows = [row for row in comparison["rows"] if row["metric"] == metric and row["difference"] is not None]
            yield _drawn(metric, [{**row, "judged": judged(row)} for row in rows], "difference")
        return
    for panel in (panel for figure in numbers["figures"] if figure["kind"] == "bars" for panel in figure["panels"]):
        rows = [
            {
                **row,
                "difference": row["value"],
                "tested": False,
                "told": None,
                "in_items": None,
                "judged": row["judged"] or "",
            }
            for row in panel["rows"]
            if row["value"] is not None
        ]
        yield _drawn(panel["metric"], rows, "number")


def _drawn(metric: str, rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return {"metric": metric, "kind": kind, "axis": plot.intervals(rows)}
