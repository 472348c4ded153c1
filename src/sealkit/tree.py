"""The files of a tree that a layout describes: found by pattern, read once, with the line of each value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.finding import Location, ReadError
from sealkit.read import csv, json, jsonl, text, yaml
from sealkit.read.source import DOCUMENT_LIMIT, decode, read_bytes

FOUND = 20_000  # files of one pattern that are looked at
DEPTH = 12  # folders that `**` goes down
SKIPPED = frozenset({".git", ".venv", "__pycache__", "node_modules"})


@dataclass(frozen=True)
class Part:
    """A document of a file (or a row of it): its data, and the line of each value by JSON pointer; `line` where it has one line."""

    data: Any
    lines: Mapping[str, int]
    line: int | None = None

    def line_of(self, pointer: str) -> int | None:
        """The line of a value, or of the nearest thing around it."""
        if self.line is not None:
            return self.line
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)


@dataclass(frozen=True)
class Found:
    """A file (or a model's folder) that a pattern has found, by its path below the root, with the names that it captured."""

    root: Path
    path: str
    names: Mapping[str, str]

    @property
    def place(self) -> Path:
        return self.root / self.path

    @cached_property
    def text(self) -> str:
        """Raises ReadError."""
        return decode(read_bytes(self.place, self.path, limit=DOCUMENT_LIMIT, follow=False), self.path)

    @cached_property
    def rows(self) -> list[str]:
        return [row.rstrip("\r") for row in self.text.split("\n")]

    @cached_property
    def digest(self) -> str:
        """Raises ReadError."""
        return digest.file(self.place, self.path, follow=False)

    def parts(self, media: str) -> Iterator[Part]:
        """The documents of a json, yaml, jsonl or csv file. Raises ReadError."""
        if media == "yaml":
            document = yaml.parse(self.text, self.path)
            yield Part(document.data, document.lines)
        elif media == "json":
            yield Part(json.parse(self.text, self.path), _lines(self.text))
        elif media == "jsonl":
            yield from (Part(row, {}, line) for line, row in jsonl.rows(self.place, self.path, follow=False))
        elif media == "csv":
            yield from (Part(row, {}, line) for line, row in csv.rows(self.place, self.path, follow=False))

    def lines(self) -> Iterator[tuple[int, str]]:
        """Raises ReadError."""
        return text.lines(self.place, self.path, follow=False)


def _lines(document: str) -> dict[str, int]:
    """The line of every value of a JSON text, in one pass."""
    found: dict[str, int] = {}
    line, seen = 1, 0
    for node in json.walk(document):
        line, seen = line + document.count("\n", seen, node.offset), node.offset
        found[node.pointer] = line
    return found


def find(
    root: Path, pattern: Sequence[re.Pattern[str] | None], folders: bool = False
) -> tuple[list[Found], list[ReadError]]:
    """Everything below a root that a pattern (one expression a part, None for any number of folders) finds, sorted by path, and what
    could not be looked at. Links to folders are not followed, but for the last part where `folders` are asked for.
    """
    found: list[Found] = []
    unread: list[ReadError] = []
    for path, names in _match(root, "", list(pattern), {}, folders, unread):
        if len(found) == FOUND:
            message = f"holds over {FOUND:,} such files"
            unread.append(ReadError(message, Location(path), "name a smaller tree", malformed=False))
            break
        found.append(Found(root, path, names))
    return sorted(found, key=lambda one: one.path), unread


def _match(
    root: Path,
    base: str,
    pattern: list[re.Pattern[str] | None],
    names: dict[str, str],
    folders: bool,
    unread: list[ReadError],
) -> Iterator[tuple[str, dict[str, str]]]:
    head, *rest = pattern
    if head is None and rest:
        yield from _match(root, base, rest, names, folders, unread)
        if base.count("/") > DEPTH:
            return
    try:
        with os.scandir(root / base) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        unread.append(ReadError(f"cannot be looked into: {error.strerror}", Location(base or "."), malformed=False))
        return
    for entry in listed:
        path = f"{base}{entry.name}"
        is_folder = entry.is_dir(follow_symlinks=False)
        if head is None:
            if is_folder and rest and entry.name not in SKIPPED:
                yield from _match(root, f"{path}/", pattern, names, folders, unread)
            continue
        match = head.fullmatch(entry.name)
        if not match or any(names.get(name, value) != value for name, value in match.groupdict().items()):
            continue
        known = {**names, **match.groupdict(), "path": path}
        if rest:
            if is_folder:
                yield from _match(root, f"{path}/", rest, known, folders, unread)
        elif entry.is_dir(follow_symlinks=True) == folders:
            yield path, known
