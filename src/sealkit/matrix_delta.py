"""Each row of a matrix against its reference row, query by query, with the p of all tests adjusted together.

Where values of single queries are at hand on both sides there is a paired test, as between two runs (`sealkit.delta`). Where
not, the difference of what was reported stands alone, and says that it was not tested.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sealkit import delta
from sealkit.finding import ReadError
from sealkit.matrix_pairs import NOT_TESTED, Pairing, Values
from sealkit.matrix_runs import Reported, referred
from sealkit.metric_keys import MetricKeys
from sealkit.significance import ALPHA, holm, told

MEAN = "a row of several runs: the mean over its runs, query by query, each run paired with the reference's of the same repeat"
_ROUNDED = 5e-4  # a reported mean may have been rounded, to three digits at the least
_UNTESTED = ("p", "p_holm", "low", "high", "effect", "wins", "ties", "losses")


def compared(
    runs: Sequence[Reported],
    reference: str,
    metrics: Sequence[str],
    pairing: Pairing,
    keys: MetricKeys,
    resamples: int = delta.RESAMPLES,
) -> dict[str, Any]:
    """The comparison of every row with the reference row, on each metric.

    A row of several runs (repeats) is compared by its mean over them, query by query: each run is paired with the reference's
    run of the same repeat, or with the one run of a reference that is not repeated. One run that cannot be paired leaves the
    row untested.

    The family of Holm's adjustment are all rows on every metric that is tested in any of them. A row that could not be tested
    counts in it with p = 1, so that leaving out the data of one row makes no other look better.

    `difference` is row - reference; `wins` are the queries on which the row is better, by the direction of the metric where the
    registry has it, else higher. `in_items` is the difference as a number of queries, where both values are whole numbers of
    them. `told` is None where nothing was tested. Raises UsageError where there is no such reference row.
    """
    label = referred(runs, reference)
    base = [one for one in runs if one.label == label]
    others = [name for name in dict.fromkeys(one.label for one in runs) if name != label]
    seed = base[0].seed
    rows = [
        _row([one for one in runs if one.label == name], base, metric, pairing, keys, seed, resamples)
        for name in others
        for metric in metrics
    ]
    family = [metric for metric in metrics if any(row["tested"] for row in rows if row["metric"] == metric)]
    members = [row for row in rows if row["metric"] in family]
    for row, p in zip(members, holm([1.0 if row["p"] is None else row["p"] for row in members]), strict=True):
        if row["tested"]:
            row["p_holm"], row["told"] = p, told(p, row["low"], row["high"])
    return {
        "reference": label,
        "rows": rows,
        "family": {
            "size": len(members),
            "method": "Holm",
            "alpha": ALPHA,
            "labels": others if members else [],
            "metrics": family,
        },
        "method": "; ".join(
            [delta.METHOD.format(items=_items(metrics)), *([MEAN] if len(runs) > len(others) + 1 else [])]
        ),
        "seed": seed,
        "resamples": resamples,
    }


def _items(metrics: Sequence[str]) -> str:
    """What is compared one by one: the samples of a panel, or queries."""
    return (
        " or ".join(sorted({"samples" if key.startswith("genotype/") else "queries" for key in metrics})) or "queries"
    )


def _row(
    runs: Sequence[Reported],
    base: Sequence[Reported],
    metric: str,
    pairing: Pairing,
    keys: MetricKeys,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    known = keys.find(metric)
    row: dict[str, Any] = {
        "label": runs[0].label,
        "runs": [one.name for one in runs],
        "metric": metric,
        "direction": known.direction if known else None,
        **_reported(runs, base, metric),
        "tested": False,
        "why": None,
        **dict.fromkeys(_UNTESTED),
        "told": None,
    }
    try:
        pre, post = _means(list(_pairs(runs, base)), metric, pairing)
        found = delta.compare(metric, pre, post, seed, resamples).document()
    except (ReadError, ValueError) as error:
        return row | {"why": _why(error)}
    if row["direction"] == "lower":
        found["wins"], found["losses"] = found["losses"], found["wins"]
    tested = row | {name: found[name] for name in found if name in row} | {"tested": True}
    return tested | {"in_items": _in_items(tested)}


def _why(error: ReadError | ValueError) -> str:
    if isinstance(error, ReadError):
        return f"{error.at}: {error.message}: not tested"
    return str(error) if str(error) == NOT_TESTED else f"{error}: not tested"


def _reported(runs: Sequence[Reported], base: Sequence[Reported], metric: str) -> dict[str, Any]:
    """What was reported on both sides: means over the runs that have the metric, and of how many queries each run's is one."""
    counts = {one.queries.get(metric) for one in (*runs, *base)}
    pre, post = (_mean([one.values[metric] for one in side if metric in one.values]) for side in (base, runs))
    difference = None if pre is None or post is None else post - pre
    row = {"n": counts.pop() if len(counts) == 1 else None, "pre": pre, "post": post, "difference": difference}
    return row | {"in_items": _in_items(row)}


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _in_items(row: Mapping[str, Any]) -> int | None:
    if row["n"] is None or row["difference"] is None:
        return None
    counts = [row[side] * row["n"] for side in ("pre", "post")]
    whole = all(abs(count - round(count)) <= 1e-6 for count in counts)
    return round(counts[1]) - round(counts[0]) if whole else None


