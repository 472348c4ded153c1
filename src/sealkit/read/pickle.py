"""What a file would import if it were unpickled: told from its opcodes, by content, and never by loading.

Scanners were passed by archives that crash them, by names that are put together on the stack or in the memo, by pickles that break
off after the call, and by other file extensions (picklescan CVE-2025-10155 to 10157, modelscan#338). So content decides, and what cannot be followed is told as such.
"""

from __future__ import annotations

import ast
import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from sealkit.read import opcodes
from sealkit.read.opcodes import Trace, trace
from sealkit.read.source import MEBIBYTE, Capped, open_bytes, refuse_lfs_pointer

HEAD = 4096  # bytes by which a file shows whether it is to be looked into
LIMIT = 64 * MEBIBYTE  # of one stream, and of one read by a parser of archives
TOTAL = 256 * MEBIBYTE  # of everything looked at in one file
MEMBERS, DEPTH = 10_000, 3
OPCODES = 4_000_000  # of everything looked at in one file

_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open, b"\x5d\0\0": lzma.open}


@dataclass(frozen=True)
class Pickle:
    """A pickle in a file, or a part of the file that may hide one.

    `member` leads to it through archives, and is empty for the file itself. `names` are the `module.name` that loading looks up, sorted.
    `unread` says why there may be more of them; None where that is all.
    """

    member: str
    names: tuple[str, ...]
    unread: str | None = None


def pickles(path: Path, name: str | None = None, *, follow: bool = True) -> list[Pickle]:
    """Every pickle in a file, also in zip, tar and compressed files and in object arrays. Nothing is loaded. Raises ReadError."""
    with open_bytes(path, name, follow=follow) as file:
        refuse_lfs_pointer(file.read(64), name or str(path))
        found: list[Pickle] = []
        try:
            found.extend(_Search(TOTAL, MEMBERS, OPCODES).inside(Capped(file, LIMIT), "", 0))
        except Exception as error:  # what makes its readers fall over is told, with what was found until then
            found.append(Pickle("", (), f"it cannot be read to its end: {error or type(error).__name__}"))
        return found


