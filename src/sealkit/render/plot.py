"""Where the marks of a page's drawings go: numbers in, coordinates and labels out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# One drawing of a curve, in its own units: the frame within it leaves room for the labels.
WIDTH, HEIGHT = 320, 180
LEFT, RIGHT, TOP, BOTTOM = 52, 308, 14, 148


def scale(values: Sequence[float], pad: float = 0.08) -> tuple[float, float] | None:
    """The bounds of an axis that holds all values, with a margin; None where floating point has no room for them."""
    low, high = min(values), max(values)
    margin = (high - low) * pad or max(abs(high), 1.0) * pad
    bounds = (low - margin, high + margin)
    return bounds if all(map(math.isfinite, bounds)) and 1e-300 < bounds[1] - bounds[0] < math.inf else None


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two bounds: multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5) if m * power >= raw), 10 * power)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [i * step for i in range(first, last + 1)] if last - first <= 2 * about else []


def intervals(deltas: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Points and 95 % intervals of differences on one axis that shows zero, in percent of its width; `low` and `high` may be None."""
    ends = [d[end] for d in deltas for end in ("low", "high", "difference") if d[end] is not None]
    bounds = scale([0.0, *ends]) if deltas else None
    if bounds is None:
        return None
    low, high = bounds

    def at(value: float | None) -> str | None:
        return None if value is None else f"{100 * (value - low) / (high - low):.2f}%"

    return {
        "zero": at(0),
        "ticks": [{"at": at(value), "label": f"{value:+.3g}" if value else "0"} for value in ticks(low, high)],
        "rows": [{"delta": d, "low": at(d["low"]), "high": at(d["high"]), "at": at(d["difference"])} for d in deltas],
    }


def curve(key: str, points: Sequence[Sequence[float]]) -> dict[str, Any]:
    """One small drawing of values by step. Marked is the lowest point of a loss and the highest of what is evaluated."""
    drawn: dict[str, Any] = {"key": key, "last": points[-1], "mark": None, "line": None}
    pick = min if "loss" in key.lower() else None if key.startswith(("train/", "time/")) else max
    if pick:
        step, value = pick(points, key=lambda point: point[1])
        drawn["mark"] = {"word": "lowest" if pick is min else "highest", "step": step, "value": value}
    steps = [step for step, _ in points]
    across, up = scale(steps, 0.0 if len({*steps}) > 1 else 0.08), scale([value for _, value in points])
    if across is None or up is None:
        return drawn

    def x(step: float) -> float:
        return round(LEFT + (step - across[0]) / (across[1] - across[0]) * (RIGHT - LEFT), 2)

    def y(value: float) -> float:
        return round(BOTTOM - (value - up[0]) / (up[1] - up[0]) * (BOTTOM - TOP), 2)

    drawn["line"] = " ".join(f"{x(step)},{y(value)}" for step, value in points)
    drawn["dots"] = [(x(step), y(value)) for step, value in points] if len(points) <= 24 else []
    drawn["rows"] = [{"y": y(value), "label": f"{value:.4g}"} for value in ticks(*up)]
    drawn["columns"] = [
        {"x": x(step), "label": f"{step:,.0f}"} for step in dict.fromkeys((points[0][0], points[-1][0]))
    ]
    if drawn["mark"]:
        drawn["mark"] |= {"x": x(drawn["mark"]["step"]), "y": y(drawn["mark"]["value"])}
    return drawn
