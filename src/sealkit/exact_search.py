"""Exact search in a file of vectors, without faiss and in bounded memory: for whoever judges an index and did not build it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sealkit import vector_file
from sealkit.finding import Location, ReadError
from sealkit.read.source import MEBIBYTE, open_bytes
from sealkit.vector_file import Facts

_HELD = 8 * MEBIBYTE  # of rows that are read at a time


def blocks(path: Path, name: str | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(number of its first row, some rows) of a file whose `Facts.rows` is not None, to its end; a few MiB are held at a time.
    Raises ReadError."""
    found, name = vector_file.facts(path, name), name or str(path)
    step = max(1, _HELD // (np.dtype(found.dtype).itemsize * found.dimension))
    with open_bytes(path, name, follow=False) as file:
        file.seek(found.rows or 0)
        for start in range(0, found.count, step):
            wanted = min(step, found.count - start)
            block = np.fromfile(file, found.dtype, wanted * found.dimension)
            if block.size != wanted * found.dimension:
                raise ReadError("became shorter while it was read", Location(name), "judge it again", malformed=False)
            yield start, block.reshape(wanted, found.dimension).astype(np.float32, copy=False)


def nearest(
    path: Path, name: str | None, queries: NDArray[np.float32], k: int, metric: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The nearest k of each query (queries × dimension) by exact search without faiss, in a file whose `Facts.rows` is not None.

    Scores (inner products, or squared distances for the metric `l2`) and what the index itself returns for the rows (their
    positions, or ids of its own), both of shape (queries, min(k, rows)), the nearest first. Raises ReadError, and ValueError
    where the queries have another dimension.
    """
    found = vector_file.facts(path, name)
    if queries.ndim != 2 or queries.shape[1] != found.dimension:
        raise ValueError(f"queries have the shape {queries.shape}; the file's rows have {found.dimension} dimensions")
    wide = queries.astype(np.float64)
    best, places = np.empty((len(wide), 0)), np.empty((len(wide), 0), np.int64)
    for start, block in blocks(path, name):
        rows = block.astype(np.float64)
        near = wide @ rows.T
        if metric == "l2":
            near = 2 * near - np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", wide, wide)[:, None]
        both = np.concatenate([best, near], axis=1)
        rows_of = np.concatenate([places, np.broadcast_to(np.arange(start, start + len(rows)), near.shape)], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :k]
        best, places = np.take_along_axis(both, order, axis=1), np.take_along_axis(rows_of, order, axis=1)
    scores = np.maximum(-best, 0) if metric == "l2" else best
    return scores.astype(np.float32), _own_ids(path, name, found, places) if found.mapped else places


def _own_ids(path: Path, name: str | None, found: Facts, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a map of ids that lies behind the rows of a flat index says of some positions."""
    known = np.unique(places)
    ids: list[int] = []
    with open_bytes(path, name, follow=False) as file:
        for place in known:
            file.seek((found.rows or 0) + 4 * found.dimension * found.count + 8 + 8 * int(place))
            ids += struct.unpack("<q", file.read(8))
    return np.array(ids, np.int64)[np.searchsorted(known, places)]
