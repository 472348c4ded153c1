"""Lines of text, streamed: memory does not grow with the file, only with its longest line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.source import MEBIBYTE, decode, open_bytes, refuse_lfs_pointer

LINE_LIMIT = 8 * MEBIBYTE


def lines(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end) for each line; CRLF reads like LF. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        number = 0
        while raw := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(raw) > LINE_LIMIT:
                raise ReadError(
                    f"has a line of over {LINE_LIMIT:,} bytes", Location(name, line=number), malformed=False
                )
            if number == 1:
                refuse_lfs_pointer(raw, name)
            # Most lines are ASCII, which needs none of decode's care.
            text = raw.decode("ascii") if raw.isascii() else decode(raw, name, number)
            yield number, text.rstrip("\r\n")
