"""Lines of text files that may be gzipped, streamed, with a bound on what a small file may unpack to."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read import text
from sealkit.read.source import decode, open_bytes, refuse_lfs_pointer

UNPACKED_LIMIT = 64 * 1024**3  # bytes of one file; the largest public retrieval collections stay below
SUFFIXES = (".gz", ".bgz")
MAGIC = b"\x1f\x8b"
# Block gzip as in the SAM specification (SAMv1.pdf, section 4.1): a subfield BC in the first member, an empty block at the end.
_BGZF = slice(12, 14), b"BC"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def lines(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end) for each line, as `text.lines`; gzip is known by the name or the content.

    Raises ReadError.
    """
    name = name or str(path)
    if path.suffix not in SUFFIXES and not head(path, name, follow=follow).startswith(MAGIC):
        yield from text.lines(path, name, follow=follow)
        return
    number = total = 0
    with open_bytes(path, name, follow=follow) as file:
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


def head(path: Path, name: str, size: int = 64, *, follow: bool = True, unpacked: bool = False) -> bytes:
    """The first bytes of a file, `unpacked` those of what a gzipped one holds (as far as it can be unpacked). Raises ReadError."""
    with open_bytes(path, name, follow=follow) as file:
        found = file.read(size)
        if not unpacked or not found.startswith(MAGIC):
            return found
        file.seek(0)
        try:
            return gzip.GzipFile(fileobj=file).read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return b""


def lacks_end(path: Path, name: str, *, follow: bool = True) -> bool:
    """Whether a file is block gzip without the empty block that ends one, as a file cut between two blocks is. Raises ReadError."""
    with open_bytes(path, name, follow=follow) as file:
        found = file.read(64)
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(_BGZF_END)))
        return found.startswith(MAGIC) and found[_BGZF[0]] == _BGZF[1] and file.read() != _BGZF_END


def padded(path: Path, name: str, *, follow: bool = True) -> bool:
    """Whether zero bytes stand behind a member of a gzip file: Python passes over them, htslib does not. Raises ReadError.

    The last byte of a file without them is the highest of the size of what the last member holds: where it is none, nothing is
    unpacked here.
    """
    with open_bytes(path, name, follow=follow) as file, suppress(zlib.error):
        if file.read(len(MAGIC)) != MAGIC:
            return False
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\0":
            return False
        file.seek(0)
        member = zlib.decompressobj(zlib.MAX_WBITS + 16)
        while data := member.unconsumed_tail or member.unused_data or file.read(text.BLOCK):
            if member.eof:
                if data[0] == 0:
                    return True
                member = zlib.decompressobj(zlib.MAX_WBITS + 16)
            member.decompress(data, text.BLOCK)
    return False
