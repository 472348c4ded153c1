"""Gathers what the files of a tree say, by its layout: each statement with its place, its line, and the text that stands there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError, pointer
from sealkit.redact import mask
from sealkit.tree import Found, Part, find
from sealkit.tree_layout import Says, Source, TreeLayout, fill

FOLDERS = ("model", "run")  # what is a folder, and no file
QUOTE = 200  # characters of a line that are quoted
RANGE = 20  # lines that a place may have


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
        found, unread = find(root, layout.pattern(source.path, known), folders=source.media in FOLDERS)
        result.unread += unread
        result.files.append((source, found))
        for file in found:
            names = {**known, **file.names}
            if source.media == "model":
                pointer = file.path.rpartition("/")[2] in source.pointers or file.place.is_symlink()
                result.models[file.path] = result.models.get(file.path, False) or pointer
            try:
                result.statements += _statements(source, file, names)
            except ReadError as error:
                result.unread.append(error)
    return result


def _statements(source: Source, file: Found, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What one file says. Raises ReadError."""
    if not source.says:
        return
    if source.media == "model":
        for says in source.says:
            yield _entry(says, _id(says, names, None), _filled(says.value, names), Location(file.path), {})
    elif source.media in ("text", "rankings"):
        yield from _text(source.says, file, names)
    else:
        parts = list(file.parts(source.media))
        for says in source.says:
            for part in parts:
                yield from _document(says, file, part, names)


def _document(says: Says, file: Found, part: Part, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What one field of a document says: of each of its things, where there are several."""
    import jsonpath

    things = (
        [(m.value, list(m.parts)) for m in jsonpath.finditer(says.each, part.data)] if says.each else [(part.data, [])]
    )
    for thing, base in things:
        id = _id(says, names, thing)
        if id is None:
            continue
        if not says.at:
            at = _place(file, part.line_of(pointer(*base)), pointer(*base))
            yield _entry(says, id, _filled(says.value, names), at, {})
        for path in says.at:
            for match in jsonpath.finditer(path, thing):
                for value, groups in _values(says, match.value):
                    said = {"key": _key(says, match.parts, names), "step": _step(says, thing, names), **groups}
                    if says.but is None or not re.fullmatch(says.but, str(match.parts[-1])):
                        where = pointer(*base, *match.parts)
                        yield _entry(says, id, value, _place(file, part.line_of(where), where), said)


def _text(all_says: Sequence[Says], file: Found, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What the lines of a text say. A place that goes on through several lines is told once."""
    rows = file.rows
    for says in all_says:
        if not says.line:
            yield _entry(says, _id(says, names, None), _filled(says.value, names), Location(file.path), {})
            continue
        patterns, done = [re.compile(pattern) for pattern in says.line], 0
        for number, row in enumerate(rows, 1):
            match = next((found for pattern in patterns if (found := pattern.search(row))), None)
            if match is None or number <= done:
                continue
            groups = {name: value for name, value in match.groupdict().items() if value is not None}
            said = groups.get("value") if says.value is None else says.value
            end = _end(says, rows, number)
            done = end or number
            for value, more in _values(says, said):
                fields = {"key": groups.get("key"), "step": _whole(groups.get("step")), **more}
                yield _entry(says, _id(says, {**names, **groups}, None), value, _place(file, number, None, end), fields)


def _end(says: Says, rows: Sequence[str], first: int) -> int | None:
    """The last line of a place that goes on `through` another line soon after."""
    if says.through is None:
        return None
    pattern = re.compile(says.through)
    after = enumerate(rows[first : first + RANGE], first + 1)
    return max((number for number, row in after if pattern.search(row)), default=None)


def _values(says: Says, value: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A value as the field wants it, and what else its text holds; nothing where it is not of that sort."""
    if isinstance(value, dict | list):
        return
    more: dict[str, Any] = {}
    if says.match is not None:
        match = None if value is None else re.fullmatch(says.match, str(value))
        if match is None:
            return
        groups = match.groupdict()
        value, more = groups.pop("value", value), {name: held for name, held in groups.items() if held is not None}
    if says.number:
        number = _number(value)
        if number is not None:
            yield number, more
    else:
        yield value.strip() if isinstance(value, str) else value, more


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    try:
        return int(value)
    except ValueError:
        pass
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _id(says: Says, names: Mapping[str, str], thing: Any) -> str | None:
    """What a thing is called: the first of its names that is there, of a path the last part."""
    for template in says.id:
        if template.startswith("$"):
            import jsonpath

            found = next((m.value for m in jsonpath.finditer(template, thing) if isinstance(m.value, str | int)), None)
            if found not in (None, ""):
                return str(found).replace("\\", "/").rstrip("/").rpartition("/")[2]
        elif "{" not in (filled := fill(template, names)):
            return filled
    return None


def _key(says: Says, parts: Sequence[str | int], names: Mapping[str, str]) -> str | None:
    if isinstance(says.key, str):
        return fill(says.key, names)
    if says.key is None:
        return None
    return str(says.key["join"]).join(str(part) for part in parts[says.key.get("from", 0) : says.key.get("to")])


def _step(says: Says, thing: Any, names: Mapping[str, str]) -> int | None:
    """The step of a value: the first that is there, and a count of steps; evaluations at the end of an epoch are numbered -1."""
    import jsonpath

    for template in says.step:
        if template.startswith("$"):
            found = [match.value for match in jsonpath.finditer(template, thing)]
        else:
            found = [fill(template, names)]
        for value in found:
            if (step := _whole(value)) is not None:
                return step
    return None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    return fill(value, names) if isinstance(value, str) else value


def _entry(says: Says, id: str | None, value: Any, at: Location, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "of": says.of,
        "id": id or at.path,
        "what": says.what,
        "by": says.by,
        "key": said.get("key"),
        "value": value,
        "step": said.get("step"),
        "instead": says.instead,
        "at": place(at),
    }


def place(at: Location) -> dict[str, Any]:
    """A location as `evidence/v1` keeps it."""
    return {
        "path": at.path,
        "line": at.line,
        "end": at.end,
        "pointer": at.pointer,
        "quote": at.quote,
        "digest": at.digest,
    }


def _place(file: Found, line: int | None, where: str | None, end: int | None = None) -> Location:
    """A place with the text that stands there, without its secrets."""
    quote = None
    if line is not None and line <= len(file.rows):
        shown = [mask(row.strip()) for row in file.rows[line - 1 : end or line]]
        quote = "\n".join(row if len(row) <= QUOTE else row[: QUOTE - 1] + "…" for row in shown)
    return Location(file.path, where or None, line, quote, file.digest, end)
