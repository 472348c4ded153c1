"""What defines a representation space, and whether two sides meet in the same one.

A fingerprint is a JSON object of groups. What each of its fields is worth stands in the schema as `x-binding`: a `bind` field
that differs is a mismatch, a `warn` field is told, an `info` field never counts. A field that is absent is unknown, and what is
unknown never fits; null says that it does not apply. Fields marked `x-side: index` belong to the index alone and have no
counterpart on the query side. A field may be declared invariant, with a reason: then the two sides may differ in it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sealkit import digest

Fingerprint = Mapping[str, Any]


class _Absent:
    """The value of a field that is not there: unknown."""

    def __repr__(self) -> str:
        return "unknown"


ABSENT = _Absent()


@dataclass(frozen=True)
class Field:
    """One field of a fingerprint: its path (`("encoder", "weights")`), binding, side (`both` or `index`), and the version of
    the contract that first recorded it."""

    path: tuple[str, ...]
    binding: str
    side: str
    since: int

    @property
    def name(self) -> str:
        return ".".join(self.path)


class State(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    UNKNOWN = "unknown"
    INVARIANT = "invariant"


@dataclass(frozen=True)
class Comparison:
    """One field of two sides; ABSENT stands for unknown. `unwitnessed`: it is the index that keeps them from fitting, since nobody
    could say this of it: it was adopted, or is older than the field."""

    field: Field
    state: State
    index: Any
    query: Any
    unwitnessed: bool = False

    @property
    def misfit(self) -> bool:
        """Whether it keeps the two sides from fitting: a binding field that differs, or that a side does not know."""
        return self.field.binding == "bind" and self.state in (State.DIFFERS, State.UNKNOWN)


def fields(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Field]:
    """The fields of a fingerprint, from its schema (properties that carry `x-binding`)."""
    for key, inner in schema.get("properties", {}).items():
        if "x-binding" in inner:
            yield Field((*path, key), inner["x-binding"], inner.get("x-side", "both"), inner.get("x-since", 1))
        else:
            yield from fields(inner, (*path, key))


def value(fingerprint: Fingerprint, field: Field) -> Any:
    """The value of a field, ABSENT where there is none."""
    inner: Any = fingerprint
    for key in field.path:
        if not isinstance(inner, Mapping) or key not in inner:
            return ABSENT
        inner = inner[key]
    return inner


def compare(
    index: Fingerprint, query: Fingerprint, known: Sequence[Field], invariant: Container[str] = (), whole: bool = False
) -> list[Comparison]:
    """Field by field, whether two sides meet.

    `known` are the fields that are looked at, `invariant` the names of fields and groups that may differ. What only the index
    has is compared where the other side states it too, and always where both sides are indexes (`whole`).
    """
    found = []
    for field in known:
        left, right = value(index, field), value(query, field)
        if field.side == "both" or whole or right is not ABSENT:
            found.append(Comparison(field, _state(field, left, right, invariant), left, right))
    return found


def _state(field: Field, left: Any, right: Any, invariant: Container[str]) -> State:
    if field.name in invariant or field.path[0] in invariant:
        return State.INVARIANT
    if left is ABSENT or right is ABSENT:
        return State.UNKNOWN
    return State.SAME if _same(left, right) else State.DIFFERS


def _same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of one JSON type, to their innermost parts: 4 is neither 4.0 nor true."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def identity(fingerprint: Fingerprint, known: Sequence[Field], invariant: Sequence[str] = ()) -> str:
    """The digest of the binding fields that are known, by name, and of the names that are declared invariant."""
    values = {field.name: value(fingerprint, field) for field in known if field.binding == "bind"}
    present = {name: found for name, found in values.items() if found is not ABSENT}
    return digest.of_value({"fields": present, "invariant": sorted(invariant)})


def of(value: Any) -> str:
    """The digest of a JSON value that stands in a fingerprint in place of the value."""
    return digest.of_value(value)


def of_lines(lines: Sequence[str]) -> str:
    """The digest of texts in their order, each followed by a newline: that of a file with one a line."""
    return digest.of_bytes("".join(f"{line}\n" for line in lines).encode())


def of_inputs(inputs: Sequence[Any]) -> str:
    """The digest of what is encoded, in row order: of the JSON list of the digests of the inputs, each as UTF-8 where it is
    a text, else as canonical JSON."""
    return digest.of_value(
        [digest.of_bytes(one.encode()) if isinstance(one, str) else digest.of_value(one) for one in inputs]
    )
