"""The values of single queries of a run of a matrix and of its reference: from the rows of our runs, from files of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from sealkit import delta, per_query
from sealkit.matrix_runs import Reported

NOT_TESTED = "no per-query data: not tested"

Values = Mapping[str, float]
# The values of a metric by query, of the reference's run and of a run. Raises ReadError, and ValueError in words for why there are none.
Pairing = Callable[[Reported, Reported, str], tuple[Values, Values]]


def from_rows() -> Pairing:
    """The values of single queries of runs of ours, derived again from their rankings or imputed alleles."""
    known: dict[tuple[str, str], delta.Pair] = {}
    evaluated: delta.Known = {}

    def values(run: Reported, base: Reported, metric: str) -> tuple[Values, Values]:
        if run.opened is None or base.opened is None:
            raise ValueError(NOT_TESTED)
        if (run.name, base.name) not in known:
            known[run.name, base.name] = delta.pair(run.opened, base.opened, evaluated)
        found = known[run.name, base.name]
        if found.differs:
            raise ValueError("; ".join(found.differs))
        if metric not in found.pre or metric not in found.post:
            raise ValueError(NOT_TESTED)
        return found.pre[metric], found.post[metric]

    return values


def from_files(root: Path) -> Pairing:
    """The values of single queries of other tools' runs, from the files below `root` that their evidence names."""

    @cache
    def rows(path: str) -> dict[str, dict[str, float]]:
        return per_query.read(root, path)

    def side(run: Reported, metric: str) -> Values:
        subset, _, measure = metric.rpartition("/")
        for path, of in run.files:
            if of in (None, subset, metric) and metric in rows(path):
                return rows(path)[metric]
            found = rows(path).get(measure, {})
            if found and (of in (subset, metric) or (of is None and _of_subset(run, metric, len(found)))):
                return found
        raise ValueError(f"{run.name}: no per-query data of {metric}")

    def values(run: Reported, base: Reported, metric: str) -> tuple[Values, Values]:
        if not run.files and not base.files:
            raise ValueError(NOT_TESTED)
        return side(base, metric), side(run, metric)

    return values


def _of_subset(run: Reported, metric: str, rows: int) -> bool:
    """Whether a file that names the measure alone is of this metric: no other subset has the measure, or none has as many queries."""
    measure = metric.rpartition("/")[2]
    sharing = [key for key in run.values if key.rpartition("/")[2] == measure]
    return len(sharing) == 1 or [key for key in sharing if run.queries.get(key) in (None, rows)] == [metric]
