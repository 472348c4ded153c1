"""JSON documents, stricter than the standard library: no NaN, no duplicate keys, bounded depth and size."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sealkit.finding import Location, ReadError, parts, pointer
from sealkit.read.source import DOCUMENT_LIMIT, MAX_DEPTH, decode, read_bytes, read_text

_TOKEN = re.compile(r'[ \t\r\n]*(?:("(?:[^"\\]|\\.)*")|([\[\]{}:,])|([^\s\[\]{}:,"]+))', re.DOTALL)
_MAX_DIGITS = 400  # enough for any float written out; Python itself refuses integers of over 4,300 digits
_LONG = 300  # digits: an integer that no float can hold has at least so many
_DIGITS = re.compile(rf"[0-9]{{{_LONG}}}")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a surrogate pair, or a whole one
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
    try:
        value = _parse(text)
    except json.JSONDecodeError as error:
        at = Location(name, line=line + error.lineno - 1)
        shown = text[error.pos : error.pos + 20].split("\n")[0]
        found = f"found {shown!r}" if shown else "found the end of the text (was it cut off?)"
        message = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at").removesuffix(" starting")
        raise ReadError(f"is not JSON: {message}, column {error.colno}, {found}", at, _FIX) from None
    except (ValueError, RecursionError):  # _Doubtful, or an integer of more digits than Python converts
        _refuse(text, name, line)
        raise ReadError("is not JSON: holds a number that is none", Location(name, line=line), _FIX) from None
    # The walk below is slow. These tell where it is needed: hardly ever, and then it is what names the place.
    deep = text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(value)
    if deep or ("\\u" in text and _HALF.search(text)) or _has_long(text):
        _refuse(text, name, line)
    return value


def _parse(text: str) -> Any:
    """What `decode` does, without its search for white space where there is none: rows are many."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    return value if end == len(text) else _decoder.decode(text)


def _has_long(text: str) -> bool:
    """Whether a text holds so many digits in a row: one in every 300 characters is looked at, and what is around it if it is one."""
    for at in range(_LONG - 1, len(text), _LONG):
        if text[at] in "0123456789" and _DIGITS.search(text, at - _LONG + 1, at + _LONG):
            return True
    return False


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer) if isinstance(inner, dict | list)]
    return bool(level)


def _inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(text: str, name: str, line: int) -> None:
    """Raise ReadError at the first duplicate key, non-finite number, lone surrogate or too deep nesting."""
    for node in walk(text):
        where, token = node.pointer or "the top", node.token
        shown = token if len(token) <= 40 else token[:37] + "..."
        fix: str = _FIX
        if node.depth > MAX_DEPTH:
            message, fix = f"is nested deeper than {MAX_DEPTH} levels", "flatten it"
        elif "\\u" in token and _has_surrogate(token):
            message = f"holds half of a surrogate pair at {where}, which is no text"
        elif node.again:
            key = json.dumps(parts(node.pointer)[-1], ensure_ascii=False)
            message, fix = f"has the key {key} twice in one object", "keep one of the two"
        elif token in ("NaN", "Infinity", "-Infinity"):
            message = f"holds {token} at {where}, which JSON does not have"
        elif token[0] in "-0123456789" and len(token) > _MAX_DIGITS:
            message, fix = f"holds a number of {len(token)} characters at {where}", "write it in at most 17 digits"
        elif token[0] in "-0123456789" and _is_number(token) and math.isinf(float(token)):
            message, fix = f"holds {shown} at {where}, larger than a float can be", "write a finite number or null"
        else:
            continue
        at = Location(name, pointer=node.pointer or None, line=line + text.count("\n", 0, node.offset))
        raise ReadError(message, at, fix)


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


class Node(NamedTuple):
    """One value of a JSON text, not built. `offset` is that of the key for a member of an object, else that of the
    value; so the line of a pointer is a count of newlines. `again`: its key stood in the object before."""

    pointer: str
    offset: int
    token: str
    depth: int
    again: bool


@dataclass
class _Open:
    """An object (with the keys seen so far) or an array (None) that is open."""

    pointer: str
    keys: set[str] | None
    index: int = 0


def walk(text: str) -> Iterator[Node]:
    """Each value of a JSON text in order. A container is yielded with the token `{` or `[`. Stops after the first
    document, and where the text is no JSON."""
    stack: list[_Open] = []
    key: tuple[str, int, bool] | None = None
    expect_key = False
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        string, punctuation, literal = match.groups()
        start = match.start(match.lastindex or 0)
        if punctuation == ",":
            expect_key = bool(stack) and stack[-1].keys is not None
        elif punctuation == ":":
            pass
        elif punctuation in ("}", "]"):
            if stack:
                stack.pop()
            if not stack:
                return
            expect_key = False
        elif string and expect_key:
            known = stack[-1].keys
            try:
                name = json.loads(string, strict=False)
            except json.JSONDecodeError:
                return
            if known is None:
                return
            if _has_surrogate(string):
                yield Node(f"{stack[-1].pointer}/?", start, string, len(stack), False)
                return
            key, expect_key = (name, start, name in known), False
            known.add(name)
        else:
            where, offset, again = "", start, False
            if stack and stack[-1].keys is None:
                where = f"{stack[-1].pointer}/{stack[-1].index}"
                stack[-1].index += 1
            elif stack:
                if key is None:
                    return
                where, offset, again = stack[-1].pointer + pointer(key[0]), key[1], key[2]
                key = None
            yield Node(where, offset, string or literal or punctuation, len(stack) + (punctuation is not None), again)
            if punctuation:
                stack.append(_Open(where, set() if punctuation == "{" else None))
                expect_key = punctuation == "{"
            elif not stack:
                return


def line_of(text: str, json_pointer: str) -> int | None:
    """The line, from 1, on which the member or item of a JSON pointer begins; None where there is none such."""
    for node in walk(text):
        if node.pointer == json_pointer:
            return text.count("\n", 0, node.offset) + 1
    return None


def quick(path: str | Path, name: str, *, limit: int = DOCUMENT_LIMIT) -> Any:
    """What `read` gives, without following links; a tenth of the time where the file is as our own writer wrote it.

    That it is, the bytes prove: written again they are the same, so that no key stood there twice. Raises ReadError.
    """
    import orjson

    data = read_bytes(path, name, limit=limit, follow=False)
    try:
        value = orjson.loads(data)
        if orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE) == data:
            return value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass  # what is wrong with it, the strict reader tells
    return parse(decode(data, name), name)


def read(path: Path, name: str | None = None, *, limit: int = DOCUMENT_LIMIT, follow: bool = True) -> Any:
    """The value of a JSON file. Raises ReadError with the line and what to do."""
    return parse(read_text(path, name, limit=limit, follow=follow), name or str(path))
