"""The header of a FAISS index file, read without faiss.

Layout (faiss 1.7 to 1.15, `write_index_header` in impl/index_write.cpp): a four-letter code, then little-endian
`d:i32, ntotal:i64, two unused i64, is_trained:u8, metric_type:i32`, and `metric_arg:f32` where metric_type > 1.
Flat indexes go on with `count:u64` and that many f32.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.source import open_bytes, refuse_lfs_pointer

METRICS = {0: "inner_product", 1: "l2"}
_FLAT = {b"IxF2", b"IxFI", b"IxFl"}
STRUCTURES = {"IxF2": "flat", "IxFI": "flat", "IxFl": "flat", "IHNf": "hnsw", "IwFl": "ivf"}


@dataclass(frozen=True)
class FaissHeader:
    """`dimension` d, `count` ntotal, and the metric (`inner_product`, `l2`, or `other:<number>`)."""

    fourcc: str
    dimension: int
    count: int
    trained: bool
    metric: str

    @property
    def structure(self) -> str:
        """`flat`, `hnsw`, `ivf`, or the four-letter code of what is none of these."""
        return STRUCTURES.get(self.fourcc, self.fourcc)


def read_header(path: Path, name: str | None = None, *, follow: bool = True) -> FaissHeader:
    """Read the header; the size of a flat index is held against it. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(64)
    refuse_lfs_pointer(start, name)
    fix = "build the index again"
    if len(start) < 37 or start[:1] != b"I" or not start[:4].isalnum():
        raise ReadError("is no FAISS index", Location(name), fix)
    if start[:2] == b"IB":
        message = f"is a binary FAISS index ({start[:4].decode()}), and only those of floats are read"
        raise ReadError(message, Location(name), malformed=False)
    dimension, count, _, _, trained, metric = struct.unpack("<iqqqBi", start[4:37])
    if dimension <= 0 or count < 0 or trained > 1:
        raise ReadError(f"has a header that does not add up: d={dimension}, ntotal={count}", Location(name), fix)
    if start[:4] in _FLAT:
        data = 37 + (4 if metric > 1 else 0)
        promised = struct.unpack("<Q", start[data : data + 8])[0] if len(start) >= data + 8 else -1
        expected = data + 8 + 4 * dimension * count
        if promised != dimension * count or size != expected:
            raise ReadError(
                f"is {size:,} bytes; {count:,} vectors of {dimension} dimensions take {expected:,}", Location(name), fix
            )
    return FaissHeader(start[:4].decode(), dimension, count, bool(trained), METRICS.get(metric, f"other:{metric}"))
