"""YAML documents under the 1.2 core schema, with the line of every value.

PyYAML follows YAML 1.1, where `lr: 5e-5` is a string, `no` is false and `12:30:00` a number; configs mean none of
these. Anchors and aliases are refused (they are how YAML bombs are made); `extends` and `${...}` do their work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml as pyyaml

from sealkit.finding import Location, ReadError, pointer
from sealkit.read.source import MAX_DEPTH, MEBIBYTE, read_text

LIMIT = 1 * MEBIBYTE
EXPANDED = 10_000  # values that aliases may add to a document

_SCALARS: list[tuple[re.Pattern[str], Callable[[str], Any]]] = [
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda text: None),
    (re.compile(r"(?:true|True|TRUE)\Z"), lambda text: True),
    (re.compile(r"(?:false|False|FALSE)\Z"), lambda text: False),
    (re.compile(r"[-+]?[0-9]+\Z", re.ASCII), int),
    (re.compile(r"0o[0-7]+\Z"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+\Z"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z", re.ASCII), float),
    (re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"), lambda text: math.nan),
]


@dataclass(frozen=True)
class Document:
    """The data of a YAML text, and the line (from 1) of each value by its JSON pointer."""

    data: Any
    lines: dict[str, int]


def read(path: Path, name: str | None = None) -> Document:
    """Read a YAML file of at most 1 MiB. Raises ReadError."""
    return parse(read_text(path, name, limit=LIMIT), name or str(path))


def parse(text: str, name: str, *, aliases: bool = False) -> Document:
    """Read a YAML text. Raises ReadError with the line and what to do.

    With `aliases`, for what other tools wrote (PyYAML writes them for a list that stands in two places), an alias is the value that it
    refers to, up to `EXPANDED` values in all; the line of all that is in it is that of the alias.

    Built from the parser's events, which come one by one: nothing recurses, however deep a text is.
    """
    builder = _Builder(name, aliases)
    loader = None
    try:
        loader = pyyaml.SafeLoader(text)
        while loader.check_event():
            builder.take(loader.get_event())  # type: ignore[no-untyped-call]
    except pyyaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"is not YAML: {(error.problem or 'it breaks off').removeprefix('but ')}"
        raise ReadError(message, Location(name, line=mark.line + 1 if mark else 1), "correct the line") from None
    except pyyaml.reader.ReaderError as error:
        at = Location(name, line=text.count("\n", 0, error.position) + 1)
        raise ReadError(f"is not YAML: {error.reason}", at, "save it as plain UTF-8 text") from None
    except (ValueError, OverflowError):
        at = Location(name, line=loader.line + 1 if loader else 1)
        message = "is not YAML: holds a number or an escape that is out of range"
        raise ReadError(message, at, "correct the line") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Document(builder.data, builder.lines)


class _Builder:
    """Data from events, with a stack of the mappings and lists that are open."""

    def __init__(self, name: str, aliases: bool) -> None:
        self.name = name
        # of each anchor its value, how many values that is and how deep; None where aliases are not read
        self._anchors: dict[str, tuple[Any, int, int]] | None = {} if aliases else None
        # of each mapping or list that is open its anchor, the count of values before it and the depth below it
        self._open: list[list[Any]] = []
        self._count = self._expanded = 0
        self.data: Any = None
        self.lines: dict[str, int] = {"": 1}
        self._stack: list[tuple[dict[str, Any] | list[Any], str]] = []
        self._key: str | None = None
        self._documents = 0

    def take(self, event: Any) -> None:
        at = Location(self.name, pointer=self._where() or None, line=event.start_mark.line + 1)
        if isinstance(event, pyyaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise ReadError("is not YAML: found another document", at, "correct the line")
        elif isinstance(event, pyyaml.CollectionEndEvent):
            value, _ = self._stack.pop()
            anchor, before, depth = self._open.pop()
            self._hold(anchor, value, self._count - before, depth + 1)
        elif isinstance(event, pyyaml.NodeEvent):
            self._node(event, at)

    def _node(self, event: Any, at: Location) -> None:
        if event.anchor is not None and self._anchors is None:
            fix = "write the value out, or refer to it with ${section.key}"
            raise ReadError(f"uses the anchor or alias `{event.anchor}`", at, fix)
        if isinstance(event, pyyaml.AliasEvent):
            self._alias(event, at)
            return
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            raise ReadError(f"uses the tag `{tag}`", at, "write a plain value, in quotes if it is text")
        opens = not isinstance(event, pyyaml.ScalarEvent)
        if opens and len(self._stack) == MAX_DEPTH:
            raise ReadError(f"is nested deeper than {MAX_DEPTH} levels", at, "flatten it")
        if self._stack and isinstance(self._stack[-1][0], dict) and self._key is None:
            self._take_key(event, at)
            return
        value: Any = _scalar(event, at) if not opens else {} if isinstance(event, pyyaml.MappingStartEvent) else []
        where = self._place(value, at)
        self._count += 1
        if opens:
            self._stack.append((value, where))
            self._open.append([event.anchor, self._count - 1, 0])
        else:
            self._hold(event.anchor, value, 1, 0)

    def _hold(self, anchor: str | None, value: Any, size: int, depth: int) -> None:
        """Note a value that is whole: under its anchor, and how deep it makes what is around it."""
        if anchor is not None and self._anchors is not None:
            self._anchors[anchor] = (value, size, depth)
        if self._open:
            self._open[-1][2] = max(self._open[-1][2], depth)

    def _alias(self, event: Any, at: Location) -> None:
        """Put the value of an anchor where its alias stands. One that is not whole yet would hold itself."""
        held = (self._anchors or {}).get(event.anchor)
        if held is None:
            message = f"has the alias `{event.anchor}` before its anchor, or in it"
            raise ReadError(message, at, "write the value out")
        if self._key == "<<":  # YAML 1.1 merges it, YAML 1.2 does not: a guess would be a setting that nobody wrote
            raise ReadError(f"merges the alias `{event.anchor}` with `<<`", at, "write the settings out")
        value, size, depth = held
        self._expanded += size
        if self._expanded > EXPANDED or len(self._stack) + depth > MAX_DEPTH:
            message = f"has aliases that come to over {EXPANDED:,} values, or to over {MAX_DEPTH} levels"
            raise ReadError(message, at, "write the values out", malformed=False)
        if self._stack and isinstance(self._stack[-1][0], dict) and self._key is None:
            self._take_key(event, at)
        self._place(value, at)
        self._count += size
        self._hold(None, value, size, depth)

    def _take_key(self, event: Any, at: Location) -> None:
        if not isinstance(event, pyyaml.ScalarEvent):
            raise ReadError("has a key that is not plain text", at, "use plain text as key")
        key, (holder, where) = event.value, self._stack[-1]
        if _half_pair(key):
            message = "has half of a surrogate pair in a key, which is no text"
            raise ReadError(message, at, "write the character itself")
        if key in holder:
            raise ReadError(f"has the key `{key}` twice in one mapping", at, "keep one of the two")
        self._key = key
        self.lines[where + pointer(key)] = at.line or 1

    def _where(self) -> str:
        """The pointer of the value that comes next."""
        if not self._stack:
            return ""
        holder, where = self._stack[-1]
        if isinstance(holder, list):
            return f"{where}/{len(holder)}"
        return where if self._key is None else where + pointer(self._key)

    def _place(self, value: Any, at: Location) -> str:
        """Put a value where it belongs, and say where that is."""
        where = self._where()
        self.lines.setdefault(where, at.line or 1)  # a member's line is that of its key
        if not self._stack:
            self.data, self.lines[""] = value, at.line or 1
            return where
        holder, _ = self._stack[-1]
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[self._key or ""], self._key = value, None
        return where


def _half_pair(text: str) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def _scalar(event: Any, at: Location) -> Any:
    text: str = event.value
    if _half_pair(text):
        raise ReadError("holds half of a surrogate pair, which is no text", at, "write the character itself")
    if event.style is not None:
        return text
    for pattern, convert in _SCALARS:
        if pattern.match(text):
            if len(text) > 400:
                raise ReadError(f"holds a number of {len(text)} characters", at, "write it in fewer digits")
            value = convert(text)
            if isinstance(value, float) and not math.isfinite(value):
                raise ReadError(f"holds {text}, which is no finite number", at, "write a finite number or null")
            return value
    return text
