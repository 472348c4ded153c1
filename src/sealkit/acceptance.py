"""Judges what a config promised beforehand, one row an expectation: what was promised, what was found, how it came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sealkit import band, delta, expectation, lineage
from sealkit.expectation import ArtifactPresent, ContrastPresent, Expectation, HistoryBand, Judged, MetricBound
from sealkit.finding import Location, Status, pointer
from sealkit.rundir import Run

LEVEL_P = 0.05


@dataclass(frozen=True)
class Row:
    """One expectation as it came out. `at` is its place in the config, `also` where it was looked.

    One that `waits` is not judged yet: its reference run is given when the run is over.
    """

    id: str
    says: str
    status: Status
    found: str | None
    at: Location
    also: tuple[Location, ...] = ()
    waits: bool = False

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "says": self.says, "status": str(self.status), "found": self.found}


_WAITS = Judged(Status.SKIPPED, "waits for the reference run: toolkit seal RUN_DIR --reference DIR", waits=True)


def judge(run: Run) -> list[Row]:
    """A row for each expectation of the run's config, in its order.

    An expectation about the reference run is BLOCKED where there is none; one that this version cannot read is, too.
    """
    config = run.document("resolved_config") or {}
    compared = _Compared(run)
    rows = []
    promised = config.get("config", {}).get("expect", [])
    for i, entry in enumerate(promised if isinstance(promised, list) else [promised]):
        try:
            promise = expectation.parse(entry)
        except ValueError as error:
            says, found = "an expectation that this version cannot read", Judged(Status.BLOCKED, str(error))
        else:
            says, found = words(promise), _judge(run, promise, compared)
            if not promise.required:
                found = _softened(promise, found)
        # Where the promise names what it is about, so that the quoted line says more than a bracket.
        kind = [kind for kind in expectation.KINDS if isinstance(entry, dict) and kind in entry][:1]
        at = Location("resolved_config.json", pointer=pointer("config", "expect", i, *kind))
        rows.append(Row(f"expect/{i}", says, found.status, found.found, at, found.also, found.waits))
    return rows


def _softened(promise: Expectation, found: Judged) -> Judged:
    """What was not required: an artifact or a contrast that is absent is listed; a number that was not met, or could not
    be judged, is a warning: to leave it out is never better than to miss it."""
    if found.status in (Status.FAILED, Status.BLOCKED):
        listed = isinstance(promise, ArtifactPresent | ContrastPresent)
        return Judged(Status.SKIPPED if listed else Status.WARNED, found.found, found.also)
    return found


def words(promise: Expectation) -> str:
    """A promise in words."""
    optional = "" if promise.required else " (not required)"
    match promise:
        case MetricBound(against="reference", not_worse_than=margin) if margin is not None:
            text = f"{promise.metric} not worse than the reference by more than {margin:g} (95 % interval)"
        case MetricBound(against="reference"):
            text = f"{promise.metric} better than the reference by more than {promise.better_than:g} (95 % interval, p)"
        case MetricBound():
            text = f"{promise.metric} {_bounds(promise.at_least, promise.at_most)}"
        case HistoryBand(gap_to=other, better=str()) if other:
            text = f"{promise.history} never more than {promise.at_most:g} behind {other}{_since(promise)}"
        case HistoryBand(gap_to=other) if other:
            text = f"{promise.history} within {promise.at_most:g} of {other}{_since(promise)}"
        case HistoryBand(fall_from_best=fall) if fall is not None:
            text = f"{promise.history} never more than {fall:g} behind its best{_since(promise)}"
        case HistoryBand():
            text = f"{promise.history} {_bounds(promise.at_least, promise.at_most)}{_since(promise)}"
        case ArtifactPresent():
            text = f"the artifact {promise.artifact}"
        case ContrastPresent(contrast="pre_post"):
            text = "the contrast pre_post: a comparison with the reference, query by query"
        case _:
            text = "the contrast hard_negatives: a model that was trained with them"
    return text + optional


def _bounds(low: float | None, high: float | None) -> str:
    return " and ".join(
        f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None
    )


def _since(promise: HistoryBand) -> str:
    return f", from evaluation {promise.after} on" if promise.after > 1 else ""


class _Compared:
    """The comparison with the reference run, made when it is first asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._found: dict[str, Any] | None = None

    @property
    def absent(self) -> Judged | None:
        """What to say where there is no reference run: while a run goes on, it is still to come."""
        if self._run.reference is not None:
            return None
        if self._run.ongoing:
            return _WAITS
        return Judged(Status.BLOCKED, "there is no reference run: give one with --reference DIR")

    @property
    def found(self) -> dict[str, Any]:
        if self._found is None:
            self._found = delta.between(self._run, self._run.reference) or {"differs": [], "rows": []}
        return self._found


