"""One statement: what a field of a layout makes of a value that it finds, whose it is, and the text that stands at its place."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealkit.finding import Location
from sealkit.redact import Redactor
from sealkit.trees.layout import Says, fill

QUOTE = 200  # characters of a line that are quoted
LINE = 1_000  # characters of a line that a pattern is tried on
NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
DIGITS = 400  # characters of a number: more are no measurement


def values(says: Says, value: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
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


def called(says: Says, names: Mapping[str, str], thing: Any) -> str | None:
    """What a thing is called: the first of its names that is there, of a path the last part."""
    for template in says.id:
        if template.startswith("$"):
            found = next((m.value for m in found_at(template, thing) if isinstance(m.value, str | int)), None)
            if found not in (None, ""):
                return str(found).replace("\\", "/").rstrip("/").rpartition("/")[2]
        elif "{" not in (filled := fill(template, names)):
            return filled
    return None


def key_of(says: Says, parts: Sequence[str | int], names: Mapping[str, str]) -> str | None:
    if isinstance(says.key, str):
        return fill(says.key, names)
    if says.key is None:
        return None
    return str(says.key["join"]).join(str(part) for part in parts[says.key.get("from", 0) : says.key.get("to")])


def step_at(says: Says, thing: Any, names: Mapping[str, str]) -> int | None:
    """The step of a value: the first that is there, and a count of steps; evaluations at the end of an epoch are numbered -1."""
    for template in says.step:
        if template.startswith("$"):
            found = [match.value for match in found_at(template, thing) if not isinstance(match.value, dict | list)]
        else:
            found = [fill(template, names)]
        for value in found:
            if (step := whole(value)) is not None:
                return step
    return None


def whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def filled(value: Any, names: Mapping[str, str]) -> Any:
    return fill(value, names) if isinstance(value, str) else value


def entry(says: Says, id: str | None, value: Any, at: Location, said: Mapping[str, Any]) -> dict[str, Any]:
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


def found_at(path: str, thing: Any) -> Iterator[Any]:
    """What a JSONPath finds in a value; in a text or a number nothing."""
    yield from _compiled(path).finditer(thing) if isinstance(thing, dict | list) else ()


@functools.cache
def _compiled(path: str) -> Any:
    import jsonpath

    return jsonpath.compile(path)


def quote(row: str, column: int, hide: Redactor) -> str:
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
