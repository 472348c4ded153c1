"""Opening files that nobody vouches for: regular files only, of bounded size, UTF-8 only."""

from __future__ import annotations

import io
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import IO

from sealkit.finding import Location, ReadError

MEBIBYTE = 1024 * 1024
DOCUMENT_LIMIT = 64 * MEBIBYTE
MAX_DEPTH = 64
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"


def open_bytes(path: str | Path, name: str | None = None, *, follow: bool = True) -> BufferedReader:
    """Open a regular file for reading; `name` is what messages call it. Raises ReadError."""
    return os.fdopen(open_descriptor(path, name or str(path), follow=follow), "rb")


def open_descriptor(path: str | Path, name: str, *, follow: bool = True) -> int:
    """The descriptor of a regular file that is open for reading, to be closed by the caller. Raises ReadError."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not follow:
            if not hasattr(os, "O_NOFOLLOW"):
                _refuse_link(path, name)
            flags |= getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags)
    except OSError as error:
        if not follow:
            _refuse_link(path, name)
        raise unreadable(error, name) from error
    except ValueError:
        at = Location(name)
        raise ReadError("cannot be read: no file can have such a name", at, "check the path", malformed=False) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ReadError("is not a regular file", Location(name), malformed=False)
    return descriptor


def _refuse_link(path: str | Path, name: str) -> None:
    if os.path.islink(path):
        raise ReadError(
            "is a symbolic link, and readers stay inside the run",
            Location(name),
            "put the file itself in its place",
            malformed=False,
        )


def unreadable(error: OSError, name: str) -> ReadError:
    """What the operating system refused, as a ReadError that blocks and does not fail."""
    fix = "check the path" if isinstance(error, FileNotFoundError) else "check the path and its permissions"
    return ReadError(f"cannot be read: {error.strerror}", Location(name), fix, malformed=False)


def read_bytes(path: str | Path, name: str | None = None, *, limit: int = DOCUMENT_LIMIT, follow: bool = True) -> bytes:
    """The whole content of a file of at most `limit` bytes. Raises ReadError."""
    name = name or str(path)
    with open_bytes(path, name, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= limit else b""
        if len(data) > size:  # it grew, or is of a kind that tells no size
            data += file.read(limit + 1 - len(data))
    if size > limit or len(data) > limit:
        raise ReadError(
            f"is {max(size, len(data)):,} bytes; at most {limit:,} are read",
            Location(name),
            "keep large tables as JSONL, which is streamed",
            malformed=False,
        )
    refuse_lfs_pointer(data, name)
    return data


def refuse_lfs_pointer(data: bytes, name: str) -> None:
    """Raises ReadError where a Git LFS pointer stands in the place of the content."""
    if data.startswith(LFS_POINTER):
        raise ReadError(
            "is a Git LFS pointer, the content is not here",
            Location(name),
            f"git lfs pull --include '{name}'",
            malformed=False,
        )


def decode(data: bytes, name: str, line: int = 1, errors: str = "strict") -> str:
    """UTF-8 text without its byte-order mark; `line` is the number of the first line, `errors` as `bytes.decode` takes it. Raises
    ReadError."""
    if line == 1:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ReadError("is UTF-16 text, expected UTF-8", Location(name, line=1), "save it as UTF-8")
        data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        at = line + data.count(b"\n", 0, error.start)
        raise ReadError(
            f"is not UTF-8: byte 0x{data[error.start]:02x}", Location(name, line=at), "save it as UTF-8"
        ) from None


def read_text(path: Path, name: str | None = None, *, limit: int = DOCUMENT_LIMIT, follow: bool = True) -> str:
    """The whole text of a file, newlines as they are. Raises ReadError."""
    return decode(read_bytes(path, name, limit=limit, follow=follow), name or str(path))


class Capped(io.RawIOBase):
    """A file of which no parser gets more than `limit` bytes at once, whatever the file says of its own parts."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit = file, limit

    def read(self, size: int = -1) -> bytes:
        """Raises ValueError where more than the limit was asked for, and is there."""
        data = self.file.read(self.limit + 1 if size < 0 else min(size, self.limit + 1))
        if len(data) > self.limit:
            raise ValueError(f"a part of it is larger than {self.limit:,} bytes")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True
