"""Lines of text, streamed: memory does not grow with the file, only with its longest line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.source import MEBIBYTE, decode, open_bytes, refuse_lfs_pointer

LINE_LIMIT = 8 * MEBIBYTE
BLOCK = MEBIBYTE // 16


def lines(
    path: Path, name: str | None = None, *, follow: bool = True, errors: str = "strict"
) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end) for each line; CRLF reads like LF. `errors` as `bytes.decode` takes it. Raises
    ReadError."""
    name = name or str(path)
    for first, block in blocks(path, name, follow=follow):
        for number, raw in enumerate(block.split(b"\n"), first):
            yield number, line(raw, name, number, errors)


def line(raw: bytes, name: str, number: int, errors: str = "strict") -> str:
    """The text of a line, without its line end. Raises ReadError."""
    if number == 1:
        refuse_lfs_pointer(raw, name)
    # Most lines are ASCII, which needs none of decode's care.
    text = raw.decode("ascii") if raw.isascii() else decode(raw, name, number, errors)
    return text.rstrip("\r\n")


def blocks(path: Path, name: str, *, follow: bool = True) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, whole lines without the last newline), many lines at a time. Raises ReadError."""
    with open_bytes(path, name, follow=follow) as file:
        number, rest = 1, b""
        while chunk := file.read(min(BLOCK, LINE_LIMIT)):
            whole, newline, chunk = chunk.rpartition(b"\n")
            block = rest + whole + newline
            # What stood before the chunk and goes on in it is the only line that can be longer than a chunk.
            if (block.find(b"\n") + 1 or len(block + chunk)) > LINE_LIMIT:
                at = Location(name, line=number)
                raise ReadError(f"has a line of over {LINE_LIMIT:,} bytes", at, malformed=False)
            if newline:
                yield number, block[:-1]
                number += block.count(b"\n")
                rest = chunk
            else:
                rest += chunk
        if rest:
            yield number, rest
