"""Every byte we write: whole files at once or appended lines, never half of one under its final name."""

from __future__ import annotations

import datetime
import errno
import json
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

from sealkit.finding import UsageError
from sealkit.lock import Lock as Lock

LINKED = 1024 * 1024  # bytes from which on a shared file is linked instead of copied


def canonical(value: Any) -> str:
    """One text for one value (keys sorted, no spaces, much as RFC 8785; numbers as Python writes them): what digests are taken of.

    Raises ValueError on NaN and Infinity, which JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(value: Any) -> str:
    """A document as it is written to a file: two spaces of indent, the order of keys kept, a newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def now() -> str:
    """The time as every artifact writes it: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new and nothing between."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system lets a folder be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """fsync every file below a folder, then its folders, so that a rename of the folder may follow."""
    for base, _, names in os.walk(folder):
        for name in names:
            if not Path(base, name).is_file():
                continue  # a pipe would be waited for
            # Windows can only sync a file that is open for writing.
            descriptor = os.open(os.path.join(base, name), os.O_RDWR if os.name == "nt" else os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(base))


def append(path: Path, row: dict[str, Any]) -> None:
    """Append one JSON line in a single write."""
    line = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def torn_end(path: Path) -> tuple[int, bytes]:
    """Where the last whole line of a log ends, and what a crash left after it; (0, nothing) where there is no log."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 65536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
            file.seek(end)
            return end, file.read()
    except FileNotFoundError:
        return 0, b""


def share(source: Path, target: Path) -> None:
    """Give a file a second name or a twin: a reflink where the file system can, else a hard link for a large file, else a copy.

    Raises OSError. Twins by reflink and copies may be changed without harm to each other. A file that is hard-linked is changed in all
    its places at once, so it is made read-only first; and small ones, which people edit, are never linked.
    """
    if not source.is_file() or source.is_symlink():
        raise FileNotFoundError(errno.ENOENT, "no file", str(source))
    if _reflink(source, target):
        return
    if os.name == "posix" and source.stat().st_size >= LINKED:
        try:
            os.link(source, target)
            target.chmod(0o444)
            return
        except OSError:
            target.unlink(missing_ok=True)  # another file system, or one without links
    shutil.copyfile(source, target)


def _reflink(source: Path, target: Path) -> bool:
    """Whether the file system shares the blocks of the two (FICLONE, ioctl_ficlonerange(2))."""
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), 0x40049409, old.fileno())
        except OSError:
            pass
        else:
            return True
    target.unlink()
    return False


TAKEN = "choose another run.name or --out, or move the old run away; runs are never overwritten"


def claim(folder: Path, taken: str = TAKEN) -> None:
    """Make a folder that nobody has yet: of two who claim the same one, exactly one gets it.

    Raises UsageError when it exists (`taken` says what to do then) or cannot be made.
    """
    fix = "choose a folder you can write to with --out"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot make the run directory: {error.strerror}", fix) from error
    try:
        folder.mkdir()
    except FileExistsError:
        raise UsageError(f"{folder}: the run directory exists already", taken) from None
    except OSError as error:
        raise UsageError(f"{folder}: cannot make the run directory: {error.strerror}", fix) from error


class Reserve:
    """A few blocks kept aside, given back when a disk is full so that the run's last words still fit on it."""

    NAME, SIZE = ".reserve", 256 * 1024

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.NAME

    def take(self) -> None:
        self.path.write_bytes(b"\0" * self.SIZE)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
