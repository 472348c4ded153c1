"""The table of a matrix: for each label and metric the mean over its runs, with an interval where there is more than one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import matrix_record
from sealkit.contract import did_you_mean
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN, Pack
from sealkit.rundir import MATRIX, open_run

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
    if not (folder / MATRIX).is_file():
        raise UsageError(
            f"{folder}: is no matrix: it holds no {MATRIX}", "give the folder that `toolkit run` printed last"
        )
    entries = matrix_record.read(folder, pack)["experiments"]
    found: dict[str, dict[str, float]] = {}
    headline: dict[str, None] = {}
    for entry in entries:
        if entry["status"] == "ok":
            run = open_run(folder / entry["run_dir"], pack.layout(), pack.contracts, pack.metric_keys)
            found[_name(entry)] = run.document("metrics") or {}
            headline |= dict.fromkeys((run.document("summary") or {}).get("metrics", {}))
    known = {key for values in found.values() for key in values}
    for metric in metrics:
        if metric not in known:
            message = f"{folder}: no run that came to its end has the metric {metric}{did_you_mean(metric, known)}"
            raise UsageError(message, f"known: {', '.join(sorted(known)) or 'none'}")
    chosen = tuple(dict.fromkeys(metrics)) or tuple(headline)
    labels = dict.fromkeys(entry["label"] for entry in entries)
    rows = tuple(_row([one for one in entries if one["label"] == label], found, chosen) for label in labels)
    notes = tuple(
        _note(entry) for entry in entries if entry["reason"] or not (entry["verdict"] or "").startswith("PASS")
    )
    return Table(chosen, rows, notes)


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["run_dir"].rpartition("/")[2])


def _note(entry: Mapping[str, Any]) -> str:
    said = f"{_name(entry)}: {entry['verdict'] or entry['status']}"
    return f"{said}: {entry['reason']}" if entry["reason"] else said


def _row(entries: Sequence[Mapping[str, Any]], found: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> Row:
    runs = tuple(_name(entry) for entry in entries)
    ended = tuple(run for run in runs if run in found)
    cells = {metric: cell({run: found[run][metric] for run in ended if metric in found[run]}) for metric in metrics}
    return Row(entries[0]["label"], entries[0]["tag"], ended, runs, cells)


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
