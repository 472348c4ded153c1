"""The header of a safetensors file: names, types, shapes and places of tensors, without loading one."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.json import parse
from sealkit.read.source import MEBIBYTE, decode, open_bytes, refuse_lfs_pointer

_FIX = "save the model again"
_MAX_DIMENSIONS = 64
HEADER_LIMIT = 100 * MEBIBYTE  # the format's own limit
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One tensor: `start` and `end` are byte offsets from the beginning of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path, name: str | None = None, *, follow: bool = True) -> list[Tensor]:
    """The tensors of a file in the order of their bytes; gaps, overlaps and torn files are refused. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(64)
        refuse_lfs_pointer(start, name)
        if len(start) < 8:
            raise ReadError("is too short to be a safetensors file", Location(name), _FIX)
        length = struct.unpack("<Q", start[:8])[0]
        if length > min(HEADER_LIMIT, size - 8):
            raise ReadError(
                f"promises a header of {length:,} bytes in a file of {size:,}: cut off, or no safetensors file",
                Location(name),
                _FIX,
            )
        file.seek(8)
        raw = file.read(length)
    if raw and not raw.startswith(b"{"):
        raise ReadError("has a header that is no object", Location(name), _FIX)
    header = parse(decode(raw, name).rstrip(" "), name)
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())
    ):
        raise ReadError("has a __metadata__ that is no object of text", Location(name), _FIX)
    found = (_tensor(key, entry, 8 + length, name) for key, entry in header.items())
    tensors = sorted(found, key=lambda tensor: (tensor.start, tensor.end))
    position = 8 + length
    for tensor in tensors:
        if tensor.start != position:
            raise ReadError(f"has a gap or an overlap before the tensor `{tensor.name[:80]}`", Location(name), _FIX)
        position = tensor.end
    if position != size:
        raise ReadError(
            f"is {size:,} bytes, its header promises {position:,}", Location(name), "the copy is torn: copy it again"
        )
    return tensors


def _tensor(key: str, entry: object, base: int, name: str) -> Tensor:
    if isinstance(entry, dict):
        dtype, shape, offsets = entry.get("dtype"), _naturals(entry.get("shape")), _naturals(entry.get("data_offsets"))
        if (
            isinstance(dtype, str)
            and dtype in _BITS
            and shape is not None
            and offsets is not None
            and len(offsets) == 2
        ):
            start, end = offsets
            if (end - start) * 8 == math.prod(shape) * _BITS[dtype]:
                return Tensor(key, dtype, shape, base + start, base + end)
    raise ReadError(f"describes the tensor `{key[:80]}` in a way that does not add up", Location(name), _FIX)


def _naturals(value: object) -> tuple[int, ...] | None:
    """The value as a tuple, if it is a short list of integers that are not negative and fit 64 bits."""
    if not isinstance(value, list) or len(value) > _MAX_DIMENSIONS:
        return None
    if all(type(item) is int and 0 <= item < 2**63 for item in value):
        return tuple(value)
    return None
