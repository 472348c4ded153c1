"""Fingerprints for the terminal and as JSON: what one says, what the files alone tell, and whether two sides fit."""

from __future__ import annotations

import json as standard
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sealkit import fingerprint, manifest
from sealkit.adopt import Seen
from sealkit.finding import Refused
from sealkit.fingerprint import ABSENT, Comparison, Field, State
from sealkit.fit import Fit, Kind, Stated, Verdict
from sealkit.render.text import clean
from sealkit.write import dumps

WIDTH = 100  # characters of a value that are shown; a digest is shown whole, and JSON has all of it
NAMED = 8  # fields that the last line names
_ALL = ("bind", "warn", "info")
_WITNESS = {
    "built": "built: what built it wrote this",
    "described": "described: afterwards, its vectors held against the encoder",
    "adopted": "adopted, not witnessed: what its files cannot say is unknown",
}
_WAYS = {
    State.DIFFERS: "build the index again with what the other side has, or search it with what it was built with",
    State.UNKNOWN: "say what is unknown: sealkit.describe_index for an index, a describer of sealkit.encoders for a space",
}


def refused(error: Refused) -> str:
    """What is wrong with a document: a line a finding, and the way out."""
    lines = []
    for finding in error.findings:
        lines += [f"{finding.at}: {finding.message}", *([f"  fix: {finding.fix}"] if finding.fix else [])]
    return "\n".join(lines)


def show(stated: Stated) -> str:
    """A fingerprint at a glance: which files, then every group with its fields and their binding. No vector is shown."""
    told = manifest.side(stated.document)
    lines = _head(stated)
    lines += _groups(told.fingerprint, _known(stated, told.fingerprint), told.invariant)
    unknown = _unknown(stated)
    if unknown:
        lines += ["", f"unknown, so that it fits nothing: {_count(unknown)}", *_by_group(unknown)]
    return _text(lines)


def bare(seen: Seen, path: str) -> str:
    """What the files of an index without a manifest tell, and the ways to one."""
    told = [field for field in manifest.fields() if fingerprint.value(seen.fingerprint, field) is not ABSENT]
    binding = [field for field in manifest.fields() if field.binding == "bind" and field not in told]
    lines = [f"{path}: has no manifest; {seen.file.name} tells", *_groups(seen.fingerprint, told, {}), ""]
    lines += [*(f"note: {note}" for note in seen.notes), f"unknown: all else, {_count(binding)}"]
    lines += [f"  describe it, where its encoder and its texts are: sealkit.describe_index({path!r}, encoder, texts)"]
    return _text([*lines, f"  or adopt it as it is: toolkit fingerprint adopt {shlex.quote(path)}"])


def adopted(stated: Stated, seen: Seen) -> str:
    """What was written for an index that nobody saw built, what is unknown of it, and the way out."""
    lines = [f"{stated.at}: adopted, not witnessed", *_files(stated.document), "", "known from the files"]
    told = [field for field in manifest.fields() if fingerprint.value(seen.fingerprint, field) is not ABSENT]
    width = max(len(field.name) for field in told)
    lines += [f"  {field.name:{width}}  {_value(field, fingerprint.value(seen.fingerprint, field))}" for field in told]
    lines += [f"note: {note}" for note in seen.notes]
    unknown = _unknown(stated)
    lines += ["", f"unknown: {_count(unknown)}", *_by_group(unknown), ""]
    lines += [
        "A search opens this index with a warning, and no check over it passes. To have it witnessed, remove this manifest and"
    ]
    lines += [
        f"describe the index where its encoder and its texts are: sealkit.describe_index({str(stated.path)!r}, encoder, texts)"
    ]
    return _text(lines)


