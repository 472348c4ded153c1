"""The table of a matrix: for each label and metric the mean over its runs, with an interval where there is more than one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealkit import matrix_runs
from sealkit.contract import did_you_mean
from sealkit.finding import UsageError
from sealkit.matrix_runs import Reported
from sealkit.pack import BUILT_IN, Pack

LEVEL = 0.95


@dataclass(frozen=True)
class Cell:
    """The values of one metric, by the names of the runs that have it, and their mean.

    `low` and `high` bound the mean at 95 %: mean ± t · s / √n with Student's t of n - 1 degrees of freedom (Student 1908); None
    where there is one value, or none.
    """

    values: Mapping[str, float]
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """A label with the runs that came to their end, all its runs, and a cell for each metric."""

    label: str
    tag: str | None
    ended: tuple[str, ...]
    runs: tuple[str, ...]
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """`notes` name each run that did not come to its end, or is no pass, and why; and each that passes because somebody signed."""

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def table(folder: Path, metrics: Sequence[str] = (), pack: Pack = BUILT_IN) -> Table:
    """The table of a matrix folder; without `metrics` of everything that stands in the headline of a run.

    Raises UsageError where there is no matrix, for a metric that none of its runs has, and where an interval is asked for and
    scipy is not installed.
    """
    runs = matrix_runs.from_matrix(folder, pack)
    known = {key for one in runs for key in one.values}
    for metric in metrics:
        if metric not in known:
            message = f"{folder}: no run that came to its end has the metric {metric}{did_you_mean(metric, known)}"
            raise UsageError(message, f"known: {', '.join(sorted(known)) or 'none'}")
    return of_runs(runs, tuple(dict.fromkeys(metrics)) or headline(runs))


def headline(runs: Sequence[Reported]) -> tuple[str, ...]:
    """Everything that stands in the headline of a run."""
    return tuple(dict.fromkeys(key for one in runs for key in one.headline))


def of_runs(runs: Sequence[Reported], metrics: Sequence[str]) -> Table:
    """The table of the runs of a matrix. Raises UsageError where an interval is needed and scipy is not installed."""
    labels = dict.fromkeys(one.label for one in runs)
    rows = tuple(_row([one for one in runs if one.label == label], metrics) for label in labels)
    return Table(tuple(metrics), rows, tuple(one.note for one in runs if one.note))


def _row(runs: Sequence[Reported], metrics: Sequence[str]) -> Row:
    cells = {metric: cell({one.name: one.values[metric] for one in runs if metric in one.values}) for metric in metrics}
    ended = tuple(one.name for one in runs if one.ended)
    return Row(runs[0].label, runs[0].tag, ended, tuple(one.name for one in runs), cells)


def cell(values: Mapping[str, float]) -> Cell:
    """The mean of some values and its interval."""
    n = len(values)
    if n == 0:
        return Cell(values, None, None, None)
    mean = math.fsum(values.values()) / n
    if n == 1:
        return Cell(values, mean, None, None)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values.values()) / (n - 1))
    half = _quantile(n - 1) * deviation / math.sqrt(n)
    return Cell(values, mean, mean - half, mean + half)


def _quantile(degrees: int) -> float:
    """Student's t at (1 + LEVEL) / 2."""
    try:
        from scipy import stats
    except ImportError:
        raise UsageError("the interval of a mean needs scipy, not installed here", "pip install scipy") from None
    return float(stats.t.ppf((1 + LEVEL) / 2, degrees))
