"""The curves of a run's training: values by step, thinned to what a page can show."""

from __future__ import annotations

from typing import Any

from sealkit.rundir import Run

POINTS, KEYS = 200, 20


def curves(run: Run) -> dict[str, list[list[Any]]]:
    """Key → [[step, value], …] by step, from the metric histories that keep their contract: the `history` of a seal.

    At most 20 keys, evaluations before what the trainer logged, and at most 200 points a key, with the first, the last,
    the lowest and the highest among them. A key that two histories hold is told with the path of the second.
    """
    found: dict[str, list[list[Any]]] = {}
    for artifact in run.all("metric_history"):
        if artifact.problems:
            continue
        own: dict[str, list[list[Any]]] = {}
        for _, row in artifact.rows():
            own.setdefault(row["key"], []).append([row["step"], row["value"]])
        found |= {f"{key} ({artifact.path})" if key in found else key: points for key, points in own.items()}
    kept = sorted(found, key=lambda key: (key.startswith(("train/", "time/")), key))[:KEYS]
    return {key: thinned(sorted(found[key])) for key in kept}


def thinned(points: list[list[Any]], limit: int = POINTS) -> list[list[Any]]:
    """At most `limit` of the points, evenly spaced, with both ends and both extremes."""
    if len(points) <= limit:
        return points
    last, even = len(points) - 1, limit - 2
    kept = {round(i * last / (even - 1)) for i in range(even)}
    order = sorted(range(len(points)), key=lambda i: (points[i][1], i))
    return [points[i] for i in sorted({*kept, order[0], order[-1]})]
