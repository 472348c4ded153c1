"""Which differences are told from noise: one by itself, and many at a time."""

from __future__ import annotations

from collections.abc import Sequence

ALPHA = 0.05


def told(p: float, low: float, high: float) -> bool:
    """Whether a difference is told from noise: by its p, and by an interval that does not hold 0.

    With one query, or equal differences, the interval is a point, and says nothing by itself.
    """
    return p <= ALPHA and not low <= 0 <= high


def holm(ps: Sequence[float]) -> list[float]:
    """The p of a family of tests, each in its place, adjusted so that the chance of any false alarm stays below the level (Holm
    1979): the i-th smallest of m is multiplied by m - i + 1, is no smaller than the one before it, and at most 1.

    Raises ValueError unless every p lies in 0 … 1.
    """
    if not all(0 <= p <= 1 for p in ps):
        raise ValueError("a p lies in 0 … 1")
    adjusted, reached = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        reached = max(reached, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = reached
    return adjusted
