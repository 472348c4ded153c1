"""Lines of text files that may be gzipped (`.gz`), streamed, with a bound on what a small file may unpack to."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read import text
from sealkit.read.source import decode, open_bytes, refuse_lfs_pointer

UNPACKED_LIMIT = 64 * 1024**3  # bytes of one file; the largest public retrieval collections stay below


def lines(path: Path, name: str | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end) for each line, as `text.lines`. Raises ReadError."""
    name = name or str(path)
    if path.suffix != ".gz":
        yield from text.lines(path, name)
        return
    number = total = 0
    with open_bytes(path, name) as file:
        refuse_lfs_pointer(file.read(64), name)
        file.seek(0)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                while raw := unpacked.readline(text.LINE_LIMIT + 1):
                    number, total = number + 1, total + len(raw)
                    if len(raw) > text.LINE_LIMIT:
                        message = f"has a line of over {text.LINE_LIMIT:,} bytes"
                        raise ReadError(message, Location(name, line=number), malformed=False)
                    if total > UNPACKED_LIMIT:
                        message = f"unpacks to over {UNPACKED_LIMIT:,} bytes"
                        raise ReadError(message, Location(name, line=number), malformed=False)
                    yield number, decode(raw, name, number).rstrip("\r\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            at = Location(name, line=number + 1)
            raise ReadError(f"is no whole gzip file: {error}", at, "fetch or pack the file again") from None
