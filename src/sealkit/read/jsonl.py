"""JSON Lines: one object a line, streamed.

What a row may be is said by the strict parser of `sealkit.read.json`, and by it alone. Most rows need not go through
it: orjson reads them, and counts prove that it let nothing pass that the strict parser would refuse or read otherwise
(a key twice, an integer beyond 64 bits, deep nesting). Where they prove nothing, the strict parser reads the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from sealkit.finding import Location, ReadError
from sealkit.read import text
from sealkit.read.json import parse

_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 19  # fewer digits always fit into 64 bits; what does not, orjson turns into a float
_VERY_LONG = b"0" * 300  # the strict parser looks at such numbers more closely
_BOUND = 2.0**63  # an integer that does not fit into 64 bits is no smaller as a float
# A colon that ends a key stands behind its quote, or behind white space; most colons in texts do not.
_BEHIND_A_KEY = (b'":', b" :", b"\t:", b"\r:")
_NOT_JSON = "is not JSON: "


def rows(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) for each line. Raises ReadError as `blocks` does."""
    for first, found in blocks(path, name, follow=follow):
        yield from enumerate(found, first)


def blocks(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(line number of the first, the objects of some lines that follow each other) until all lines are read.

    Raises ReadError on a line that is blank, no JSON or no object, after the rows before it; a last line that was cut
    off is such a line, and is called by its name.
    """
    name = name or str(path)
    pending: ReadError | None = None
    try:
        for first, block in text.blocks(path, name, follow=follow):
            if pending:
                raise pending
            plain = _plain_rows(block)
            if plain is not None:
                yield first, plain
                continue
            lines = block.split(b"\n")
            found, pending = _until_refused(lines, name, first)
            yield first, found
            # Whether a line that is no JSON is the last one is known only when no other follows.
            if pending and (len(found) + 1 < len(lines) or not pending.message.startswith(_NOT_JSON)):
                raise pending
    except ReadError as error:
        raise pending or error from None
    if pending:
        raise ReadError(
            f"the last line is torn or no JSON ({pending.message.removeprefix(_NOT_JSON)})",
            pending.at,
            "the writer was cut off: run the stage again, or remove the line if the file is otherwise complete",
        )


def _until_refused(lines: Sequence[bytes], name: str, first: int) -> tuple[list[dict[str, Any]], ReadError | None]:
    """The rows of lines, up to the first that is none, and what is wrong with that one."""
    found: list[dict[str, Any]] = []
    for number, raw in enumerate(lines, first):
        row = _plain_row(raw)
        try:
            found.append(_strict_row(raw, name, number) if row is None else row)
        except ReadError as error:
            return found, error
    return found, None


def _strict_row(raw: bytes, name: str, number: int) -> dict[str, Any]:
    line = text.line(raw, name, number)
    if not line.strip():
        raise ReadError("is blank; expected an object on each line", Location(name, line=number), "remove the line")
    row = parse(line, name, number)
    if not isinstance(row, dict):
        raise ReadError(f"expected an object on each line, found {line[:40]!r}", Location(name, line=number))
    return row


def _plain_rows(block: bytes) -> list[dict[str, Any]] | None:
    """The rows of many lines at once, where they are what the strict parser would read; None where that is not sure.

    The lines are read as one array, which is faster. Each is an object of its own: it begins with the only brace that it
    opens, and ends with one that closes; and no text goes over the end of a line, since the newlines stay where they are.
    A row has no more keys than members in its line, and those are no more than the colons that can stand behind a key: where
    these are as many as all keys, no key stands twice. With one brace a line and no bracket, nothing is nested. Where there are no more runs of
    many digits than such that follow a point, no integer has so many.
    """
    block = block.replace(b"\r\n", b"\n")
    ends = block.count(b"}\n{")
    if not block.startswith(b"{") or block.count(b"{") != ends + 1 or block.count(b"\n") != ends or b"[" in block:
        return None
    digits = block.translate(_AS_ZEROS)
    if digits.count(_LONG) != digits.count(b"." + _LONG):
        return None
    try:
        found: list[dict[str, Any]] = orjson.loads(b"[" + block.replace(b"\n", b",\n") + b"]")
    except ValueError:
        return None
    return found if sum(map(block.count, _BEHIND_A_KEY)) == sum(map(len, found)) else None


def _plain_row(raw: bytes) -> dict[str, Any] | None:
    """The row of one line under the same promise, where texts may hold anything.

    Colons in the texts are counted off. What is left is never less than the members, if no colon was written as an
    escape: also the colons of texts that were lost with a second key of the same name are left.
    """
    try:
        row = orjson.loads(raw)
    except ValueError:
        return None
    if type(row) is not dict or b"\\u003" in raw:
        return None
    colons, other = raw.count(b":"), len(raw)  # `other`: no number is longer than what the texts leave of the line
    for key, value in row.items():
        kind = type(value)
        colons -= key.count(":")
        if kind is str:
            colons -= value.count(":")
            other -= len(value)
        elif kind is dict or kind is list or (kind is float and not -_BOUND < value < _BOUND):
            return None
    if colons != len(row) or (other >= len(_VERY_LONG) and _VERY_LONG in raw.translate(_AS_ZEROS)):
        return None
    return row
