"""The paired comparison of two runs on the same queries, or the same samples of a panel.

Only where queries, judgments and measure are the same, or panel, samples and hidden positions, is there a test at all. Random numbers are taken as raw 64-bit
words of PCG64, a stream that NumPy promises never to change, so that `verify` gets the same p and interval years later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.evaluation import Evaluation, evaluations
from sealkit.rundir import Run

RESAMPLES = 10_000
LEVEL = 0.95
WORST = 5
METHOD = (
    "paired; p: two-sided sign-flip randomisation of the mean difference, (count + 1) / (resamples + 1); "
    "interval: 95 % percentile bootstrap over {items}; effect: mean / standard deviation of the differences (d_z)"
)
# The artifacts that a comparison leans on.
READ = ("rankings", "qrels", "search_manifest", "imputed_alleles", "haplotypes", "variants")
_BLOCK = 2_000_000  # random words held at a time


@dataclass(frozen=True)
class Delta:
    """post - pre on one metric. `p` is two-sided, `low` and `high` bound the mean difference at 95 %.

    `effect` is None where all differences are equal. `worst` are the queries that lost most.
    """

    key: str
    n: int
    pre: float
    post: float
    difference: float
    low: float
    high: float
    p: float
    effect: float | None
    wins: int
    ties: int
    losses: int
    worst: tuple[dict[str, Any], ...]

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "worst": list(self.worst)}


def compare(
    key: str, pre: Mapping[str, float], post: Mapping[str, float], seed: int, resamples: int = RESAMPLES
) -> Delta:
    """Compare per-query values (query_id → value) of two runs.

    Raises ValueError unless both have the same queries and all values are finite.
    """
    if pre.keys() != post.keys() or not pre:
        raise ValueError("the two runs do not have the same queries")
    queries = sorted(pre)
    before = np.array([pre[query] for query in queries], dtype=np.float64)
    after = np.array([post[query] for query in queries], dtype=np.float64)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("a value is no finite number")
    differences = after - before
    mean = math.fsum(differences) / len(queries)
    low, high = bootstrap_interval(differences, seed, resamples)
    spread = float(np.std(differences, ddof=1)) if len(queries) > 1 else 0.0
    order = sorted(range(len(queries)), key=lambda i: (differences[i], queries[i]))[:WORST]
    return Delta(
        key=key,
        n=len(queries),
        pre=math.fsum(before) / len(queries),
        post=math.fsum(after) / len(queries),
        difference=mean,
        low=low,
        high=high,
        p=sign_flip_p(differences, seed, resamples),
        effect=mean / spread if spread > 1e-12 else None,
        wins=int(np.sum(differences > 0)),
        ties=int(np.sum(differences == 0)),
        losses=int(np.sum(differences < 0)),
        worst=tuple(
            {"query_id": queries[i], "pre": float(before[i]), "post": float(after[i])}
            for i in order
            if differences[i] < 0
        ),
    )


def sign_flip_p(differences: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> float:
    """The two-sided p of the mean under random signs, (count + 1) / (resamples + 1): never 0 (Phipson & Smyth 2010)."""
    words = np.random.PCG64(seed)
    n, per_row = len(differences), (len(differences) + 63) // 64
    observed = abs(float(np.sum(differences)))
    # Sums that are equal in exact arithmetic may differ in the last bits: they count as reached.
    reach = observed - 1e-9 * float(np.sum(np.abs(differences)))
    count = 0
    for rows in _blocks(resamples, 64 * per_row):
        raw = words.random_raw(rows * per_row).reshape(rows, per_row).astype("<u8")
        bits = np.unpackbits(raw.view(np.uint8), axis=1, bitorder="little")[:, :n]
        sums = (2.0 * bits - 1.0) @ differences
        count += int(np.sum(np.abs(sums) >= reach))
    return (count + 1) / (resamples + 1)


def bootstrap_interval(differences: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The percentile interval of the mean over queries drawn with replacement (Efron 1979)."""
    words = np.random.PCG64(seed + 1)
    n = len(differences)
    means = np.empty(resamples)
    done = 0
    for rows in _blocks(resamples, n):
        raw = words.random_raw(rows * n)
        drawn = ((raw >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)
        means[done : done + rows] = differences[drawn.astype(np.intp)].reshape(rows, n).mean(axis=1)
        done += rows
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _blocks(total: int, width: int) -> list[int]:
    rows = max(1, _BLOCK // max(1, width))
    return [min(rows, total - start) for start in range(0, total, rows)]


@dataclass(frozen=True)
class Pair:
    """Metric key → query or sample → value, of a reference (`pre`) and of a run (`post`), or why the two cannot be compared."""

    differs: tuple[str, ...]
    items: str = "queries"
    pre: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    post: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


Known = dict[Path, dict[str, Evaluation]]


def pair(run: Run, reference: Run, known: Known | None = None) -> Pair:
    """The values behind the metrics of two runs, derived from the rows of both; or what differs. `known` holds what was evaluated of
    the runs of earlier pairs, by their folder."""
    known = {} if known is None else known
    differs, items = tuple(_unfit(run, reference)), "queries"
    if differs:
        return Pair(differs)
    try:
        for each in (run, reference):
            if each.root not in known:
                known[each.root] = {one.name: one for one in evaluations(each)}
        ours, theirs = known[run.root], known[reference.root]
        items = " or ".join(sorted({one.items for one in ours.values()})) or items
        differs = tuple(_differs(ours, theirs))
        if not differs:
            return Pair((), items, _values(theirs.values(), run), _values(ours.values(), run))
    except ValueError as error:
        differs = (f"the rows cannot be compared: {error}",)
    return Pair(differs, items)


def between(run: Run, reference: Run | None) -> dict[str, Any] | None:
    """The paired comparison of a run with its reference, from the rows behind the metrics of both; else what differs.

    The `deltas` of a seal: `rows` holds one Delta for each metric in common, or `differs` says why there is none. Where samples
    were compared, they stand in the places of queries.
    """
    if reference is None:
        return None
    seed = int((run.document("run_metadata") or {}).get("seed") or 0)
    found = pair(run, reference)
    differs, rows = list(found.differs), []
    try:
        rows = [
            compare(key, found.pre[key], found.post[key], seed).document() for key in found.post if key in found.pre
        ]
    except ValueError as error:
        differs = [f"the rows cannot be compared: {error}"]
    return {
        "method": METHOD.format(items=found.items),
        "seed": seed,
        "resamples": RESAMPLES,
        "differs": differs,
        "rows": rows,
    }


def _values(those: Iterable[Evaluation], panel: Run) -> dict[str, Mapping[str, float]]:
    """Metric key → item → value of evaluations, by the panel of a run."""
    return {key: values for one in those for key, values in one.values(panel).items()}


def _unfit(run: Run, reference: Run) -> Iterator[str]:
    """Why two runs cannot be compared whatever they measured, in words."""
    ids = [(one.document("run_metadata") or {}).get("run_id") for one in (run, reference)]
    if ids[0] is not None and ids[0] == ids[1]:
        yield "the reference is the run itself"
        return
    for one, name in ((run, "the run"), (reference, "the reference")):
        if (one.document("summary") or {}).get("status") != "ok":
            yield f"{name} did not come to its end"
            return
        broken = [artifact.path for artifact in one.artifacts if artifact.kind in READ and artifact.problems]
        if broken:
            yield f"{name} has artifacts that break their contracts: {', '.join(broken)}"
            return


def _differs(ours: Mapping[str, Evaluation], theirs: Mapping[str, Evaluation]) -> Iterator[str]:
    """Why two runs cannot be compared item by item, in words."""
    if not ours.keys() & theirs.keys():
        yield f"no query set in common: the run has {', '.join(ours) or 'none'}, the reference {', '.join(theirs) or 'none'}"
        return
    for name in sorted(ours.keys() & theirs.keys()):
        one, other = ours[name], theirs[name]
        for what, value in one.on.items():
            if value is None or value != other.on.get(what):
                yield f"other {what} of {name}: {other.on.get(what)} in the reference, {value} in the run"
        if not set(one.measures) & set(other.measures):
            yield f"no measure in common on {name}"
