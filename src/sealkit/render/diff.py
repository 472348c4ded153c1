"""How two runs differ, for the terminal and as JSON under `diff/v1`."""

from __future__ import annotations

import json as standard
from collections.abc import Iterator, Mapping
from typing import Any

from sealkit.diff import Diff, Difference, Part, Side, Value
from sealkit.render.seal import items
from sealkit.render.text import clean
from sealkit.write import dumps


def text(found: Diff) -> str:
    """What differs, then by how much."""
    lines = [f"{letter}: {_side(side)}" for letter, side in (("A", found.a), ("B", found.b))]
    for part in found.parts:
        lines += ["", *_part(part)]
    lines += ["", *_metrics(found), "", *_comparison(found.comparison)]
    return "\n".join(lines) + "\n"


def _side(side: Side) -> str:
    return clean(f"{side.name} ({side.run_id}), {side.status}: {side.path}")


def _part(part: Part) -> Iterator[str]:
    if part.unknown:
        yield f"{part.name}: cannot be compared: {clean(part.unknown)}"
        return
    count = len(part.differences)
    yield f"{part.name}: {count or 'no'} {'differences' if count > 1 else 'difference'}"
    for difference in part.differences:
        yield f"  {clean(difference.name)}"
        yield f"    A  {_value(difference.a)}"
        yield f"    B  {_value(difference.b)}"


def _value(side: Value | None) -> str:
    if side is None:
        return "–"
    shown = side.value if isinstance(side.value, str) else standard.dumps(side.value, ensure_ascii=False)
    return clean(shown + (f"  ({side.source})" if side.source else ""))


def _metrics(found: Diff) -> Iterator[str]:
    changed = [(key, a, b) for key, a, b in found.metrics if a != b]
    yield f"metrics: {len(changed)} of {len(found.metrics)} differ" if changed else "metrics: no difference"
    width = max((len(clean(key)) for key, _, _ in changed), default=0)
    for key, a, b in changed:
        difference = f"{b - a:+.4f}" if a is not None and b is not None else ""
        yield f"  {clean(key):{width}}  {_number(a):>10}  {_number(b):>10}  {difference}".rstrip()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _comparison(deltas: Mapping[str, Any]) -> Iterator[str]:
    one = {"samples": "sample by sample"}.get(items(deltas["rows"]), "query by query")
    yield f"{one}, B (the run) against A (the reference):"
    for reason in deltas["differs"]:
        yield f"  not compared: {clean(reason)}"
    for row in deltas["rows"]:
        yield (
            f"  {clean(row['key'])}: {row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}], p {row['p']:.4g},"
            f" {row['n']} {items([row])}: {row['wins']} better, {row['ties']} same, {row['losses']} worse"
        )
    if not deltas["differs"] and not deltas["rows"]:
        yield "  not compared: no metric in common"


def json(found: Diff) -> str:
    return dumps(
        {
            "schema": "diff/v1",
            "a": _side_document(found.a),
            "b": _side_document(found.b),
            "parts": [
                {
                    "name": part.name,
                    "unknown": part.unknown,
                    "differences": [_difference(difference) for difference in part.differences],
                }
                for part in found.parts
            ],
            "metrics": [
                {"key": key, "a": a, "b": b, "difference": None if a is None or b is None else b - a}
                for key, a, b in found.metrics
            ],
            "comparison": {
                "method": found.comparison["method"],
                "seed": found.comparison["seed"],
                "resamples": found.comparison["resamples"],
                "differs": found.comparison["differs"],
                "rows": found.comparison["rows"],
            },
        }
    )


def _side_document(side: Side) -> dict[str, str]:
    return {"path": side.path, "name": side.name, "run_id": side.run_id, "status": side.status}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "name": difference.name,
        "a": None if difference.a is None else {"value": difference.a.value, "source": difference.a.source},
        "b": None if difference.b is None else {"value": difference.b.value, "source": difference.b.source},
    }
