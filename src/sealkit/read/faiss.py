"""The header of a FAISS index file, read without faiss.

Layout (faiss 1.7 to 1.15, impl/index_write.cpp): a four-letter code, then little-endian
`d:i32, ntotal:i64, two unused i64, is_trained:u8, metric_type:i32`, and `metric_arg:f32` where metric_type > 1.
Flat indexes go on with `count:u64` and that many f32; IVF with `nlist:u64, nprobe:u64`; maps of ids with the index that they
hold; HNSW with five vectors (`size:u64` and that many f64, i32, i32, u64, i32), then
`entry_point, max_level, efConstruction, efSearch`, i32 each. The second vector counts the links of a node level by level:
its second entry is 2 M.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError
from sealkit.read.source import open_bytes, refuse_lfs_pointer

METRICS = {0: "inner_product", 1: "l2"}
_FLAT = {b"IxF2", b"IxFI", b"IxFl"}
_MAPS = {b"IxMp", b"IxM2"}
STRUCTURES = {"IxF2": "flat", "IxFI": "flat", "IxFl": "flat", "IHNf": "hnsw", "IwFl": "ivf"}
_WIDTHS = (8, 4, 4, 8, 4)  # of the entries of HNSW's vectors
_FIX = "build the index again"


@dataclass(frozen=True)
class FaissHeader:
    """`dimension` d, `count` ntotal, and the metric (`inner_product`, `l2`, or `other:<number>`).

    `mapped`: it returns ids of its own, and all else is of the index inside. `rows` is the byte at which the vectors of a flat
    index begin (float32, count × dimension), None for another. `settings` holds what the file says of its structure: `lists`
    and `probes` of an IVF, `m`, `ef_construction` and `ef_search` of an HNSW; it is empty for kinds that are not read further.
    """

    fourcc: str
    dimension: int
    count: int
    trained: bool
    metric: str
    mapped: bool
    rows: int | None
    settings: dict[str, int]

    @property
    def structure(self) -> str:
        """`flat`, `hnsw`, `ivf`, or the four-letter code of what is none of these."""
        return STRUCTURES.get(self.fourcc, self.fourcc)


def read_header(path: Path, name: str | None = None, *, follow: bool = True) -> FaissHeader:
    """Read the header; the size of a flat index is held against it. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        refuse_lfs_pointer(file.read(64), name)
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        return _header(file, name, size, mapped=False)


def _header(file: BufferedReader, name: str, size: int, *, mapped: bool) -> FaissHeader:
    """The header at which the file stands."""
    at, start = file.tell(), file.read(41)
    code = start[:4]
    if len(start) < 37 or code[:1] != b"I" or not code.isalnum():
        raise ReadError("is no FAISS index", Location(name), _FIX)
    if code[:2] == b"IB":
        message = f"is a binary FAISS index ({code.decode()}), and only those of floats are read"
        raise ReadError(message, Location(name), malformed=False)
    dimension, count, _, _, trained, metric = struct.unpack("<iqqqBi", start[4:37])
    if dimension <= 0 or count < 0 or trained > 1:
        raise ReadError(f"has a header that does not add up: d={dimension}, ntotal={count}", Location(name), _FIX)
    file.seek(at + 37 + (4 if metric > 1 else 0))
    if code in _MAPS and not mapped:
        return _header(file, name, size, mapped=True)
    rows, settings = None, {}
    if code in _FLAT:
        promised = _numbers(file, "<Q", name)[0]
        rows = file.tell()
        data = 4 * dimension * count
        expected = rows + data + ((8 + 8 * count) if mapped else 0)
        if promised != dimension * count or size != expected:
            message = f"is {size:,} bytes; {count:,} vectors of {dimension} dimensions take {expected:,}"
            raise ReadError(message, Location(name), _FIX)
    elif code[:2] == b"Iw":
        settings = dict(zip(("lists", "probes"), _numbers(file, "<QQ", name), strict=True))
    elif code[:3] == b"IHN":
        settings = _graph(file, name, size)
    if count > size:  # no kind keeps a vector in less than a byte
        message = f"is {size:,} bytes, and cannot hold {count:,} vectors"
        raise ReadError(message, Location(name), _FIX)
    found: dict[str, Any] = {"mapped": mapped, "rows": rows, "settings": settings}
    return FaissHeader(code.decode(), dimension, count, bool(trained), METRICS.get(metric, f"other:{metric}"), **found)


def _graph(file: BufferedReader, name: str, size: int) -> dict[str, int]:
    """The settings of an HNSW. Its vectors are passed over."""
    links = 0
    for number, width in enumerate(_WIDTHS):
        (entries,) = _numbers(file, "<Q", name)
        if entries * width > size - file.tell():
            raise ReadError("ends within its graph", Location(name), _FIX)
        after = file.tell() + entries * width
        if number == 1 and entries > 1:
            links = _numbers(file, "<ii", name)[1]
        file.seek(after)
    _, _, construction, search = _numbers(file, "<iiii", name)
    return {"m": links // 2, "ef_construction": construction, "ef_search": search}


def _numbers(file: BufferedReader, layout: str, name: str) -> tuple[int, ...]:
    data = file.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise ReadError("ends within its header", Location(name), _FIX)
    return struct.unpack(layout, data)
