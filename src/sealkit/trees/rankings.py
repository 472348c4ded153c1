"""Which runs have the same rankings: after the tie rule, with scores that are equal to the sixth decimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sealkit import digest
from sealkit.read import jsonl

TOLERANCE = 1e-6

Scores = Mapping[str, Mapping[str, float]]  # query_id → doc_id → score


def first_alike(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Each file of rankings (`rankings/v1` rows, paths below a root) → the first file that has the same ones, itself where none before
    it has. Raises ReadError, also for rows that are no rankings.

    Documents of equal score may stand in any order: the tie rule orders them alike. So rankings are the same where each query has the
    same documents, and each document the same score.
    """
    heads: dict[str, Scores] = {}
    whole: dict[str, Scores] = {}
    same_bytes: dict[str, str] = {}
    found: dict[str, str] = {}

    def scores(path: str) -> Scores:
        if path not in whole:
            whole[path] = read(root / path, path)
        return whole[path]

    for path in paths:
        value = digest.file(root / path, path, follow=False)
        if value in same_bytes:
            found[path] = same_bytes[value]
            continue
        head = read(root / path, path, queries=1)  # most rankings differ in their first query already
        first = next(
            (one for one, held in heads.items() if alike(held, head) and alike(scores(one), scores(path))), path
        )
        found[path] = same_bytes[value] = first
        if first == path:
            heads[path] = head
    return found


def read(path: Path, name: str, queries: int | None = None) -> Scores:
    """The scores of a file of rankings, or of its first queries. Raises ReadError."""
    found: dict[str, dict[str, float]] = {}
    for _, row in jsonl.rows(path, name, follow=False):
        query, score = str(row.get("query_id")), row.get("score")
        if len(found) == queries and query not in found:
            break
        found.setdefault(query, {})[str(row.get("doc_id"))] = float(score) if isinstance(score, int | float) else 0.0
    return found


def alike(one: Scores, other: Scores) -> bool:
    """Whether two rankings are the same."""
    return one.keys() == other.keys() and all(
        scores.keys() == other[query].keys()
        and all(abs(score - other[query][document]) <= TOLERANCE for document, score in scores.items())
        for query, scores in one.items()
    )
