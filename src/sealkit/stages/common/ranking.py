"""Search with trec_eval's tie rule: score falling, then doc_id falling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]
Ranking = list[tuple[str, float]]
TIES = "score falling, then doc_id falling"


def ranked(search: Callable[[int], tuple[Scores, Rows]], ids: Sequence[str], top_k: int) -> Iterator[Ranking]:
    """For each query its first `top_k` (doc_id, score), from `search(k)` → scores and rows of shape (queries, k).

    Where the last score kept is shared by documents beyond it, more are fetched, so that the tie rule and not the
    order of the index decides who is in. A row below 0 is a place that the index could not fill: no document.
    """
    k = min(len(ids), top_k + 1)
    scores, rows = search(k)
    while k < len(ids) and any(_tied_at_the_end(*line, top_k) for line in zip(scores, rows, strict=True)):
        k = min(len(ids), 2 * k)
        scores, rows = search(k)
    for line, found in zip(scores, rows, strict=True):
        pairs = [(ids[row], float(score)) for score, row in zip(line, found, strict=True) if row >= 0]
        yield ordered(pairs)[:top_k]


def ordered(pairs: Ranking) -> Ranking:
    """By the tie rule."""
    pairs = sorted(pairs, key=lambda pair: pair[0], reverse=True)
    return sorted(pairs, key=lambda pair: pair[1], reverse=True)


def _tied_at_the_end(line: Scores, rows: Rows, top_k: int) -> bool:
    return len(line) > top_k and bool(line[-1] == line[top_k - 1]) and bool(rows[-1] >= 0)


def best(scores: Scores, ids: Sequence[str], top_k: int) -> Ranking:
    """The first `top_k` (doc_id, score) of one query, from the scores of all documents."""
    k = min(top_k, len(ids))
    reached = np.flatnonzero(scores >= np.partition(scores, -k)[-k]).tolist()
    return ordered([(ids[row], float(scores[row])) for row in reached])[:top_k]


def fused(dense: Ranking, lexical: Ranking, alpha: float, top_k: int) -> Ranking:
    """alpha · dense + (1 - alpha) · lexical, each scaled to 0…1 by the least and largest score of its own list; a document
    that a list does not hold has 0 there.

    The convex combination with min-max scaling of Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid
    Retrieval", ACM TOIS 42(1).
    """
    sides = ((alpha, _scaled(dense)), (1 - alpha, _scaled(lexical)))
    names = {doc for _, side in sides for doc in side}
    return ordered([(doc, sum(share * side.get(doc, 0.0) for share, side in sides)) for doc in names])[:top_k]


def _scaled(pairs: Ranking) -> Mapping[str, float]:
    if not pairs:
        return {}
    low, high = pairs[-1][1], pairs[0][1]
    return {doc: (score - low) / (high - low) if high > low else 0.0 for doc, score in pairs}


def exact(queries: NDArray[np.float32], documents: NDArray[np.float32]) -> Callable[[int], tuple[Scores, Rows]]:
    """Search by inner product over all documents, for a few hundred of each."""
    scores = queries @ documents.T

    def search(k: int) -> tuple[Scores, Rows]:
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, rows, axis=1), rows

    return search
