"""Where the boxes and arrows of a matrix's lineage go: the models before training at the left, what trainings made of them at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealkit.trees.evidence import normal

MOST = 8  # boxes of a column; the rest stands in the table
BOX, HIGH, GAP = 330, 104, 16
RIGHT = 480
WIDTH = RIGHT + BOX + 4


def graph(lines: Sequence[Mapping[str, Any]], trainings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A box for each line of a lineage, and an arrow from the base of each training to what it made, in units of the drawing."""
    columns = [
        [line for line in lines if line["role"] == "pre-FT"][:MOST],
        [line for line in lines if line["role"] != "pre-FT"][:MOST],
    ]
    high = _high(max(columns, key=len)) + 4
    boxes: list[list[dict[str, Any]]] = [
        [{"x": x, "y": (high - _high(column)) // 2 + i * (HIGH + GAP), "line": line} for i, line in enumerate(column)]
        for x, column in zip((2, RIGHT), columns, strict=True)
    ]
    bases = {one["id"]: normal(str(one["base"]["value"])) for one in trainings if one["base"]}
    return {
        "width": WIDTH,
        "height": high,
        "box": BOX,
        "high": HIGH,
        "boxes": [*boxes[0], *boxes[1]],
        "arrows": [
            {"x1": 2 + BOX, "y1": _middle(base), "x2": RIGHT, "y2": _middle(made), "training": made["line"]["training"]}
            for base in boxes[0]
            for made in boxes[1]
            if made["line"]["found"]
            and base["line"]["found"]
            and bases.get(made["line"]["training"]) == normal(str(base["line"]["name"]))
        ],
        "more": len(lines) - sum(map(len, columns)),
    }


def _high(column: Sequence[object]) -> int:
    return len(column) * (HIGH + GAP) - GAP


def _middle(box: Mapping[str, Any]) -> int:
    return int(box["y"]) + HIGH // 2
