"""The header of a NumPy `.npy` file (format 1.0 to 3.0), read without numpy and without ever unpickling."""

from __future__ import annotations

import ast
import math
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.source import open_bytes, refuse_lfs_pointer

HEADER_LIMIT = 64 * 1024
_DTYPE = re.compile(r"[<>|=]?(?:(?:b|i|u)(1)|(?:i|u)(2|4|8)|f(2|4|8|12|16)|c(8|16|24|32)|\?)\Z")
_MAX_DIMENSIONS = 64  # NumPy's own
_FIX = "save it again as a plain array with numpy.save(..., allow_pickle=False)"


@dataclass(frozen=True)
class NpyHeader:
    """`dtype` as NumPy writes it (`<f4`), `shape`, and the byte offset at which the data begins."""

    dtype: str
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int


def read_header(path: Path, name: str | None = None, *, follow: bool = True) -> NpyHeader:
    """Read the header and hold the file's size against it. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(64)
        refuse_lfs_pointer(start, name)
        if start[:6] != b"\x93NUMPY" or len(start) < 12 or start[6] not in (1, 2, 3) or start[7] != 0:
            raise ReadError("is not a .npy file of version 1 to 3", Location(name), _FIX)
        width = 2 if start[6] == 1 else 4
        length = struct.unpack("<H" if width == 2 else "<I", start[8 : 8 + width])[0]
        if length > HEADER_LIMIT:
            message = f"has a header of {length:,} bytes; at most {HEADER_LIMIT:,} are read"
            raise ReadError(message, Location(name), _FIX)
        file.seek(8 + width)
        raw = file.read(length)
    offset = 8 + width + length
    try:
        header = ast.literal_eval(raw.decode("utf-8" if start[6] == 3 else "latin-1").strip(" \n"))
        if header.keys() != {"descr", "shape", "fortran_order"} or not isinstance(header["fortran_order"], bool):
            raise ValueError
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError):
        raise ReadError("has a header that is no .npy header", Location(name), _FIX) from None
    dtype, shape = header["descr"], header["shape"]
    match = _DTYPE.match(dtype) if isinstance(dtype, str) else None
    if match is None:
        message = f"holds elements of type {_show(dtype)}; only plain numbers are read, and nothing is unpickled"
        raise ReadError(message, Location(name), _FIX)
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise ReadError(f"has the shape {_show(shape)}", Location(name), _FIX)
    if len(shape) > _MAX_DIMENSIONS:
        message = f"has {len(shape)} dimensions; at most {_MAX_DIMENSIONS} are read"
        raise ReadError(message, Location(name), _FIX)
    width = int(next(filter(None, match.groups()), 1))
    expected = offset + math.prod(shape) * width
    if size != expected:
        raise ReadError(f"is {size:,} bytes, its header promises {expected:,}", Location(name), "write it again")
    return NpyHeader(dtype, shape, header["fortran_order"], offset)


def _show(value: object) -> str:
    try:
        return str(value)[:40]
    except ValueError:  # an integer of more digits than Python writes out
        return "with a number too long to be written out"
