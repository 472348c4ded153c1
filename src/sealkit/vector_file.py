"""The file that an index keeps its vectors in: a FAISS index, or a NumPy array of shape (rows, dimension)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit.finding import Location, ReadError
from sealkit.read import faiss, npy
from sealkit.read.source import open_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXACT = ("flat", "hnsw", "ivf", "array")  # kinds that give a row back as it was put in
_FIX = "give a .faiss file, or a .npy array of float32 or float16"


@dataclass(frozen=True)
class Facts:
    """What a file of vectors says of itself, without faiss: `metric` is None for an array, which knows none."""

    kind: str
    count: int
    dimension: int
    metric: str | None
    mapped: bool
    settings: dict[str, int]

    @property
    def exact(self) -> bool:
        """Whether its rows can be read back as they were put in."""
        return self.kind in _EXACT

    def structure(self) -> dict[str, Any]:
        """The `structure` group of a fingerprint, as far as the file tells it; null is what this kind has not."""
        found = {key: self.settings.get(key) for key in ("m", "ef_construction", "lists")}
        return {"kind": self.kind, "count": self.count, **found, "id_map": "map" if self.mapped else "positions"}

    def search(self) -> dict[str, Any]:
        """The `search` group, as far as the file tells it."""
        return {key: self.settings.get(key) for key in ("probes", "ef_search")}


def facts(path: Path, name: str | None = None, *, follow: bool = False) -> Facts:
    """What the file says of itself. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        magic = file.read(6)
    if magic == b"\x93NUMPY":
        header = npy.read_header(path, name, follow=follow)
        if len(header.shape) != 2 or header.dtype not in ("<f4", "<f2") or 0 in header.shape[1:]:
            shape = " × ".join(map(str, header.shape))
            raise ReadError(
                f"is an array of {header.dtype}, {shape}; expected rows × dimension of floats", Location(name), _FIX
            )
        return Facts("array", header.shape[0], header.shape[1], None, False, {})
    found = faiss.read_header(path, name, follow=follow)
    return Facts(found.structure, found.count, found.dimension, found.metric, found.mapped, found.settings)


def load(path: Path, metric: str | None) -> Any:
    """The file as a faiss index; an array becomes a flat one by that metric. Raises ReadError, also for an array of which
    nobody says by what metric its rows are compared."""
    import faiss as library
    import numpy as np

    with open_bytes(path, follow=False) as file:
        magic = file.read(6)
    if magic == b"\x93NUMPY":
        if metric is None:
            fix = "describe it with its encoder (sealkit.describe_index)"
            raise ReadError(
                "is an array, and nobody says by what metric its rows are compared", Location(str(path)), fix
            )
        rows = np.load(path, allow_pickle=False)
        numbers = {name: number for number, name in faiss.METRICS.items()}
        number = numbers[metric] if metric in numbers else int(metric.removeprefix("other:"))
        index = library.IndexFlat(rows.shape[1], number)
        index.add(np.ascontiguousarray(rows, dtype=np.float32))
        return index
    try:
        return library.read_index(str(path))
    except RuntimeError as error:
        message = f"cannot be opened by faiss: {str(error).splitlines()[0]}"
        raise ReadError(message, Location(str(path)), "build the index again") from error


def settings(index: Any) -> dict[str, Callable[[], int]]:
    """What of an opened index decides how much of it is searched: name → how to read it."""
    import faiss as library

    inner = index
    while isinstance(inner, library.IndexIDMap | library.IndexPreTransform):
        inner = library.downcast_index(inner.index)
    if isinstance(inner, library.IndexIVF):
        return {"probes": lambda: int(inner.nprobe)}
    if isinstance(inner, library.IndexHNSW):
        return {"ef_search": lambda: int(inner.hnsw.efSearch)}
    return {}


def rows(index: Any, wanted: list[int]) -> NDArray[np.float32] | None:
    """Some rows by position, as they were put in; None where the index cannot give them back."""
    import faiss as library
    import numpy as np

    inner = library.downcast_index(index.index) if isinstance(index, library.IndexIDMap) else index
    if isinstance(inner, library.IndexIVF):
        inner.make_direct_map()
    try:
        return np.stack([inner.reconstruct(row) for row in wanted])
    except RuntimeError:
        return None
