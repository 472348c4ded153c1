"""The behavioural probe of an index: inputs whose vectors and neighbours are known, taken once and replayed before a search.

It catches what metadata cannot say and labels get wrong: whatever made the vectors, the same inputs must come out at the same
place and find the same neighbours.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[Any]], Any]
Search = Callable[[Vectors, int], tuple[Sequence[NDArray[np.float32]], list[list[Any]]]]

INPUTS, NEIGHBOURS = 8, 10
LIMIT = 1000  # inputs, and neighbours of each, of a probe that is replayed
TOLERANCE = {"cosine": 1e-3, "norm": 1e-2}
WIDEST = 10  # times that; the tolerance of a manifest is in no digest of its own
_ROUNDING = 1e-5  # of a score, relatively: another batch size sums in another order


@dataclass(frozen=True)
class Replay:
    """How a probe came out: the inputs that were replayed, whether they were encoded again, the least cosine to a stored vector
    and the largest relative difference of norms (None where they were not), and what is wrong, in words."""

    inputs: int
    encoded: bool
    cosine: float | None = None
    norm: float | None = None
    wrong: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As in search_manifest/v2."""
        return {"inputs": self.inputs, "encoded": self.encoded, "cosine": self.cosine, "norm": self.norm}


def chosen(lengths: Sequence[int], count: int = INPUTS) -> list[int]:
    """Which rows make a probe: the longest two, since a cut shows in long inputs alone, and others evenly spread. Sorted."""
    rows = range(len(lengths))
    longest = sorted(rows, key=lambda row: (-lengths[row], row))[:2]
    spread = np.linspace(0, len(lengths) - 1, min(count, len(lengths))).round().astype(int).tolist() if lengths else []
    picked = list(dict.fromkeys([*longest, *spread]))[:count]
    return sorted(picked)


def take(
    inputs: Sequence[Any],
    vectors: Vectors,
    search: Search,
    count: int,
    own: Sequence[Collection[Any]] = (),
) -> dict[str, Any]:
    """The `probe` group of a fingerprint. `vectors` (inputs × dimension) are those of the query side's encoder, `own` the
    ids of the rows that hold each input, `count` the vectors in the index."""
    k = min(NEIGHBOURS, count)
    scores, neighbours = search(vectors, k)
    found = [bool(near) and near[0] in ids for near, ids in zip(neighbours, own, strict=True)] if own else []
    return {
        "inputs": list(inputs),
        "vectors": [base64.b64encode(np.asarray(row, "<f4").tobytes()).decode() for row in vectors],
        "neighbours": neighbours,
        "scores": [[float(score) for score in row] for row in scores],
        "tolerance": dict(TOLERANCE),
        "self_retrieval": sum(found) / len(found) if found else None,
    }


def stored(probe: Mapping[str, Any]) -> Vectors:
    """The stored vectors, inputs × dimension. Raises ValueError where they are none."""
    rows = [np.frombuffer(base64.b64decode(text, validate=True), "<f4") for text in probe["vectors"]]
    return np.stack(rows).astype(np.float32) if rows else np.empty((0, 0), np.float32)


def _broken(probe: Mapping[str, Any]) -> str | None:
    """Why a probe says nothing, in words."""
    parts = [probe.get(name, ()) for name in ("inputs", "vectors", "neighbours", "scores")]
    pairs = zip(parts[2], parts[3], strict=False)
    if not parts[0] or len({len(part) for part in parts}) > 1 or any(len(ids) != len(values) for ids, values in pairs):
        return "the probe is not whole: inputs, vectors, neighbours and scores differ in number"
    if max(len(parts[0]), *map(len, parts[2])) > LIMIT:
        return f"the probe holds more than {LIMIT:,} inputs or neighbours"
    try:
        stored(probe)
    except ValueError:
        return "the probe is not whole: its vectors cannot be read"
    return None


