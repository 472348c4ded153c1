"""What defines a representation space, and whether two sides meet in the same one.

A fingerprint is a JSON object. Which of its fields bind stands in the schema as `x-binding`: a `bind` field that differs,
or that one side does not know, is a mismatch; an `info` field never is. Fields marked `x-side: index` belong to the
index alone (its corpus, its size) and have no counterpart on the query side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sealkit import digest


@dataclass(frozen=True)
class Field:
    """One field of a fingerprint: its path (`("encoder", "weights")`), binding, and side (`both` or `index`)."""

    path: tuple[str, ...]
    binding: str
    side: str

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Difference:
    """A binding field in which two sides do not meet; None stands for unknown."""

    field: Field
    index: Any
    query: Any


def fields(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Field]:
    """The fields of a fingerprint, from its schema (properties that carry `x-binding`)."""
    for key, inner in schema.get("properties", {}).items():
        if "x-binding" in inner:
            yield Field((*path, key), inner["x-binding"], inner.get("x-side", "both"))
        else:
            yield from fields(inner, (*path, key))


def value(fingerprint: Mapping[str, Any], field: Field) -> Any:
    """The value of a field, None where it is absent."""
    inner: Any = fingerprint
    for key in field.path:
        if not isinstance(inner, Mapping):
            return None
        inner = inner.get(key)
    return inner


def compare(index: Mapping[str, Any], query: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Difference]:
    """The binding fields, known to both sides by nature, in which an index and a query side differ.

    What either side leaves unknown never fits: leaving a field out may not turn a mismatch into a match.
    """
    found = []
    for field in fields(schema):
        if field.binding == "bind" and field.side == "both":
            left, right = value(index, field), value(query, field)
            if left is None or right is None or type(left) is not type(right) or left != right:
                found.append(Difference(field, left, right))
    return found


def identity(fingerprint: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The digest of the binding fields alone."""
    return digest.of_value({f.name: value(fingerprint, f) for f in fields(schema) if f.binding == "bind"})


def of(value: Any) -> str:
    """The digest of a JSON value that stands in a fingerprint in place of the value."""
    return digest.of_value(value)
