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
        sharing = [key for key in run.values if key.rpartition("/")[2] == measure]
        for path, of in run.files:
            named = [metric] if of in (None, subset, metric) else []
            # A file that names the measure alone says what it is of only where one subset has that measure, or its place does.
            named += [measure] if of in (subset, metric) or (of is None and len(sharing) == 1) else []
            for name in named:
                if name in rows(path):
                    return rows(path)[name]
        raise ValueError(f"{run.name}: no per-query data of {metric}")

    def values(run: Reported, base: Reported, metric: str) -> tuple[Values, Values]:
        if not run.files and not base.files:
            raise ValueError(NOT_TESTED)
        return side(base, metric), side(run, metric)

    return values
