"""The file that an index keeps its vectors in: a FAISS index, or a NumPy array of shape (rows, dimension)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit.finding import Location, ReadError
from sealkit.read import faiss, npy
from sealkit.read.source import MEBIBYTE, open_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXACT = ("flat", "hnsw", "ivf", "array")  # kinds that give a row back as it was put in
_LARGEST = 2**31  # FAISS counts dimensions in 32 bits
_HELD = 8 * MEBIBYTE  # of rows that are read at a time
_FIX = "give a .faiss file, or a .npy array of float32 or float16"


@dataclass(frozen=True)
class Facts:
    """What a file of vectors says of itself, without faiss: `metric` is None for an array, which knows none. `rows` is the byte
    at which its rows begin where they lie in it as they were put in, one after the other and `dtype` each; else None."""

    kind: str
    count: int
    dimension: int
    metric: str | None
    mapped: bool
    settings: dict[str, int]
    rows: int | None = None
    dtype: str = "<f4"

    @property
    def exact(self) -> bool:
        """Whether its rows can be read back as they were put in."""
        return self.kind in _EXACT

    @property
    def read_through(self) -> bool:
        """Whether the header tells all settings of its kind; else what it does not tell may still be set."""
        return self.kind in _EXACT or bool(self.settings)

    def structure(self) -> dict[str, Any]:
        """The `structure` group of a fingerprint, as far as the file tells it; null is what this kind has not."""
        found = self._settings("m", "ef_construction", "lists")
        return {"kind": self.kind, "count": self.count, **found, "id_map": "map" if self.mapped else "positions"}

    def vectors(self) -> dict[str, Any]:
        """The `vectors` group, as far as the file tells it."""
        return {"dimension": self.dimension, **({} if self.metric is None else {"metric": self.metric})}

    def search(self) -> dict[str, Any]:
        """The `search` group, as far as the file tells it."""
        return self._settings("probes", "ef_search")

    def _settings(self, *names: str) -> dict[str, Any]:
        return {name: self.settings.get(name) for name in names} if self.read_through else {}


def facts(path: Path, name: str | None = None, *, follow: bool = False) -> Facts:
    """What the file says of itself. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        magic = file.read(6)
    if magic == b"\x93NUMPY":
        header = npy.read_header(path, name, follow=follow)
        if len(header.shape) != 2 or header.dtype not in ("<f4", "<f2") or not 0 < header.shape[1] < _LARGEST:
            shape = " × ".join(map(str, header.shape))
            raise ReadError(
                f"is an array of {header.dtype}, {shape}; expected rows × dimension of floats", Location(name), _FIX
            )
        rows = None if header.fortran_order else header.offset
        return Facts("array", header.shape[0], header.shape[1], None, False, {}, rows, header.dtype)
    found = faiss.read_header(path, name, follow=follow)
    return Facts(found.structure, found.count, found.dimension, found.metric, found.mapped, found.settings, found.rows)


def blocks(path: Path, name: str | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(number of its first row, some rows) of a file whose `Facts.rows` is not None, to its end; a few MiB are held at a time.
    Raises ReadError."""
    import numpy as np

    found, name = facts(path, name), name or str(path)
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
    import numpy as np

    found = facts(path, name)
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
    import numpy as np

    known = np.unique(places)
    ids: list[int] = []
    with open_bytes(path, name, follow=False) as file:
        for place in known:
            file.seek((found.rows or 0) + 4 * found.dimension * found.count + 8 + 8 * int(place))
            ids += struct.unpack("<q", file.read(8))
    return np.array(ids, np.int64)[np.searchsorted(known, places)]
