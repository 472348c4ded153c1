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


def parse(text: str, name: str) -> Document:
    """Read a YAML text. Raises ReadError with the line and what to do."""
    loader = None
    try:
        loader = pyyaml.SafeLoader(text)
        _refuse_tricks(text, name)
        node = loader.get_single_node()
    except pyyaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ReadError(
            f"is not YAML: {error.problem}", Location(name, line=mark.line + 1 if mark else None), "correct the line"
        ) from None
    except pyyaml.reader.ReaderError as error:
        raise ReadError(f"is not YAML: {error.reason}", Location(name), "save it as plain UTF-8 text") from None
    except RecursionError:
        raise ReadError(f"is nested deeper than {MAX_DEPTH} levels", Location(name), "flatten it") from None
    finally:
        if loader is not None:
            loader.dispose()
    lines: dict[str, int] = {}
    return Document(None if node is None else _value(node, "", name, lines, 1), lines)


def _refuse_tricks(text: str, name: str) -> None:
    if not set("&*!") & set(text):
        return
    for event in pyyaml.parse(text, Loader=pyyaml.SafeLoader):
        anchor, mark = getattr(event, "anchor", None), event.start_mark
        if anchor is not None:
            raise ReadError(
                f"uses the anchor or alias `{anchor}`",
                Location(name, line=mark.line + 1 if mark else None),
                "write the value out, or refer to it with ${section.key}",
            )
        if getattr(event, "tag", None) is not None:
            where = Location(name, line=mark.line + 1 if mark else None)
            raise ReadError(
                f"uses the tag `{getattr(event, 'tag', '')}`", where, "write a plain value, in quotes if it is text"
            )


def _value(node: pyyaml.Node, where: str, name: str, lines: dict[str, int], depth: int) -> Any:
    at = Location(name, pointer=where or None, line=node.start_mark.line + 1)
    lines.setdefault(where, node.start_mark.line + 1)
    if depth > MAX_DEPTH:
        raise ReadError(f"is nested deeper than {MAX_DEPTH} levels", at, "flatten it")
    if isinstance(node, pyyaml.MappingNode):
        return _mapping(node, where, name, lines, depth)
    if isinstance(node, pyyaml.SequenceNode):
        return [_value(item, f"{where}/{i}", name, lines, depth + 1) for i, item in enumerate(node.value)]
    assert isinstance(node, pyyaml.ScalarNode)  # aliases are refused, and there is no fourth kind
    return _scalar(node, at)


def _mapping(node: pyyaml.MappingNode, where: str, name: str, lines: dict[str, int], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        at = Location(name, pointer=where or None, line=key_node.start_mark.line + 1)
        key = key_node.value
        if not isinstance(key_node, pyyaml.ScalarNode):
            raise ReadError("has a key that is not plain text", at, "use plain text as key")
        if key in result:
            raise ReadError(f"has the key `{key}` twice in one mapping", at, "keep one of the two")
        inner = where + pointer(key)
        lines[inner] = key_node.start_mark.line + 1
        result[key] = _value(value_node, inner, name, lines, depth + 1)
    return result


def _scalar(node: pyyaml.ScalarNode, at: Location) -> Any:
    text = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    for pattern, convert in _SCALARS:
        if pattern.match(text):
            if len(text) > 400:
                raise ReadError(f"holds a number of {len(text)} characters", at)
            value = convert(text)
            if isinstance(value, float) and not math.isfinite(value):
                raise ReadError(f"holds {text}, which is no finite number", at, "write a finite number or null")
            return value
    return text
