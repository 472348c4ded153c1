"""Retrieval measures from rows, for recomputation: independent of whatever computed the numbers first.

Definitions are trec_eval's, and stand in `spec/metrics/keys.yaml`: relevance is judged relevance >= 1, gain is linear,
the discount log2(rank + 1), unjudged documents count as not relevant, a query without results scores 0, and the mean is over all
judged queries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

Grades = Mapping[str, int]

_NAME = re.compile(r"(nDCG|R|P|RR|AP|Success)@([1-9][0-9]*)\Z")


def ndcg(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """DCG@k over the DCG@k of the best possible order of *all* judged documents, retrieved or not."""
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    best = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(ideal, 1))
    got = sum(max(grades.get(doc, 0), 0) / math.log2(rank + 1) for rank, doc in enumerate(ranked[:k], 1))
    return got / best if best else 0.0


def recall(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Relevant documents among the first k, over all relevant documents."""
    relevant = sum(grade > 0 for grade in grades.values())
    return _hits(ranked, grades, k) / relevant if relevant else 0.0


def precision(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Relevant documents among the first k, over k (also where fewer than k were retrieved)."""
    return _hits(ranked, grades, k) / k


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """One over the rank of the first relevant document, 0 if it is not among the first k."""
    return next((1 / rank for rank, doc in enumerate(ranked[:k], 1) if grades.get(doc, 0) > 0), 0.0)


def average_precision(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """The mean, over all relevant documents, of the precision at each that is among the first k."""
    relevant = sum(grade > 0 for grade in grades.values())
    found, total = 0, 0.0
    for rank, doc in enumerate(ranked[:k], 1):
        if grades.get(doc, 0) > 0:
            found += 1
            total += found / rank
    return total / relevant if relevant else 0.0


def success(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """1 if any of the first k is relevant, else 0."""
    return 1.0 if _hits(ranked, grades, k) else 0.0


def _hits(ranked: Sequence[str], grades: Grades, k: int) -> int:
    return sum(grades.get(doc, 0) > 0 for doc in ranked[:k])


_MEASURES: dict[str, Callable[[Sequence[str], Grades, int], float]] = {
    "nDCG": ndcg, "R": recall, "P": precision, "RR": reciprocal_rank, "AP": average_precision, "Success": success,
}  # fmt: skip


def measure(name: str) -> Callable[[Sequence[str], Grades], float]:
    """The measure of a name like `nDCG@10`: (doc_ids in rank order, doc_id -> relevance) -> value. Raises ValueError."""
    match = _NAME.match(name)
    if not match:
        raise ValueError(f"unknown measure {name}: expected one of {', '.join(_MEASURES)} with a cut-off, as nDCG@10")
    function, k = _MEASURES[match[1]], int(match[2])
    return lambda ranked, grades: function(ranked, grades, k)


def known(name: str) -> bool:
    """Whether there is a measure of that name."""
    return _NAME.match(name) is not None


def per_query(
    names: Iterable[str], rankings: Iterable[tuple[str, Sequence[str]]], qrels: Mapping[str, Grades]
) -> dict[str, dict[str, float]]:
    """measure -> query_id -> value for every judged query, from (query_id, doc_ids in rank order), streamed.

    Rankings of queries that were never judged are passed over, as trec_eval does.
    """
    functions = {name: measure(name) for name in names}
    values = {name: dict.fromkeys(qrels, 0.0) for name in functions}
    for query, ranked in rankings:
        if query in qrels:
            for name, function in functions.items():
                values[name][query] = function(ranked, qrels[query])
    return values


def by_query(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """(query_id, doc_ids in rank order) from `rankings/v1` rows, one query held at a time."""
    return ((query, [row["doc_id"] for row in group]) for query, group in groupby(rows, key=itemgetter("query_id")))


def judgments(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """query_id -> doc_id -> relevance from `qrels/v1` rows."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["query_id"], {})[row["doc_id"]] = row["relevance"]
    return found


def mean(values: Mapping[str, float]) -> float:
    """The mean over queries, exactly rounded, so that the order of the queries does not matter."""
    return math.fsum(values.values()) / len(values) if values else 0.0
