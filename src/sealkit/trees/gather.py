"""Gathers what the files of a tree say, by its layout: each statement with its place, its line, and the text that stands there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError, pointer
from sealkit.redact import Redactor, redactor
from sealkit.trees.files import Found, Part, find
from sealkit.trees.layout import Says, Source, TreeLayout
from sealkit.trees.statement import LINE, called, entry, filled, found_at, key_of, quote, step_at, values
from sealkit.trees.texts import of_text

FOLDERS = ("model", "run")  # what is a folder, and no file
SAID = 100_000  # statements of one file that are taken


@dataclass
class Gathered:
    """The statements of a tree; its files by source, in the order of the layout; the model folders; and what could not be read."""

    statements: list[dict[str, Any]] = field(default_factory=list)
    files: list[tuple[Source, list[Found]]] = field(default_factory=list)
    models: dict[str, bool] = field(default_factory=dict)
    unread: list[ReadError] = field(default_factory=list)


def gather(layout: TreeLayout, root: Path, known: Mapping[str, str]) -> Gathered:
    """Everything that the files of a tree say. `known` are the names that its folder gives (`matrix`, …). Nothing is raised for a file
    that cannot be read: it is among the `unread`, and says nothing."""
    result = Gathered()
    for source in layout.sources:
        found = _found(source, layout, root, known, result.unread)
        result.files.append((source, found))
        for file in found:
            names = {**known, **file.names}
            if source.media == "model":
                pointer = file.path.rpartition("/")[2] in source.pointers or file.place.is_symlink()
                result.models[file.path] = result.models.get(file.path, False) or pointer
            try:
                # Of a copy, so that what was read of a file is kept no longer than its statements are taken.
                result.statements += _some(_statements(source, replace(file), names), file.path)
            except ReadError as error:
                result.unread.append(error)
    return result


def _found(
    source: Source, layout: TreeLayout, root: Path, known: Mapping[str, str], unread: list[ReadError]
) -> list[Found]:
    """The files of a source, each once; what could not be looked at joins the `unread`."""
    by_path: dict[str, Found] = {}
    for path in source.paths:
        found, errors = find(root, layout.pattern(path, known), folders=source.media in FOLDERS)
        unread += [error for error in errors if error not in unread]
        by_path = {**{file.path: file for file in found}, **by_path}
    return sorted(by_path.values(), key=lambda file: file.path)


def _some(statements: Iterator[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """Raises ReadError for a file that says too much."""
    found = list(itertools.islice(statements, SAID + 1))
    if len(found) > SAID:
        raise ReadError(f"says over {SAID:,} things", Location(path), "narrow the layout's patterns", malformed=False)
    return found


def _statements(source: Source, file: Found, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What one file says. A file that says nothing is read too: what cannot be read is no evidence that it is there (rankings are
    read when they are compared). Raises ReadError."""
    if source.media in ("model", "rankings"):
        for says in source.says:
            yield entry(says, called(says, names, None), filled(says.value, names), Location(file.path), {})
    elif source.media == "text":
        yield from of_text(source.says, file, names)
    else:
        for part in file.parts(source.media):
            hide = redactor([part.data], (), None)
            for says in source.says:
                yield from _document(says, file, part, names, hide)


def _document(
    says: Says, file: Found, part: Part, names: Mapping[str, str], hide: Redactor
) -> Iterator[dict[str, Any]]:
    """What one field of a document says: of each of its things, where there are several."""
    things: list[tuple[Any, list[str | int]]] = [(part.data, [])]
    if says.each:
        things = [(found.value, list(found.parts)) for found in found_at(says.each, part.data)]
    for thing, base in things:
        id = called(says, names, thing)
        if id is None:
            continue
        if not says.at:
            yield entry(says, id, filled(says.value, names), _place(file, part, base, hide), {})
        for found in (found for path in says.at for found in found_at(path, thing)):
            if not _meant(says, [*base, *found.parts]):
                continue
            for value, groups in values(says, found.value):
                said = {"key": key_of(says, found.parts, names), "step": step_at(says, thing, names), **groups}
                shown = hide.text(value) if isinstance(value, str) else value
                yield entry(says, id, shown, _place(file, part, [*base, *found.parts], hide), said)


def _meant(says: Says, names: Sequence[str | int]) -> bool:
    """Whether a value is one of those that a field speaks of, by the names on the way to it."""
    if says.but is not None and re.fullmatch(says.but, str(names[-1] if names else "")):
        return False
    if says.named is None:
        return True
    key = ".".join(map(str, names))
    return len(key) <= LINE and re.fullmatch(says.named, key) is not None


def _place(file: Found, part: Part, names: Sequence[str | int], hide: Redactor) -> Location:
    """The place of a value in a document."""
    where = pointer(*names)
    line = part.line_of(where)
    if line is None or (part.row is None and line > len(file.rows)):
        return Location(file.path, where or None, line, None, file.digest)
    row = file.rows[line - 1] if part.row is None else part.row
    column = part.columns.get(where, max(row.find(str(names[-1])), 0) if names else 0)
    return Location(file.path, where or None, line, quote(row, column, hide), file.digest)
