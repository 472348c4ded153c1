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
from sealkit.read.source import open_bytes

HEADER_LIMIT = 64 * 1024
_DTYPE = re.compile(r"[<>|=]?(?:(b|i|u|f|c)(1|2|4|8|16)|\?)\Z")


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
        start = file.read(12)
        if start[:6] != b"\x93NUMPY" or len(start) < 12 or start[6] not in (1, 2, 3):
            raise ReadError("is not a .npy file of version 1 to 3", Location(name))
        width = 2 if start[6] == 1 else 4
        length = struct.unpack("<H" if width == 2 else "<I", start[8 : 8 + width])[0]
        if length > HEADER_LIMIT:
            raise ReadError(f"has a header of {length:,} bytes; at most {HEADER_LIMIT:,} are read", Location(name))
        file.seek(8 + width)
        raw = file.read(length)
    offset = 8 + width + length
    try:
        header = ast.literal_eval(raw.decode("utf-8" if start[6] == 3 else "latin-1").strip())
        dtype, shape, fortran = header["descr"], header["shape"], header["fortran_order"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        raise ReadError("has a header that is no .npy header", Location(name)) from None
    if not isinstance(dtype, str) or not (match := _DTYPE.match(dtype)):
        raise ReadError(
            f"holds elements of type {str(dtype)[:40]}; only plain numbers are read, and nothing is unpickled",
            Location(name),
            "save it as a plain array with numpy.save(..., allow_pickle=False)",
        )
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ReadError(f"has the shape {str(shape)[:40]}", Location(name))
    expected = offset + math.prod(shape) * int(match[2] or 1)
    if size != expected:
        raise ReadError(f"is {size:,} bytes, its header promises {expected:,}", Location(name), "write it again")
    return NpyHeader(dtype, shape, bool(fortran), offset)