def compare(found: Fit) -> str:
    """What differs and what is unknown first, with both values; then what fits; the verdict is the last line."""
    lines = [f"{letter}: {_side(side)}" for letter, side in (("A", found.a), ("B", found.b))]
    for state, bindings, title in (
        (State.DIFFERS, ("bind",), "differs"),
        (State.UNKNOWN, ("bind",), "unknown"),
        (State.DIFFERS, ("warn",), "differs, a warning"),
        (State.DIFFERS, ("info",), "differs, and does not count"),
        (State.INVARIANT, _ALL, "differs, and may"),
    ):
        if ones := [one for one in found.named(state, *bindings) if one.index is ABSENT or one.index != one.query]:
            lines += ["", title, *_pairs(ones, found.invariant)]
            lines += [f"  fix: {_WAYS[state]}"] if bindings == ("bind",) else []
    invariant = [
        one for one in found.named(State.INVARIANT, *_ALL) if one.index == one.query and one.index is not ABSENT
    ]
    same = [one for one in found.fields if one.state is State.SAME or one in invariant]
    quiet = found.named(State.UNKNOWN, "warn", "info")
    told = [one for one in same if one.index is not None]
    width = max((len(one.field.name) for one in told), default=0)
    lines += ["", f"same: {len(same)} of {len(found.fields)} fields"]
    lines += [f"  {one.field.name:{width}}  {_value(one.field, one.index)}" for one in told]
    if absent := [one.field for one in same if one.index is None]:
        lines += ["does not apply, on both sides", *_by_group(absent)]
    if quiet:
        lines += ["unknown, and does not count", *_by_group(one.field for one in quiet)]
    return _text([*lines, "", *(f"note: {note}" for note in found.notes), _verdict(found)])


def _verdict(found: Fit) -> str:
    differs, unknown, warned = (
        found.named(state, binding)
        for state, binding in ((State.DIFFERS, "bind"), (State.UNKNOWN, "bind"), (State.DIFFERS, "warn"))
    )
    if found.verdict is Verdict.DIFFERS:
        return f"does not fit: {_differ(differs)}" + f"; unknown: {_names(unknown)}" * bool(unknown)
    if found.verdict is Verdict.UNKNOWN:
        return f"unknown: {_names(unknown)}" + "".join(f"; {why}" for why in _why(found))
    return "fits" + f", with a warning: {_differ(warned)}" * bool(warned)


def _why(found: Fit) -> Iterator[str]:
    """Why fields of a side are unknown, where it is no oversight."""
    for letter, side in (("A", found.a), ("B", found.b)):
        if side.adopted:
            yield f"{letter} was adopted, not witnessed"
        elif side.schema is not None and manifest.side(side.document).version < manifest.NEWEST:
            yield f"{letter} was written under {side.schema}"


def show_json(stated: Stated) -> str:
    """Every field with its binding; one that is unknown has no value. Of the probe, numbers alone."""
    told = manifest.side(stated.document)
    fields = [
        {
            "name": field.name,
            "binding": field.binding,
            "side": field.side,
            **_optional("value", fingerprint.value(told.fingerprint, field), field),
            **({"invariant": reason} if (reason := _reason(field, told.invariant)) else {}),
        }
        for field in _known(stated, told.fingerprint)
    ]
    files = {key: stated.document[key] for key in ("file", "digest", "ids", "files") if key in stated.document}
    return dumps({**_side_document(stated), **(files if stated.kind is Kind.INDEX else {}), "fields": fields})


def bare_json(seen: Seen, path: str) -> str:
    return dumps(
        {
            "path": path,
            "manifest": None,
            "file": seen.file.name,
            "fingerprint": seen.fingerprint,
            "notes": list(seen.notes),
        }
    )


def compare_json(found: Fit) -> str:
    """The verdict, and every field with its state; a value that is unknown is left out."""
    fields = [
        {
            "name": one.field.name,
            "binding": one.field.binding,
            "state": str(one.state),
            **_optional("a", one.index, one.field),
            **_optional("b", one.query, one.field),
            **({"invariant": _reason(one.field, found.invariant)} if one.state is State.INVARIANT else {}),
        }
        for one in found.fields
    ]
    sides = {"a": _side_document(found.a), "b": _side_document(found.b)}
    return dumps(
        {
            **sides,
            "verdict": str(found.verdict),
            "summary": _verdict(found),
            "notes": list(found.notes),
            "fields": fields,
        }
    )


def _optional(key: str, value: Any, field: Field) -> dict[str, Any]:
    if value is ABSENT:
        return {}
    return {key: _summary(value) if field.path[0] == "probe" else value}


def _side_document(side: Stated) -> dict[str, Any]:
    document = side.document
    return {
        "path": str(side.path),
        "manifest": str(side.at),
        "kind": str(side.kind),
        "contract": side.schema,
        "witness": manifest.upgraded(document)["witness"] if side.kind is Kind.INDEX else None,
        "identity": document.get("identity") if side.kind is Kind.INDEX else None,
    }


def _head(stated: Stated) -> list[str]:
    if stated.kind is not Kind.INDEX:
        return [_side(stated)]
    document = stated.document
    ids = document["ids"]
    return [
        f"index     {stated.path}",
        f"manifest  {stated.at} ({stated.schema})",
        f"witness   {_WITNESS[manifest.upgraded(document)['witness']]}",
        f"identity  {document['identity']}",
        f"vectors   {document['file']}",
        f"ids       {ids['file'] if ids else 'those that the index returns'}",
        *_files(document),
    ]


