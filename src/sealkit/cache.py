"""What stages wrote, kept by their keys for the other runs of a workspace. A hit counts once its content was hashed again.

An entry is the folder `<uses>/<64 hex digits of the key>`: `record.json` and, in `files/`, what the stage wrote. It gets that
name when it is whole, and nothing in it is written again.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sealkit import digest, key, write
from sealkit.finding import SealkitError, UsageError
from sealkit.lock import Lock
from sealkit.read import json

PLACE = (".sealkit", "cache")
RECORD, FILES = "record.json", "files"
_OURS = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]+\.tmp")  # what an entry is called, whole or half-written
ABANDONED = 86400  # seconds after which a half-written entry belongs to nobody


class Record(BaseModel):
    """What is kept of a stage beside its files; `outputs` holds what the stages after it are handed: [digest, tree]."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    uses: str
    key_fields: dict[str, Any]
    run_id: str
    finished: str
    seconds: float
    outputs: dict[str, list[str | None]]
    files: dict[str, str]
    facts: dict[str, Any]
    counters: dict[str, int]
    metrics: dict[str, float]
    device: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A record and where it lies."""

    path: Path
    record: Record

    @property
    def size(self) -> int:
        """Bytes of its files; those that are linked with a run's take no room of their own."""
        return sum(file.lstat().st_size for file in (self.path / FILES).rglob("*") if file.is_file())

    @property
    def used(self) -> float:
        """When it was last asked for, in seconds since the epoch."""
        return (self.path / RECORD).stat().st_mtime


class Cache:
    """The stage cache of a workspace. Its failures cost time and never a run."""

    def __init__(self, workspace: Path) -> None:
        self.root = workspace.joinpath(*PLACE)

    def find(self, uses: str, stage_key: str) -> Entry | None:
        """The entry of a key, its record verified and its files not yet. Raises SealkitError where it is broken."""
        path = self._place(uses, stage_key)
        if not path.is_dir():
            return None
        document = json.read(path / RECORD, f"cache entry {path.name[:12]}")
        try:
            record = Record.model_validate(document["record"])
            whole = document["digest"] == digest.of_value(document["record"])
        except (ValidationError, KeyError, TypeError) as error:
            raise SealkitError(f"its record is none: {error}") from error
        inside = all(_inside(name) for name in record.files)
        if not whole or not inside or record.uses != uses or key.of(record.key_fields) != stage_key:
            raise SealkitError("its record was changed")
        return Entry(path, record)

    def fetch(self, uses: str, stage_key: str, target: Path) -> Record | None:
        """Put the files of an entry into an empty folder and hash them there; None where there is no such entry.

        Raises SealkitError, that says it, where an entry is not what was stored (it is dropped then) or cannot be read; the
        folder may hold rests then. A disk that is full is an OSError.
        """
        try:
            entry = self.find(uses, stage_key)
            if entry is None:
                return None
            for name in entry.record.files:
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                write.share(entry.path / FILES / name, place)
            found = digest.files(target, digest.walk(target))
            for name in sorted({*found, *entry.record.files}):
                if found.get(name) != entry.record.files.get(name):
                    raise SealkitError(f"{name} is not what was stored")
        except (SealkitError, FileNotFoundError) as error:
            self.drop(self._place(uses, stage_key))
            raise SealkitError(f"dropped a broken entry of the cache: {error}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SealkitError(f"the cache cannot be read: {error}") from error
        with contextlib.suppress(OSError):
            os.utime(entry.path / RECORD)
        return entry.record

    @contextlib.contextmanager
    def alone(self, uses: str, stage_key: str, wait: Callable[[str], None]) -> Iterator[None]:
        """While a stage of that key is looked up, worked on and kept: of several runs that need it one goes on, and the others
        wait for what it comes to. `wait` is told once who has it. Where no lock can be made, nobody waits.
        """
        lock = Lock(self._place(uses, stage_key), timeout=math.inf)
        with contextlib.ExitStack() as held:
            with contextlib.suppress(UsageError, OSError):
                self._begin()
                if holder := lock.holder():
                    wait(holder)
                held.enter_context(lock)
            yield

    def store(self, record: Record, source: Path) -> None:
        """Keep what a stage wrote to a folder, unless an entry of that key is there. Raises OSError."""
        path = self._place(record.uses, key.of(record.key_fields))
        if path.exists():
            return
        self._begin()
        partial = path.with_name(f".{secrets.token_hex(8)}.tmp")
        document = record.model_dump(mode="json")
        try:
            (partial / FILES).mkdir(parents=True)
            for name in record.files:
                place = partial / FILES / name
                place.parent.mkdir(parents=True, exist_ok=True)
                write.share(source / name, place)
            write.atomic(partial / RECORD, write.dumps({"record": document, "digest": digest.of_value(document)}))
            write.sync_tree(partial)
            os.rename(partial, path)
        except OSError:
            if not path.exists():  # another run kept the same in the meantime
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def entries(self, uses: str = "*") -> Iterator[Entry]:
        """Every whole entry, or those of one kind of stage, by name."""
        for path in sorted(self.root.glob(f"{uses}/[0-9a-f]*")):
            try:
                entry = self.find(path.parent.name, digest.PREFIX + path.name)
            except (SealkitError, OSError):
                continue  # it is dropped when it is asked for, or pruned
            if entry:
                yield entry

    def prune(self, older_than: float | None = None, max_size: int | None = None) -> list[Entry]:
        """Drop what was not used for `older_than` seconds, then the longest unused until `max_size` bytes are left.

        Returns what was dropped. Half-written entries of long ago and broken ones go too.
        """
        kept = sorted(self.entries(), key=lambda entry: (entry.used, entry.path.name))
        for path in self.root.glob("*/*"):
            if path.parent.is_symlink() or not _OURS.fullmatch(path.name):
                continue  # what lies there was not put there by us
            broken = not path.name.startswith(".") and path not in {entry.path for entry in kept}
            if broken or (path.name.startswith(".") and time.time() - path.lstat().st_mtime > ABANDONED):
                self.drop(path)
        total, dropped, now = sum(entry.size for entry in kept), [], time.time()
        for entry in kept:
            old = older_than is not None and now - entry.used > older_than
            if old or (max_size is not None and total > max_size):
                total -= entry.size
                dropped.append(entry)
        for entry in dropped:
            self.drop(entry.path)
        return dropped

    def drop(self, path: Path) -> None:
        """Remove an entry: first its name, so that nobody finds half of it."""
        aside = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            os.rename(path, aside)
        except OSError:
            return  # somebody else did
        shutil.rmtree(aside, ignore_errors=True)

    def _place(self, uses: str, stage_key: str) -> Path:
        return self.root / uses / stage_key.removeprefix(digest.PREFIX)

    def _begin(self) -> None:
        """The folder, marked as one that neither git nor a backup needs."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name, text in ((".gitignore", "*\n"), ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")):
            if not (self.root.parent / name).exists():
                write.atomic(self.root.parent / name, text)


def _inside(name: str) -> bool:
    """Whether a recorded name can be one of a file in an entry."""
    return ".." not in name.split("/") and not name.startswith("/") and "\0" not in name
