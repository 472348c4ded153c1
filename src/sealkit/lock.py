"""Locks with an owner: of two who start on one folder, one gets it, and the other is told who has it."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import platform
import stat
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sealkit.finding import UsageError

LEASE, RENEWED = 600, 60  # seconds: how long a lock counts that nobody renews, and how often its owner renews it
LIMIT = 4096  # bytes of an owner's record that are read
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would be waited for


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. A process id alone means little: containers share none, and systems use them again.

    `boot` is the kernel's boot id and `process` the start of the process in its clock ticks, where the system tells.
    """

    pid: int
    host: str
    boot: str | None
    process: str | None
    since: str
    lease_seconds: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class Lock:
    """A lock on a folder, held in `.<folder>.lock` beside it, so that it is there before the folder and never inside.

    The kernel frees it when its owner dies (`flock`). What the kernel cannot tell (another machine, a file system
    without locks) the owner's record tells: one of an earlier boot or of a process that is gone is stale at once, and one of another
    host when it was not renewed for LEASE seconds. A stale lock is taken over, and `took_over` says from whom.

    Entering waits up to `timeout` seconds, and raises UsageError where the lock is held or cannot be made.
    """

    def __init__(self, folder: Path, timeout: float = 0) -> None:
        self.folder, self.timeout = folder, timeout
        resolved = folder.resolve()
        self.path = resolved.with_name(f".{resolved.name}.lock")
        self.took_over: Owner | None = None
        self._descriptor = -1
        self._released = threading.Event()

    def __enter__(self) -> Lock:
        deadline = time.monotonic() + self.timeout
        while held := self._take():
            if time.monotonic() >= deadline:
                fix = "wait for it (--lock-timeout SECONDS), or choose another run.name"
                raise UsageError(f"{self.folder}: a run goes on there: {held}", fix)
            time.sleep(0.1)
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        if os.name == "nt":  # which deletes no open file
            os.close(self._descriptor)
        # Unlinked while it is held: whoever waits for this file sees that it is no longer the one under that name.
        self.path.unlink(missing_ok=True)
        if os.name != "nt":
            os.close(self._descriptor)

    def holder(self) -> str | None:
        """Who holds the lock now, in words, without taking it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _CAREFUL)
        except OSError:
            return None
        try:
            return _held(descriptor)[0]
        finally:
            os.close(descriptor)

    def _take(self) -> str | None:
        """None when the lock is ours; else who holds it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _CAREFUL, 0o644)
        except OSError as error:
            message = f"{self.folder}: cannot make the run directory: {error.strerror}"
            raise UsageError(message, "choose a folder you can write to with --out") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UsageError(f"{self.path}: is in the way of the lock, and no file", "move it away")
        held: str | None = "another, which is just letting go of it"
        try:
            held, self.took_over = _held(descriptor) if _is(descriptor, self.path) else (held, None)
            if held is None:
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, json.dumps(asdict(_myself())).encode())
                self._descriptor = descriptor
        finally:
            if held is not None:
                os.close(descriptor)
        return held

    def _renew(self) -> None:
        while not self._released.wait(RENEWED):
            with contextlib.suppress(OSError):
                os.utime(self.path)


def _held(descriptor: int) -> tuple[str | None, Owner | None]:
    """(who holds the lock, None) or (None, the dead owner of a stale one)."""
    kernel = _flock(descriptor)
    owner = _read(descriptor)
    if kernel is False:
        return str(owner or "a process that left no name"), None
    if owner is None:
        return None, None
    here = _myself()
    renewed = time.time() - os.fstat(descriptor).st_mtime < owner.lease_seconds
    if owner.boot is not None and owner.boot == here.boot:
        # One kernel: when it keeps locks, it gave us this one, and whoever had it is dead in whatever container.
        alive = kernel is None and owner.process == _started(owner.pid)
    elif owner.host == here.host:
        alive = owner.boot is None and kernel is None and renewed
    else:
        alive = renewed
    return (str(owner), None) if alive else (None, owner)


def _flock(descriptor: int) -> bool | None:
    """Whether the kernel gave us the lock; None where it keeps none on this file system."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _is(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one under its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _read(descriptor: int) -> Owner | None:
    """The owner's record, None where it is torn: then whoever wrote it did not come to hold the lock."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        os.lseek(descriptor, 0, os.SEEK_SET)
        owner = Owner(**json.loads(os.read(descriptor, LIMIT)))
    except (ValueError, TypeError, OSError, RecursionError):
        return None
    return owner if isinstance(owner.pid, int) and isinstance(owner.lease_seconds, int) else None


def _myself() -> Owner:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = None
    since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Owner(os.getpid(), platform.node(), boot, _started(os.getpid()), since, LEASE)


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (proc(5), field 22), where there is such a process and a /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
