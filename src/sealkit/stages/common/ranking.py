"""Exact search with trec_eval's tie rule: score falling, then doc_id falling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]


def ranked(
    search: Callable[[int], tuple[Scores, Rows]], ids: Sequence[str], top_k: int
) -> Iterator[list[tuple[str, float]]]:
    """For each query its first `top_k` (doc_id, score), from `search(k)` → scores and rows of shape (queries, k).

    Where the last score kept is shared by documents beyond it, more are fetched, so that the tie rule and not the
    order of the index decides who is in.
    """
    k = min(len(ids), top_k + 1)
    scores, rows = search(k)
    while k < len(ids) and any(_tied_at_the_end(line, top_k) for line in scores):
        k = min(len(ids), 2 * k)
        scores, rows = search(k)
    for line, found in zip(scores, rows, strict=True):
        pairs = [(ids[row], float(score)) for score, row in zip(line, found, strict=True)]
        pairs.sort(key=lambda pair: pair[0], reverse=True)
        pairs.sort(key=lambda pair: pair[1], reverse=True)
        yield pairs[:top_k]


def _tied_at_the_end(line: Scores, top_k: int) -> bool:
    return len(line) > top_k and bool(line[-1] == line[top_k - 1])


def exact(queries: NDArray[np.float32], documents: NDArray[np.float32]) -> Callable[[int], tuple[Scores, Rows]]:
    """Search by inner product over all documents, for a few hundred of each."""
    scores = queries @ documents.T

    def search(k: int) -> tuple[Scores, Rows]:
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, rows, axis=1), rows

    return search
