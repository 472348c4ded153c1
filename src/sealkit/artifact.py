"""One artifact of a run: a file that keeps a contract, read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sealkit.contract import Contract
from sealkit.finding import Finding, Location, ReadError, pointer
from sealkit.read import jsonl
from sealkit.read.source import MEBIBYTE

HELD = 16 * MEBIBYTE  # a file of rows up to this size is held in memory: several checks read it

Held = dict[tuple[Any, ...], tuple[list[Finding], bool]]  # what the system says of a file → its problems


@dataclass(frozen=True)
class Artifact:
    """One artifact: `path` is its name below the run directory, `place` where it stands. It is read when it is asked for,
    once. `contract` is the one that the file itself names; `upgrades` lead from it to the version that its reader understands.

    `held` are the problems that were found before in files of the same contract, by what the system says of each file: one that
    was not written to since is not read again for them.
    """

    path: str
    contract: Contract
    place: Path
    virtual: Any = None  # a document that is not on disk (yet)
    upgrades: tuple[Callable[[Any], Any], ...] = ()
    held: Held | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> str:
        return self.contract.kind

    @cached_property
    def _problems(self) -> tuple[list[Finding], bool]:
        if self.virtual is not None:
            found = self.contract.violations(self.virtual)
            return [Finding(v.message, Location(self.path, pointer=v.pointer)) for v in found], True
        stamp = self._stamp() if self.held is not None else None
        if self.held is None or stamp is None:
            return self.contract.problems(self.place, self.path)
        if stamp not in self.held:
            self.held[stamp] = self.contract.problems(self.place, self.path)
        return self.held[stamp]

    def _stamp(self) -> tuple[Any, ...] | None:
        """What changes when the file is written to, or another takes its place; None where there is none."""
        try:
            now = os.lstat(self.place)
        except OSError:
            return None
        return self.contract.id, self.path, now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns

    @property
    def problems(self) -> list[Finding]:
        """What keeps the file from keeping its contract."""
        return self._problems[0]

    @property
    def judged(self) -> bool:
        """Whether the file could be judged at all."""
        return self._problems[1]

    @cached_property
    def stated(self) -> Any:
        """The JSON document as it stands there. Raises ReadError."""
        return self.virtual if self.virtual is not None else self.contract.read(self.place, self.path)

    @cached_property
    def document(self) -> Any:
        """The JSON document, at the version that its reader understands. Raises ReadError."""
        document = self.stated
        for upgrade in self.upgrades:
            document = upgrade(document)
        return document

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line, row) of a JSONL artifact: a large one is streamed, another read once for all who ask. Raises ReadError."""
        try:
            small = self.place.stat().st_size <= HELD
        except OSError:
            small = False  # reading it says why
        return iter(self._rows) if small else jsonl.rows(self.place, self.path, follow=False)

    @cached_property
    def _rows(self) -> list[tuple[int, dict[str, Any]]]:
        return list(jsonl.rows(self.place, self.path, follow=False))

    def at(self, *parts: str | int, line: int | None = None) -> Location:
        """A place in this artifact: by the parts of a JSON pointer, or by line."""
        return Location(self.path, pointer=pointer(*parts) or None, line=line)

    def beside(self, name: str) -> str:
        """The name of a file in the artifact's own folder. Raises ReadError for one that would lead out of it."""
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise ReadError(f"names the file {name!r}, which is not beside it", Location(self.path))
        folder, slash, _ = self.path.rpartition("/")
        return folder + slash + name