def _judge(run: Run, promise: Expectation, compared: _Compared) -> Judged:
    match promise:
        case MetricBound(against="reference"):
            return _against(run, promise, compared)
        case MetricBound():
            return _bound(run, promise)
        case HistoryBand():
            return band.judge(run, promise)
        case ArtifactPresent():
            return _artifact(run, promise)
        case ContrastPresent(contrast="pre_post"):
            return _pre_post(compared)
    lines = lineage.lines(run, run.reference)
    hard = next(line for line in lines if line["role"] == "HN-FT")
    if hard["found"]:
        return Judged(Status.PASSED, hard["name"], (Location(hard["place"]),))
    if run.ongoing and run.reference is None:
        return _WAITS  # it may be the reference that was trained with them
    return Judged(Status.FAILED, f"none; searched: {', '.join(hard['searched'])}")


def _bound(run: Run, promise: MetricBound) -> Judged:
    metrics = run.one("metrics")
    if metrics is None or metrics.problems:
        return Judged(Status.BLOCKED, "metrics.json is not there, or does not keep its contract")
    if promise.metric not in metrics.document:
        if (run.document("summary") or {}).get("status") != "ok":
            return Judged(Status.BLOCKED, "not there yet: the run did not come to its end", (metrics.at(),))
        return Judged(Status.FAILED, "not measured", (metrics.at(),))
    value = metrics.document[promise.metric]
    met = expectation.within(value, promise.at_least, promise.at_most)
    return Judged(Status.PASSED if met else Status.FAILED, repr(value), (metrics.at(promise.metric),))


def _against(run: Run, promise: MetricBound, compared: _Compared) -> Judged:
    if compared.absent:
        return compared.absent
    if compared.found["differs"]:
        return Judged(Status.BLOCKED, f"cannot be compared: {'; '.join(compared.found['differs'])}")
    row = next((row for row in compared.found["rows"] if row["key"] == promise.metric), None)
    if row is None:
        return Judged(Status.BLOCKED, "not measured query by query in both runs")
    found = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}], p {row['p']:.4g}"
    family = run.metric_keys.find(promise.metric)
    low = -row["high"] if family is not None and family.direction == "lower" else row["low"]
    if promise.not_worse_than is not None:
        met = low >= -promise.not_worse_than
    else:
        met = low > (promise.better_than or 0) and row["p"] <= LEVEL_P
    metrics = run.one("metrics")
    return Judged(Status.PASSED if met else Status.FAILED, found, (metrics.at(promise.metric),) if metrics else ())


def _artifact(run: Run, promise: ArtifactPresent) -> Judged:
    place = run.promised(promise.artifact)
    found = [a for a in run.artifacts if place and (a.path == place or a.path.startswith(f"{place}/"))]
    if not found:
        return Judged(Status.FAILED, "not there")
    broken = [artifact for artifact in found if artifact.problems]
    if broken:
        return Judged(Status.FAILED, "does not keep its contract", (broken[0].at(),))
    return Judged(Status.PASSED, found[0].path, (found[0].at(),))


def _pre_post(compared: _Compared) -> Judged:
    if compared.absent:
        return compared.absent
    if compared.found["differs"]:
        return Judged(Status.FAILED, f"cannot be compared: {'; '.join(compared.found['differs'])}")
    if not compared.found["rows"]:
        return Judged(Status.FAILED, "no metric was measured query by query in both runs")
    return Judged(Status.PASSED, f"{len(compared.found['rows'])} metrics compared")
