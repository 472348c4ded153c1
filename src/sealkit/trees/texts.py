"""What the lines of a text say: patterns are tried on each, and a place may go on through the next ones."""

from __future__ import annotations

import functools
import itertools
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealkit.finding import Location
from sealkit.redact import Redactor, mask
from sealkit.trees.files import Found
from sealkit.trees.layout import Says, fill
from sealkit.trees.statement import LINE, called, entry, filled, quote, values, whole

RANGE = 20  # lines that a place may go on


def of_text(all_says: Sequence[Says], file: Found, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What the lines of a text say, streamed. A place that goes on through several lines is told once."""
    for says in all_says:
        if not says.line:
            yield entry(says, called(says, names, None), filled(says.value, names), Location(file.path), {})
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
            for value, more in values(says, groups.get("value") if says.value is None else says.value):
                fields = {"key": groups.get("key"), "step": whole(groups.get("step")), **more}
                yield entry(says, called(says, {**names, **groups}, None), value, at, fields)


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


def _place(file: Found, line: int, rows: Sequence[str], column: int, end: int | None) -> Location:
    """A place in a text."""
    hide = Redactor()
    quotes = [quote(row, 0 if i else column, hide) for i, row in enumerate(rows)]
    return Location(file.path, None, line, "\n".join(quotes), file.digest, end)
