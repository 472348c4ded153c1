"""An index that is opened by the faiss library: what of it can be read, set and searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.finding import Location, ReadError
from sealkit.probe import Search, Vectors
from sealkit.read.faiss import METRICS
from sealkit.read.source import open_bytes


def load(path: Path, metric: str | None) -> Any:
    """The file as a faiss index; an array becomes a flat one by that metric. Raises ReadError, also for an array of which
    nobody says by what metric its rows are compared."""
    import faiss

    with open_bytes(path, follow=False) as file:
        magic = file.read(6)
    if magic == b"\x93NUMPY":
        if metric is None:
            message = "is an array, and nobody says by what metric its rows are compared"
            raise ReadError(message, Location(str(path)), "describe it with its encoder (sealkit.describe_index)")
        rows = np.load(path, allow_pickle=False)
        numbers = {name: number for number, name in METRICS.items()}
        number = numbers[metric] if metric in numbers else int(metric.removeprefix("other:"))
        index = faiss.IndexFlat(rows.shape[1], number)
        index.add(np.ascontiguousarray(rows, dtype=np.float32))
        return index
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        message = f"cannot be opened by faiss: {str(error).splitlines()[0]}"
        raise ReadError(message, Location(str(path)), "build the index again") from error


def settings(index: Any) -> dict[str, Callable[[], int]]:
    """What of an opened index decides how much of it is searched: name → how to read it."""
    import faiss

    inner = index
    while isinstance(inner, faiss.IndexIDMap | faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    if isinstance(inner, faiss.IndexIVF):
        return {"probes": lambda: int(inner.nprobe)}
    if isinstance(inner, faiss.IndexHNSW):
        return {"ef_search": lambda: int(inner.hnsw.efSearch)}
    return {}


def nearest(index: Any, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and rows of the nearest k of a few queries, as `index.search` gives them.

    FAISS reads a flat index once for each of a few queries; by inner product one matrix product reads it once for all.
    """
    import faiss

    if not isinstance(index, faiss.IndexFlat) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        found: tuple[NDArray[np.float32], NDArray[np.int64]] = index.search(queries, k)
        return found
    vectors = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
    scores = np.ascontiguousarray((vectors @ queries.T).T)
    rows = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, rows, axis=1), axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, axis=1)
    return np.take_along_axis(scores, rows, axis=1), rows


def rows(index: Any, wanted: list[int]) -> NDArray[np.float32] | None:
    """Some rows by position, as they were put in; None where the index cannot give them back."""
    import faiss

    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    if isinstance(inner, faiss.IndexIVF):
        inner.make_direct_map()
    try:
        return np.stack([inner.reconstruct(row) for row in wanted])
    except RuntimeError:
        return None


def searched(vectors: Any, ids: NDArray[Any] | None) -> Search:
    """An opened index as a probe searches it: scores, and the ids of what was found, without the places it could not fill."""

    def search(queries: Vectors, k: int) -> tuple[Any, list[list[Any]]]:
        if queries.shape[1] != vectors.d:  # nothing is near to what lies in no such space
            return [np.empty(0, np.float32)] * len(queries), [[] for _ in queries]
        scores, rows = nearest(vectors, queries, max(1, min(k, vectors.ntotal)))
        names = [[int(row) if ids is None else ids[row] for row in line if row >= 0] for line in rows]
        return [line[: len(near)] for line, near in zip(scores, names, strict=True)], names

    return search