def _files(document: Mapping[str, Any]) -> list[str]:
    """The files of an index with their digests; of a manifest that lists none, the two that it names."""
    files = document.get("files")
    if files is None:
        named = [(document["file"], document["digest"])]
        named += [(document["ids"]["file"], document["ids"]["digest"])] if document["ids"] else []
        width = max(len(name) for name, _ in named)
        return ["files", *(f"  {name:{width}}  {digest}" for name, digest in named)]
    width = max(len(one["name"]) for one in files["listing"])
    lines = [f"  {one['name']:{width}}  {one['digest']}  {one['bytes']:,} bytes" for one in files["listing"]]
    return [f"files     {files['digest']}", *lines]


def _side(side: Stated) -> str:
    if side.kind is Kind.SPACE:
        return f"{side.path} (a space)"
    how = f", {manifest.upgraded(side.document)['witness']}" if side.kind is Kind.INDEX else ""
    return f"{side.path} ({side.kind}, {side.schema}{how})"


def _known(stated: Stated, told: Mapping[str, Any]) -> list[Field]:
    """The fields that a side has: of a query side those of the index only where it states them."""
    is_index = stated.kind is Kind.INDEX
    return [f for f in manifest.fields() if is_index or f.side == "both" or fingerprint.value(told, f) is not ABSENT]


def _unknown(stated: Stated) -> list[Field]:
    told = manifest.side(stated.document)
    return [
        field
        for field in _known(stated, told.fingerprint)
        if field.binding == "bind"
        and fingerprint.value(told.fingerprint, field) is ABSENT
        and not _reason(field, told.invariant)
    ]


def _groups(told: Mapping[str, Any], known: Sequence[Field], invariant: Mapping[str, str]) -> Iterator[str]:
    width = max((len(field.path[-1]) for field in known), default=0)
    group = ""
    for field in known:
        if field.path[0] != group:
            group = field.path[0]
            yield ""
            yield group
        reason = _reason(field, invariant)
        may = f"  (may differ: {reason})" if reason else ""
        yield f"  {field.path[-1]:{width}}  {field.binding:4}  {_value(field, fingerprint.value(told, field))}{may}"


def _pairs(ones: Sequence[Comparison], invariant: Mapping[str, str]) -> Iterator[str]:
    """Both values of each field; side by side where one of the two is unknown."""
    width = max(len(one.field.name) for one in ones)
    for one in ones:
        a, b = _value(one.field, one.index), _value(one.field, one.query)
        if one.state is State.UNKNOWN:
            yield f"  {one.field.name:{width}}  A {a}, B {b}"
            continue
        yield from (f"  {one.field.name}", f"    A  {a}", f"    B  {b}")
        if one.state is State.INVARIANT:
            yield f"    because {_reason(one.field, invariant)}"


def _value(field: Field, value: Any) -> str:
    if value is ABSENT:
        return "unknown"
    if value is None:
        return "does not apply"
    if field.path[0] == "probe":
        value = _summary(value)
    if isinstance(value, str) and value.startswith("sha256:"):
        return value
    shown = standard.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= WIDTH else f"{shown[: WIDTH - 1]}…"


def _summary(value: Any) -> Any:
    """What is told of a part of a probe: of a list how many it holds."""
    return len(value) if isinstance(value, list) else value


def _reason(field: Field, invariant: Mapping[str, str]) -> str | None:
    return invariant.get(field.name, invariant.get(field.path[0]))


def _by_group(fields: Iterable[Field]) -> list[str]:
    found: dict[str, list[str]] = {}
    for field in fields:
        found.setdefault(field.path[0], []).append(field.path[-1])
    width = max(map(len, found), default=0)
    return [f"  {group:{width}}  {', '.join(names)}" for group, names in found.items()]


def _count(fields: Sequence[Field]) -> str:
    return f"{len(fields)} binding field{'s' * (len(fields) != 1)}"


def _names(found: Iterable[Comparison]) -> str:
    """The names of fields, the first ones where there are many: all stand above."""
    names = [one.field.name for one in found]
    return ", ".join(names if len(names) <= NAMED else [*names[: NAMED - 1], f"and {len(names) - NAMED + 1} more"])


def _differ(found: Sequence[Comparison]) -> str:
    return f"{_names(found)} {'differ' if len(found) > 1 else 'differs'}"


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{clean(line).rstrip()}\n" for line in lines)