def replay(probe: Mapping[str, Any], search: Search, metric: str, encode: Encode | None) -> Replay:
    """Replay a probe. Without `encode` the index half alone: the stored vectors must find the stored neighbours. With it the
    inputs are encoded again, and their vectors must lie within the tolerance.
    """
    if broken := _broken(probe):
        return Replay(len(probe.get("inputs", ())), False, wrong=(broken,))
    before = stored(probe)
    count = len(before)
    cosine, norm, wrong = None, None, []
    if encode is not None:
        after = np.ascontiguousarray(np.asarray(encode(probe["inputs"]), dtype=np.float32))
        if after.shape != before.shape:
            message = f"the probe's {count} inputs came out with the shape {after.shape}; the stored vectors have {before.shape}"
            return Replay(count, True, wrong=(message,))
        cosines, norms = _deviation(before, after)
        cosine, norm = float(cosines.min()), float(norms.max())
        stated = probe.get("tolerance", TOLERANCE)
        said = off(before, after, {name: min(stated[name], WIDEST * usual) for name, usual in TOLERANCE.items()})
        elsewhere = [f"the input {i} of the probe came out elsewhere: {one}" for i, one in enumerate(said, 1) if one]
        wrong += with_the_rest(elsewhere, count)
    if not wrong:
        wrong += _moved(probe, before, search, metric)
    return Replay(count, encode is not None, cosine, norm, tuple(wrong))


def with_the_rest(messages: Sequence[str], of: int) -> list[str]:
    """The first message, with the number of others like it."""
    more = f"; and {len(messages) - 1} more of {of}" if len(messages) > 1 else ""
    return [messages[0] + more] if messages else []


def off(before: Vectors, after: Vectors, tolerance: Mapping[str, float] = TOLERANCE) -> list[str | None]:
    """For each row of two arrays of one shape, how far it lies from where it was, in words; None within the tolerance."""
    cosines, norms = _deviation(before, after)
    return [
        None
        if cosine >= 1 - tolerance["cosine"] and norm <= tolerance["norm"]
        else f"cosine {cosine:.4f} to the stored vector, its length off by {norm:.1%}"
        for cosine, norm in zip(cosines, norms, strict=True)
    ]


def _deviation(before: Vectors, after: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and relative difference of norms, row by row; 0 and infinity where a vector is no number or has no length."""
    one, two = before.astype(np.float64), after.astype(np.float64)
    lengths, others = np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = np.einsum("ij,ij->i", one, two) / (lengths * others)
        norms = np.abs(others - lengths) / lengths
    same = (one == two).all(axis=1)  # a vector of zeros has no direction, and may still be the same
    return np.where(same, 1.0, np.nan_to_num(cosines, nan=0.0)), np.where(same, 0.0, np.nan_to_num(norms, nan=np.inf))


def _moved(probe: Mapping[str, Any], vectors: Vectors, search: Search, metric: str) -> list[str]:
    """What the stored vectors no longer find. Of vectors within the tolerance of them nothing more need be asked: a score moves by
    no more than the tolerance times the length of a row."""
    k = max((len(row) for row in probe["neighbours"]), default=0)
    scores, found = search(vectors, k)
    sizes = np.square(vectors.astype(np.float64)).sum(axis=1)
    wrong = []
    for i, (ids, values) in enumerate(zip(found, scores, strict=True)):
        old, new = np.asarray(probe["scores"][i], np.float64), np.asarray(values, np.float64)
        # An inner product is as good as its own size; a distance is a difference of squares of the query's size.
        size = max(float(np.abs(old).max(initial=0)), float(sizes[i]) if metric != "inner_product" else 0.0)
        slack = _ROUNDING * size
        if len(new) != len(old) or not np.all(np.abs(new - old) <= slack):
            wrong.append(f"the input {i + 1} of the probe finds other scores than when the index was described")
        elif gone := _gone(probe["neighbours"][i], old, ids, new, slack, metric):
            wrong.append(f"the input {i + 1} of the probe no longer finds {gone[0]!r}")
        elif moved := _elsewhere(probe["neighbours"][i], old, ids, new, slack):
            wrong.append(
                f"the input {i + 1} of the probe finds {moved[0]!r} at another score than when the index was described"
            )
    return wrong


def _gone(old: list[Any], scores: Any, found: list[Any], values: Any, slack: float, metric: str) -> list[Any]:
    """The stored neighbours that are not found, and are no ties with the last one that is."""
    if not found:  # as many were found before: none
        return []
    ahead = (scores - values[-1]) if metric == "inner_product" else (values[-1] - scores)
    return [one for one, lead in zip(old, ahead, strict=True) if one not in found and lead > 2 * slack]


def _elsewhere(old: list[Any], scores: Any, found: list[Any], values: Any, slack: float) -> list[Any]:
    """The stored neighbours that are found, but not at their score: ids that changed places."""
    near: dict[Any, list[float]] = {}
    for one, value in zip(found, values, strict=True):
        near.setdefault(one, []).append(value)
    return [
        one
        for one, score in zip(old, scores, strict=True)
        if one in near and min(abs(value - score) for value in near[one]) > slack
    ]
