"""Gathers what the files of a tree say, by its layout: each statement with its place, its line, and the text that stands there."""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError, pointer
from sealkit.redact import Redactor, mask, redactor
from sealkit.trees.files import Found, Part, find
from sealkit.trees.layout import Says, Source, TreeLayout, fill

FOLDERS = ("model", "run")  # what is a folder, and no file
QUOTE = 200  # characters of a line that are quoted
LINE = 1_000  # characters of a line that a pattern is tried on
RANGE = 20  # lines that a place may go on
NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
DIGITS = 400  # characters of a number: more are no measurement
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
            yield _entry(says, _id(says, names, None), _filled(says.value, names), Location(file.path), {})
    elif source.media == "text":
        yield from _text(source.says, file, names)
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
        things = [(found.value, list(found.parts)) for found in _all(says.each, part.data)]
    for thing, base in things:
        id = _id(says, names, thing)
        if id is None:
            continue
        if not says.at:
            yield _entry(says, id, _filled(says.value, names), _place_in(file, part, base, hide), {})
        for found in (found for path in says.at for found in _all(path, thing)):
            if not _meant(says, [*base, *found.parts]):
                continue
            for value, groups in _values(says, found.value):
                said = {"key": _key(says, found.parts, names), "step": _step(says, thing, names), **groups}
                shown = hide.text(value) if isinstance(value, str) else value
                yield _entry(says, id, shown, _place_in(file, part, [*base, *found.parts], hide), said)


def _meant(says: Says, names: Sequence[str | int]) -> bool:
    """Whether a value is one of those that a field speaks of, by the names on the way to it."""
    if says.but is not None and re.fullmatch(says.but, str(names[-1] if names else "")):
        return False
    if says.named is None:
        return True
    key = ".".join(map(str, names))
    return len(key) <= LINE and re.fullmatch(says.named, key) is not None


def _all(path: str, thing: Any) -> Iterator[Any]:
    """What a JSONPath finds in a value; in a text or a number nothing."""
    yield from _compiled(path).finditer(thing) if isinstance(thing, dict | list) else ()


@functools.cache
def _compiled(path: str) -> Any:
    import jsonpath

    return jsonpath.compile(path)


def _text(all_says: Sequence[Says], file: Found, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What the lines of a text say, streamed. A place that goes on through several lines is told once."""
    for says in all_says:
        if not says.line:
            yield _entry(says, _id(says, names, None), _filled(says.value, names), Location(file.path), {})
    wanted = [says for says in all_says if says.line]
    done = [0] * len(wanted)
    for window in _windows(file.shown()):
        number, row = window[0]
        for i, says in enumerate(wanted):
            match = None if number <= done[i] else _search(says.line, row, says.but)
            if match is None:
                continue
            held = {name: value for name, value in match.groupdict().items() if value is not None}
            end = _end(says, held, window)
            if says.then and end is None:
                continue
            groups = {name: mask(value) for name, value in held.items()}
            done[i] = end or number
            at = _place(
                file,
                number,
                [match.string, *(after for n, after in window if number < n <= done[i])],
                match.start("value" if "value" in groups else 0),
                end,
            )
            for value, more in _values(says, groups.get("value") if says.value is None else says.value):
                fields = {"key": groups.get("key"), "step": _whole(groups.get("step")), **more}
                yield _entry(says, _id(says, {**names, **groups}, None), value, at, fields)


def _windows(lines: Iterator[tuple[int, str]]) -> Iterator[deque[tuple[int, str]]]:
    """Each line with the next ones."""
    window: deque[tuple[int, str]] = deque()
    for line in lines:
        window.append(line)
        if len(window) > RANGE:
            yield window
            window.popleft()
    while window:
        yield window
        window.popleft()


def _search(patterns: Sequence[str], row: str, but: str | None = None) -> re.Match[str] | None:
    """A match in a line, or in what a progress bar wrote over: each part of it, and of that no more than its first characters, so that
    no line, however it is made, keeps a pattern busy."""
    parts = [part[:LINE] for part in row.split("\r")]
    told = (found for pattern in patterns for part in parts if (found := _expression(pattern).search(part)))
    return next((found for found in told if but is None or not _expression(but).search(found.string)), None)


@functools.lru_cache(512)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _end(says: Says, held: Mapping[str, str], window: Sequence[tuple[int, str]]) -> int | None:
    """The last line of a place that goes on to another line soon after."""
    pattern = says.through or fill(says.then or "", {name: re.escape(value) for name, value in held.items()})
    if not pattern:
        return None
    after = itertools.islice(window, 1, None)
    return max((number for number, row in after if _search([pattern], row)), default=None)


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
    if isinstance(value, str):
        text = value.strip()
        if not NUMBER.fullmatch(text) or len(text) > DIGITS:
            return None
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
    return value if math.isfinite(value) else None


def _id(says: Says, names: Mapping[str, str], thing: Any) -> str | None:
    """What a thing is called: the first of its names that is there, of a path the last part."""
    for template in says.id:
        if template.startswith("$"):
            found = next((m.value for m in _all(template, thing) if isinstance(m.value, str | int)), None)
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
    for template in says.step:
        if template.startswith("$"):
            found = [match.value for match in _all(template, thing) if not isinstance(match.value, dict | list)]
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


def _place_in(file: Found, part: Part, names: Sequence[str | int], hide: Redactor) -> Location:
    """The place of a value in a document."""
    where = pointer(*names)
    line = part.line_of(where)
    if line is None or (part.row is None and line > len(file.rows)):
        return Location(file.path, where or None, line, None, file.digest)
    row = file.rows[line - 1] if part.row is None else part.row
    column = part.columns.get(where, max(row.find(str(names[-1])), 0) if names else 0)
    return Location(file.path, where or None, line, _quote(row, column, hide), file.digest)


def _place(file: Found, line: int, rows: Sequence[str], column: int, end: int | None) -> Location:
    """A place in a text."""
    hide = Redactor()
    quote = [_quote(row, 0 if i else column, hide) for i, row in enumerate(rows)]
    return Location(file.path, None, line, "\n".join(quote), file.digest, end)


def _quote(row: str, column: int, hide: Redactor) -> str:
    """What a line holds around a column, without its secrets."""
    first = max(0, column - LINE)
    near = row[first : column + LINE]
    shown = hide.text(near)
    if len(shown.strip()) <= QUOTE and len(near) == len(row):
        return shown.strip()
    at = len(hide.text(near[: column - first]))
    begin = max(0, min(at - QUOTE // 4, len(shown) - QUOTE + 2))
    before, after = first + begin > 0, begin + QUOTE - 2 < len(shown) or column + LINE < len(row)
    return "…" * before + shown[begin : begin + QUOTE - 2].strip() + "…" * after
