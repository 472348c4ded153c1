"""Judges what was promised of the values during training: bounds, a fall from the best, a gap between two keys."""

from __future__ import annotations

from sealkit.expectation import HistoryBand, Judged, within
from sealkit.finding import Location, Status
from sealkit.rundir import Run

Point = tuple[int, float, Location]


def _points(run: Run, key: str, path: str | None) -> list[Point]:
    """(step, value, place) of a key in every metric history of the run, or in that of a path, by step."""
    found = [
        (row["step"], row["value"], history.at(line=line))
        for history in run.all("metric_history")
        for line, row in history.rows()
        if row["key"] == key and path in (None, history.path)
    ]
    return sorted(found, key=lambda point: point[0])


def judge(run: Run, promise: HistoryBand, path: str | None = None) -> Judged:
    """Judge a band over the metric history of a run, or that of a path where it has several. Raises ReadError."""
    broken = [history.path for history in run.all("metric_history") if history.problems]
    if broken:
        return Judged(Status.BLOCKED, f"{', '.join(broken)} does not keep its contract")
    points = _points(run, promise.history, path)
    if len(places := sorted({place.path for _, _, place in points})) > 1:
        return Judged(Status.BLOCKED, f"stands in more than one history: {', '.join(places)}")
    if len(points) < promise.after:
        if (run.document("summary") or {}).get("status") != "ok":
            return Judged(Status.BLOCKED, "not there yet: the run did not come to its end")
        return Judged(Status.FAILED, f"{len(points)} evaluations, expected at least {promise.after}")
    if promise.gap_to:
        return _gap(promise, points, _points(run, promise.gap_to, path))
    if promise.fall_from_best is not None:
        return _fall(run, promise, points)
    judged = points[promise.after - 1 :]
    wrong = [point for point in judged if not within(point[1], promise.at_least, promise.at_most)]
    point = (wrong or judged[-1:])[0]
    return Judged(Status.FAILED if wrong else Status.PASSED, f"{point[1]!r} at step {point[0]}", (point[2],))


def _fall(run: Run, promise: HistoryBand, points: list[Point]) -> Judged:
    family = run.metric_keys.find(promise.history)
    sign = -1 if (promise.better or (family.direction if family else "higher")) == "lower" else 1
    best, fallen = points[0], []
    for number, point in enumerate(points, 1):
        best = max(best, point, key=lambda one: sign * one[1])
        behind = sign * (best[1] - point[1])
        if number >= promise.after and promise.fall_from_best is not None and behind > promise.fall_from_best:
            fallen.append((point, best))
    if fallen:
        point, best = max(fallen, key=lambda pair: sign * (pair[1][1] - pair[0][1]))
        found = f"{point[1]!r} at step {point[0]}, after {best[1]!r} at step {best[0]}"
        return Judged(Status.FAILED, found, (point[2], best[2]))
    return Judged(Status.PASSED, f"{points[-1][1]!r} at the end, best {best[1]!r} at step {best[0]}", (best[2],))


def _gap(promise: HistoryBand, points: list[Point], others: list[Point]) -> Judged:
    pairs = []
    for point in points[promise.after - 1 :]:
        before = [other for other in others if other[0] <= point[0]]
        if before:
            pairs.append((point, before[-1]))
    if not pairs:
        return Judged(Status.FAILED, f"{promise.gap_to} has no value at or before these steps")
    point, other = max(pairs, key=lambda pair: _behind(promise, *pair))
    gap = _behind(promise, point, other)
    met = promise.at_most is not None and gap <= promise.at_most
    return Judged(Status.PASSED if met else Status.FAILED, f"{gap!r} at step {point[0]}", (point[2], other[2]))


def _behind(promise: HistoryBand, point: Point, other: Point) -> float:
    """How far a value lies from that of the other key; where `better` is said, how far behind it."""
    ahead = point[1] - other[1]
    return {"higher": -ahead, "lower": ahead}.get(promise.better or "", abs(ahead))