def _pairs(runs: Sequence[Reported], base: Sequence[Reported]) -> Iterator[tuple[Reported, Reported]]:
    """Each run of a row with its run of the reference. Raises ValueError for one that has none."""
    for run in runs:
        found = base if len(base) == 1 else [one for one in base if one.repeat == run.repeat]
        if not found:
            raise ValueError(f"the reference has no run of {run.repeat}")
        yield run, found[0]


def _means(pairs: Sequence[tuple[Reported, Reported]], metric: str, pairing: Pairing) -> tuple[Values, Values]:
    """Query by query the mean over pairs of runs, of the reference and of the row. Raises as a Pairing, and ValueError where
    pairs have other queries, or where rows are not those behind the reported number."""
    found: list[tuple[Values, Values]] = []
    for run, base in pairs:
        for one in (base, run):
            if metric not in one.values:
                raise ValueError((None if one.ended else one.note) or f"{one.name} has no value of {metric}")
        counts = [one.queries.get(metric) for one in (run, base)]
        if None not in counts and counts[0] != counts[1]:
            raise ValueError(f"{run.name} is of {counts[0]} queries, {base.name} of {counts[1]}")
        pre, post = pairing(run, base, metric)
        if pre.keys() != post.keys():
            raise ValueError(f"{run.name} and {base.name} have other queries: {_other(pre, post)}")
        if found and found[0][0].keys() != pre.keys():
            raise ValueError(f"{run.name} and {pairs[0][0].name} have other queries: {_other(found[0][0], pre)}")
        for one, values in ((base, pre), (run, post)):
            _hold(one, metric, values)
        found.append((pre, post))
    before, after = (
        {query: math.fsum(pair[i][query] for pair in found) / len(found) for query in found[0][i]} for i in (0, 1)
    )
    return before, after


def _other(one: Values, other: Values) -> str:
    only = sorted(one.keys() ^ other.keys())
    return f"{len(only)} are in one of them alone, {only[0]} the first"


def _hold(run: Reported, metric: str, values: Values) -> None:
    """Raises ValueError unless values are those that the reported number is the mean of."""
    mean, reported = math.fsum(values.values()) / max(1, len(values)), run.values[metric]
    last = float(Decimal(repr(reported)).as_tuple().exponent)  # the place of its last digit, -4 for 0.3789
    if abs(mean - reported) > max(1e-9, min(_ROUNDED, 0.5000001 * 10.0**last)):
        raise ValueError(f"{run.name}: the mean of its {len(values)} rows is {mean:.6g}, reported is {reported:.6g}")
    stated = run.queries.get(metric)
    if stated is not None and stated != len(values):
        raise ValueError(f"{run.name}: has rows of {len(values)} queries, reported are {stated}")
