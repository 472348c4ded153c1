"""The files of a tree that a layout describes: found by pattern, read once, with the line of each value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.finding import Location, ReadError
from sealkit.read import csv, json, text, yaml
from sealkit.read.source import DOCUMENT_LIMIT, decode, read_bytes

FOUND = 20_000  # files of one pattern that are looked at
DEPTH = 12  # folders that `**` goes down
ESCAPED = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
)  # ECMA-48: CSI, OSC, one letter
SKIPPED = frozenset({".git", ".ipynb_checkpoints", ".venv", "__pycache__", "node_modules"})


@dataclass(frozen=True)
class Part:
    """A document of a file (or a row of it): its data, and the line of each value by JSON pointer; `line` where it has one line, and
    `row` the text of that. `columns` say how far into its line a value begins, where that is known."""

    data: Any
    lines: Mapping[str, int]
    line: int | None = None
    row: str | None = None
    columns: Mapping[str, int] = field(default_factory=dict)

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
            document = yaml.parse(self.text, self.path, aliases=True)
            yield Part(document.data, document.lines)
        elif media == "json":
            yield _part(self.text, self.path)
        elif media == "jsonl":
            for line, row in self.lines():
                yield Part(json.parse(row, self.path, line), {}, line, row)
        elif media == "csv":
            yield from (Part(row, {}, line) for line, row in csv.rows(self.place, self.path, follow=False))

    def lines(self) -> Iterator[tuple[int, str]]:
        """(number, text) of each line, streamed. Raises ReadError."""
        return text.lines(self.place, self.path, follow=False)

    def shown(self) -> Iterator[tuple[int, str]]:
        """(number, text) of each line as a terminal shows it: without the codes of its colours, and with U+FFFD in the place of bytes
        that are not UTF-8. Streamed. Raises ReadError."""
        for number, row in text.lines(self.place, self.path, follow=False, errors="replace"):
            yield number, ESCAPED.sub("", row) if "\x1b" in row else row


def _part(document: str, path: str) -> Part:
    """A JSON text, with the place of every value, in one pass."""
    data = json.parse(document, path)
    lines: dict[str, int] = {}
    columns: dict[str, int] = {}
    line, begin = 1, 0
    for node in json.walk(document):
        passed = document.count("\n", begin, node.offset)
        if passed:
            line, begin = line + passed, document.rindex("\n", begin, node.offset) + 1
        lines[node.pointer], columns[node.pointer] = line, node.offset - begin
    return Part(data, lines, columns=columns)


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
    if head is None:
        yield from _match(root, base, rest, names, folders, unread)
        if base.count("/") > DEPTH:
            return
    for entry in _listed(root, base, unread):
        path = f"{base}{entry.name}"
        is_folder = entry.is_dir(follow_symlinks=False)
        if head is None:
            if is_folder and entry.name not in SKIPPED:
                yield from _match(root, f"{path}/", pattern, names, folders, unread)
            continue
        match = head.fullmatch(entry.name)
        if not match or any(names.get(name, value) != value for name, value in match.groupdict().items()):
            continue
        known = {**names, **match.groupdict(), "path": path}
        if rest:
            if is_folder:
                yield from _match(root, f"{path}/", rest, known, folders, unread)
        elif (is_folder or _leads_to_folder(entry)) == folders:
            yield path, known


def _listed(root: Path, base: str, unread: list[ReadError]) -> list[os.DirEntry[str]]:
    """What a folder holds, by name; what cannot be told is among the `unread`."""
    try:
        with os.scandir(root / base) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        unread.append(ReadError(f"cannot be looked into: {error.strerror}", Location(base or "."), malformed=False))
        return []
    for name in (entry.name for entry in listed if not _is_text(entry.name)):
        shown = base + name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        unread.append(ReadError("has a name that is not UTF-8", Location(shown), "rename it", malformed=False))
    return [entry for entry in listed if _is_text(entry.name)]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=True)
    except OSError:  # a link that leads to itself
        return False
