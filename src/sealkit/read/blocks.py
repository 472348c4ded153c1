"""Text in blocks of whole lines, for searching files of any size without taking them apart first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.source import MEBIBYTE, open_bytes, refuse_lfs_pointer
from sealkit.read.text import LINE_LIMIT

SNIFFED = 8192


def blocks(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, whole lines of about a MiB) for each block; nothing where the file is binary.

    A file is binary where a NUL stands among its first bytes, and text where a byte-order mark says so. Raises ReadError,
    also for a line of over 8 MiB and for UTF-16, which cannot be searched like this.
    """
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        start = file.read(SNIFFED)
        refuse_lfs_pointer(start, name)
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ReadError(
                "is UTF-16 text, expected UTF-8", Location(name, line=1), "save it as UTF-8", malformed=False
            )
        if b"\0" in start:
            return
        number, rest = 1, start
        while block := file.read(MEBIBYTE):
            whole, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                yield number, whole
                number += whole.count(b"\n") + 1
            elif len(rest) > LINE_LIMIT:
                raise ReadError(
                    f"has a line of over {LINE_LIMIT:,} bytes", Location(name, line=number), malformed=False
                )
        if rest:
            yield number, rest
