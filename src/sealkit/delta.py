"""The paired comparison of two runs on the same queries.

Only where queries, judgments and measure are the same is there a test at all. Random numbers are taken as raw 64-bit
words of PCG64, a stream that NumPy promises never to change, so that `verify` gets the same p and interval years later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95
WORST = 5
METHOD = (
    "paired; p: two-sided sign-flip randomisation of the mean difference, (count + 1) / (resamples + 1); "
    "interval: 95 % percentile bootstrap over queries; effect: mean / standard deviation of the differences (d_z)"
)
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


def compare(key: str, pre: Mapping[str, float], post: Mapping[str, float], seed: int, resamples: int = RESAMPLES) -> Delta:
    """Compare per-query values (query_id → value) of two runs. Raises ValueError unless both have the same queries."""
    if pre.keys() != post.keys() or not pre:
        raise ValueError("the two runs do not have the same queries")
    queries = sorted(pre)
    before = np.array([pre[query] for query in queries], dtype=np.float64)
    after = np.array([post[query] for query in queries], dtype=np.float64)
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
            {"query_id": queries[i], "pre": float(before[i]), "post": float(after[i])} for i in order if differences[i] < 0
        ),
    )


def sign_flip_p(differences: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> float:
    """The two-sided p of the mean under random signs, (count + 1) / (resamples + 1): never 0 (Phipson & Smyth 2010)."""
    words = np.random.PCG64(seed)
    n, per_row = len(differences), (len(differences) + 63) // 64
    observed = abs(float(np.sum(differences)))
    # Sums that are equal in exact arithmetic may differ in the last bits: they count as reached.
    reach = observed - 1e-9 * max(1.0, float(np.sum(np.abs(differences))))
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
