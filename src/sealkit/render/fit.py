"""Whether two sides fit, for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sealkit import manifest
from sealkit.fingerprint import ABSENT, Comparison, State
from sealkit.fit import Fit, Verdict
from sealkit.render import field
from sealkit.write import dumps

NAMED = 8  # fields that the last line names
_ALL = ("bind", "warn", "info")
_WAYS = {
    State.DIFFERS: "build the index again with what the other side has, or search it with what it was built with",
    State.UNKNOWN: "say what is unknown: sealkit.describe_index for an index, a describer of sealkit.encoders for a space",
}


def text(found: Fit) -> str:
    """What differs and what is unknown first, with both values; then what fits; the verdict is the last line."""
    lines = [f"{letter}: {field.side(side)}" for letter, side in (("A", found.a), ("B", found.b))]
    for state, bindings, title in (
        (State.DIFFERS, ("bind",), "differs"),
        (State.UNKNOWN, ("bind",), "unknown"),
        (State.DIFFERS, ("warn",), "differs, a warning"),
        (State.DIFFERS, ("info",), "differs, and does not count"),
        (State.INVARIANT, _ALL, "differs, and may"),
    ):
        if ones := [one for one in found.named(state, *bindings) if not _alike(one)]:
            lines += ["", title, *_pairs(ones, found.invariant)]
            lines += [f"  fix: {_WAYS[state]}"] if bindings == ("bind",) else []
    same = [one for one in found.fields if one.state is State.SAME or (_alike(one) and one.index is not ABSENT)]
    quiet = found.named(State.UNKNOWN, "warn", "info")
    told = [one for one in same if one.index is not None]
    width = max((len(one.field.name) for one in told), default=0)
    lines += ["", f"same: {len(same)} of {len(found.fields)} fields"]
    lines += [f"  {one.field.name:{width}}  {field.shown(one.field, one.index)}" for one in told]
    if absent := [one.field for one in same if one.index is None]:
        lines += ["does not apply, on both sides", *field.by_group(absent)]
    if quiet:
        lines += ["unknown, and does not count", *field.by_group(one.field for one in quiet)]
    return field.text([*lines, "", *(f"note: {note}" for note in found.notes), _verdict(found)])


def _alike(one: Comparison) -> bool:
    """Whether a field that may differ does not."""
    return one.state is State.INVARIANT and one.index == one.query


def _verdict(found: Fit) -> str:
    """The verdict in one line."""
    differs, unknown, warned = (
        found.named(state, binding)
        for state, binding in ((State.DIFFERS, "bind"), (State.UNKNOWN, "bind"), (State.DIFFERS, "warn"))
    )
    if found.verdict is Verdict.DIFFERS:
        return f"does not fit: {_differ(differs)}" + f"; unknown: {_names(unknown)}" * bool(unknown)
    if found.verdict is Verdict.UNKNOWN:
        return f"unknown: {'; '.join([*([_names(unknown)] if unknown else []), *_why(found)])}"
    return "fits" + f", with a warning: {_differ(warned)}" * bool(warned)


def _why(found: Fit) -> Iterator[str]:
    """Why fields of a side are unknown, where it is no oversight."""
    for letter, side in (("A", found.a), ("B", found.b)):
        if side.adopted:
            yield f"{letter} was adopted, not witnessed"
        elif side.schema is not None and manifest.side(side.document).version < manifest.NEWEST:
            yield f"{letter} was written under {side.schema}"


def json(found: Fit) -> str:
    """The verdict, and every field with its state; a value that is unknown is left out."""
    fields = [
        {
            "name": one.field.name,
            "binding": one.field.binding,
            "state": str(one.state),
            **field.optional("a", one.index, one.field),
            **field.optional("b", one.query, one.field),
            **({"invariant": field.reason(one.field, found.invariant)} if one.state is State.INVARIANT else {}),
        }
        for one in found.fields
    ]
    sides = {"a": field.side_document(found.a), "b": field.side_document(found.b)}
    return dumps(
        {
            **sides,
            "verdict": str(found.verdict),
            "summary": _verdict(found),
            "notes": list(found.notes),
            "fields": fields,
        }
    )


def _pairs(ones: Sequence[Comparison], invariant: Mapping[str, str]) -> Iterator[str]:
    """Both values of each field; side by side where one of the two is unknown."""
    width = max(len(one.field.name) for one in ones)
    for one in ones:
        a, b = field.shown(one.field, one.index), field.shown(one.field, one.query)
        if one.state is State.UNKNOWN:
            yield f"  {one.field.name:{width}}  A {a}, B {b}"
            continue
        yield from (f"  {one.field.name}", f"    A  {a}", f"    B  {b}")
        if one.state is State.INVARIANT:
            yield f"    because {field.reason(one.field, invariant)}"


def _names(found: Iterable[Comparison]) -> str:
    """The names of fields, the first ones where there are many: all stand above."""
    names = [one.field.name for one in found]
    return ", ".join(names if len(names) <= NAMED else [*names[: NAMED - 1], f"and {len(names) - NAMED + 1} more"])


def _differ(found: Sequence[Comparison]) -> str:
    return f"{_names(found)} {'differ' if len(found) > 1 else 'differs'}"
