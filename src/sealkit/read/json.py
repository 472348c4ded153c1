"""JSON documents, stricter than the standard library: no NaN, no duplicate keys, bounded depth and size."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError, pointer
from sealkit.read.source import DOCUMENT_LIMIT, MAX_DEPTH, read_text

_TOKEN = re.compile(r'[ \t\r\n]*(?:("(?:[^"\\]|\\.)*")|([\[\]{}:,])|([^\s\[\]{}:,"]+))', re.DOTALL)
_MAX_DIGITS = 400  # enough for any float written out; Python itself refuses integers of over 4,300 digits
_FIX = "write the file again with a strict writer, json.dump(..., allow_nan=False)"


class _Doubtful(ValueError):
    """The quick parse met something that only the slow walk can name with its line."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Doubtful
    return result


def _constant(text: str) -> float:
    raise _Doubtful


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Doubtful
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
_scan = _decoder.scan_once  # type: ignore[attr-defined]  # there since Python 2.6, and not in typeshed


def parse(text: str, name: str, line: int = 1) -> Any:
    """The value of a JSON text; `line` is the number of its first line in the file `name`. Raises ReadError."""
    # The walk is slow, and only for what may need it: without this many brackets no text is too deep, and so on.
    if text.count("[") + text.count("{") > MAX_DEPTH or "\\u" in text:
        _refuse(text, name, line)
    try:
        return _parse(text)
    except json.JSONDecodeError as error:
        at = Location(name, line=line + error.lineno - 1)
        shown = text[error.pos : error.pos + 20].split("\n")[0]
        found = f"found {shown!r}" if shown else "found the end of the text (was it cut off?)"
        message = error.msg[:1].lower() + error.msg[1:]
        raise ReadError(f"is not JSON: {message}, column {error.colno}, {found}", at, _FIX) from None
    except ValueError:  # _Doubtful, or an integer of more digits than Python converts
        _refuse(text, name, line)
        raise AssertionError("the walk missed what the parser saw") from None


def _parse(text: str) -> Any:
    """What `decode` does, without its search for white space where there is none: rows are many."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    return value if end == len(text) else _decoder.decode(text)


def _refuse(text: str, name: str, line: int) -> None:
    """Raise ReadError at the first duplicate key, non-finite number, lone surrogate or too deep nesting."""
    seen: set[str] = set()
    for where, offset, token, depth in walk(text):
        at = Location(name, pointer=where or None, line=line + text.count("\n", 0, offset))
        if depth > MAX_DEPTH:
            raise ReadError(f"is nested deeper than {MAX_DEPTH} levels", at, "flatten it")
        if where in seen:
            key = json.dumps(where.rsplit("/", 1)[1].replace("~1", "/").replace("~0", "~"), ensure_ascii=False)
            raise ReadError(f"has the key {key} twice in one object", at, "keep one of the two")
        seen.add(where)
        if token in ("NaN", "Infinity", "-Infinity"):
            raise ReadError(f"holds {token} at {where or 'the top'}, which JSON does not have", at, _FIX)
        if token[0] in "-0123456789":
            if len(token) > _MAX_DIGITS:
                raise ReadError(f"holds a number of {len(token)} characters at {where}", at)
            if _is_number(token) and math.isinf(float(token)):
                raise ReadError(f"holds {token} at {where}, larger than a float can be", at)
        if "\\u" in token and _has_surrogate(token):
            raise ReadError(f"holds half of a surrogate pair at {where}, which is no text", at)


def _is_number(token: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", token, re.ASCII) is not None


def _has_surrogate(token: str) -> bool:
    try:
        json.loads(token, strict=False).encode()
    except UnicodeEncodeError:
        return True
    except (json.JSONDecodeError, AttributeError):
        return False
    return False


def walk(text: str) -> Iterator[tuple[str, int, str, int]]:
    """Each value of a JSON text as (pointer, offset, token, depth), in order, without building it.

    The offset is that of the key for a member of an object, else that of the value; so the line of a pointer is a
    count of newlines. Keys are yielded with the token of their value, or `{` / `[`. Stops where the text is no JSON.
    """
    stack: list[tuple[str, str, int]] = []  # ({ or [, pointer, next index)
    key: tuple[str, int] | None = None
    expect_key = False
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        string, punctuation, literal = match.groups()
        start = match.start(match.lastindex or 0)
        if punctuation == ",":
            expect_key = bool(stack) and stack[-1][0] == "{"
            continue
        if punctuation == ":":
            continue
        if punctuation in ("}", "]"):
            if not stack:
                return
            stack.pop()
            expect_key = False
            continue
        if string and expect_key:
            try:
                key = (json.loads(string, strict=False), start)
            except json.JSONDecodeError:
                return
            if _has_surrogate(string):
                yield f"{stack[-1][1]}/?", start, string, len(stack)
                return
            expect_key = False
            continue
        where, offset = "", start
        if stack:
            kind, parent, index = stack[-1]
            if kind == "[":
                where = f"{parent}/{index}"
                stack[-1] = (kind, parent, index + 1)
            elif key is None:
                return
            else:
                where, offset, key = parent + pointer(key[0]), key[1], None
        token = string or literal or punctuation
        yield where, offset, token, len(stack) + (punctuation is not None)
        if punctuation:
            stack.append((punctuation, where, 0))
            expect_key = punctuation == "{"
        elif not stack:
            return


def line_of(text: str, json_pointer: str) -> int | None:
    """The line, from 1, on which the member or item of a JSON pointer begins; None where there is none such."""
    for where, offset, _, _ in walk(text):
        if where == json_pointer:
            return text.count("\n", 0, offset) + 1
    return None


def read(path: Path, name: str | None = None, *, limit: int = DOCUMENT_LIMIT, follow: bool = True) -> Any:
    """The value of a JSON file. Raises ReadError with the line and what to do."""
    return parse(read_text(path, name, limit=limit, follow=follow), name or str(path))