@dataclass
class _Search:
    """The search through one file: `left` are the bytes that may still be looked at, `members` those of archives, `opcodes`
    those that may still be followed."""

    left: int
    members: int
    opcodes: int

    def inside(self, file: IO[bytes] | Capped, member: str, depth: int) -> Iterator[Pickle]:
        """Everything in a file that can be positioned."""
        file.seek(0)
        head = self._take(file, HEAD)
        if head.startswith(b"\x93NUMPY"):
            begin = 10 if head[6:7] == b"\1" else 12
            start = begin + int.from_bytes(head[8:begin], "little")
            if start > HEAD or _of_objects(head[begin:start]):
                file.seek(start)
                nothing = Pickle(member, (), "its array of objects cannot be followed")
                yield from self._streams(file, member) or [nothing]
        elif opener := _compression(head):
            file.seek(0)
            yield from self._member(partial(opener, file), member, depth)
        elif not head.startswith(b"PK\3\4"):  # to a pickle, a name for its loader: it runs into the members
            file.seek(0)
            yield from self._streams(file, member)
        # Also behind any of these: what opens an archive looks for its end.
        if zipfile.is_zipfile(file):
            yield from self._zip(file, member, depth)
        if _is_tar(file):
            yield from self._tar(file, member, depth)

    def _zip(self, file: Any, member: str, depth: int) -> Iterator[Pickle]:
        try:
            archive = zipfile.ZipFile(file)
        except Exception as error:  # hostile archives break their reader in many ways
            file.seek(0)
            if file.read(2) == b"PK":  # else another file that holds the mark of an archive's end
                yield Pickle(member, (), f"it is no zip file that can be read: {error}")
            return
        for info in archive.infolist():
            if not info.is_dir():
                name = f"{member}/{info.filename}".removeprefix("/")
                yield from self._member(partial(archive.open, info), name, depth)

    def _tar(self, file: Any, member: str, depth: int) -> Iterator[Pickle]:
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for info in filter(tarfile.TarInfo.isfile, archive):
                    name = f"{member}/{info.name}".removeprefix("/")
                    yield from self._member(partial(archive.extractfile, info), name, depth)
        except Exception as error:
            yield Pickle(member, (), f"it is no tar file that can be read: {error}")

    def _member(self, opened: Any, member: str, depth: int) -> Iterator[Pickle]:
        """One member of an archive, or what a compressed file holds."""
        self.members -= 1
        if depth == DEPTH or self.members < 0:
            if self.members >= -1:  # said once
                many = self.members < 0
                yield Pickle(member, (), f"it holds more than {MEMBERS:,} files" if many else "it is nested too deep")
            return
        try:
            with opened() as stream:
                data = self._take(stream, HEAD)
                if len(data) == HEAD and self._wants_more(data):
                    data += self._take(stream, LIMIT - HEAD)
                    if stream.read(1):
                        yield Pickle(member, (), f"only its first {len(data):,} bytes were read")
        except Exception as error:
            yield Pickle(member, (), f"it cannot be read: {error or type(error).__name__}")
            return
        yield from self.inside(io.BytesIO(data), member, depth + 1)

    def _streams(self, file: IO[bytes] | Capped, member: str) -> list[Pickle]:
        """The pickles that follow each other from here on, as one."""
        data = self._take(file, HEAD)
        if len(data) == HEAD and self._follow(data)[-1].short:
            data += self._take(file, LIMIT - HEAD)
        *found, last = self._follow(data)
        broken = last.broken if last.is_pickle else None
        if last.is_pickle:
            found.append(last)
        elif found and last.short and len(data) == LIMIT:
            broken = f"only its first {LIMIT:,} bytes were read"
        if not found:
            return []
        if len(found) == MEMBERS:
            broken = f"it holds {MEMBERS:,} pickles"
        reason = broken and f"from byte {found[-1].end:,} on it cannot be followed: {broken}"
        return [Pickle(member, tuple(sorted(set().union(*(one.names for one in found)))), reason)]

    def _follow(self, data: bytes) -> list[Trace]:
        """The pickles that follow each other in some data; the last is broken, or what comes behind them and is none."""
        found: list[Trace] = []
        while True:
            one = trace(data, found[-1].end if found else 0, max(1, min(opcodes.LIMIT, self.opcodes)))
            self.opcodes -= one.opcodes
            found.append(one)
            if one.broken or not one.is_pickle or len(found) == MEMBERS:
                return found

    def _wants_more(self, head: bytes) -> bool:
        archive = head.startswith((b"PK\3\4", b"\x93NUMPY")) or head[257:262] == b"ustar" or _compression(head)
        return bool(archive) or self._follow(head)[-1].short

    def _take(self, file: Any, size: int) -> bytes:
        data: bytes = file.read(min(size, max(self.left, 0)))
        self.left -= len(data)
        if self.left <= 0:
            raise ValueError(f"more than {TOTAL:,} bytes of it would have to be read")
        return data


def _of_objects(header: bytes) -> bool:
    """Whether a .npy header may name a type of objects: `|O`, `object`, or a part of a record; also where it cannot be read."""
    try:
        text = re.sub(r"([0-9])L\b", r"\1", header.decode("latin-1").strip())  # as Python 2 wrote long numbers
        described = repr(ast.literal_eval(text)["descr"])
    except Exception:
        return True
    return "O" in described or "object" in described


def _compression(head: bytes) -> Any:
    """How to open what a file of these first bytes holds, where it is compressed."""
    for magic, opener in _OPENERS.items():
        if head.startswith(magic):
            return opener
    try:  # joblib's own choice has no magic number
        return _inflated if head[:1] == b"\x78" and zlib.decompressobj().decompress(head, 1) else None
    except zlib.error:
        return None


def _inflated(file: IO[bytes]) -> io.BytesIO:
    return io.BytesIO(zlib.decompressobj().decompress(file.read(LIMIT), LIMIT + 1))


def _is_tar(file: Any) -> bool:
    file.seek(0)
    try:
        tarfile.open(fileobj=file, mode="r:").close()
    except (tarfile.TarError, ValueError):
        return False
    return True
