"""Fingerprints for the terminal and as JSON: what one says, and what the files alone tell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealkit import fingerprint, manifest
from sealkit.adopt import Seen
from sealkit.finding import Refused
from sealkit.fingerprint import ABSENT, Field
from sealkit.fit import Kind, Stated
from sealkit.render.field import by_group, optional, reason, shown, side, side_document, text
from sealkit.write import dumps

_WITNESS = {
    "built": "built: what built it wrote this",
    "described": "described: afterwards, its vectors held against the encoder",
    "adopted": "adopted, not witnessed: what its files cannot say is unknown",
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
        lines += ["", f"unknown: {_count(unknown)}", *by_group(unknown)]
    return text(lines)


def bare(seen: Seen, path: str) -> str:
    """What the files of an index without a manifest tell, and the ways to one."""
    told = [field for field in manifest.fields() if fingerprint.value(seen.fingerprint, field) is not ABSENT]
    binding = [field for field in manifest.fields() if field.binding == "bind" and field not in told]
    lines = [f"{path}: has no manifest; {seen.file.name} tells", *_groups(seen.fingerprint, told, {}), ""]
    lines += [*(f"note: {note}" for note in seen.notes), f"unknown: all else, {_count(binding)}"]
    lines += [f"  describe it, where its encoder and its texts are: sealkit.describe_index({path!r}, encoder, texts)"]
    return text([*lines, f"  or adopt it as it is: toolkit fingerprint adopt {shlex.quote(path)}"])


def adopted(stated: Stated, seen: Seen) -> str:
    """What was written for an index that nobody saw built, what is unknown of it, and the way out."""
    lines = [f"{stated.at}: adopted, not witnessed", *_files(stated.document), "", "known from the files"]
    told = [field for field in manifest.fields() if fingerprint.value(seen.fingerprint, field) is not ABSENT]
    width = max(len(field.name) for field in told)
    lines += [f"  {field.name:{width}}  {shown(field, fingerprint.value(seen.fingerprint, field))}" for field in told]
    lines += [f"note: {note}" for note in seen.notes]
    unknown = _unknown(stated)
    lines += ["", f"unknown: {_count(unknown)}", *by_group(unknown), ""]
    call = f"sealkit.describe_index({str(stated.path)!r}, encoder, texts)"
    lines += [
        "A search opens this index with a warning, and that it fits is never a PASS. To have it witnessed, remove this manifest"
    ]
    return text([*lines, f"and describe the index where its encoder and its texts are: {call}"])


def show_json(stated: Stated) -> str:
    """Every field with its binding; one that is unknown has no value. Of the probe, numbers alone."""
    told = manifest.side(stated.document)
    fields = [
        {
            "name": field.name,
            "binding": field.binding,
            "side": field.side,
            **optional("value", fingerprint.value(told.fingerprint, field), field),
            **({"invariant": why} if (why := reason(field, told.invariant)) else {}),
        }
        for field in _known(stated, told.fingerprint)
    ]
    files = {key: stated.document[key] for key in ("file", "digest", "ids", "files") if key in stated.document}
    return dumps({**side_document(stated), **(files if stated.kind is Kind.INDEX else {}), "fields": fields})


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


def _head(stated: Stated) -> list[str]:
    if stated.kind is not Kind.INDEX:
        return [side(stated)]
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
        and not reason(field, told.invariant)
    ]


def _groups(told: Mapping[str, Any], known: Sequence[Field], invariant: Mapping[str, str]) -> Iterator[str]:
    width = max((len(field.path[-1]) for field in known), default=0)
    group = ""
    for field in known:
        if field.path[0] != group:
            group = field.path[0]
            yield ""
            yield group
        why = reason(field, invariant)
        may = f"  (may differ: {why})" if why else ""
        yield f"  {field.path[-1]:{width}}  {field.binding:4}  {shown(field, fingerprint.value(told, field))}{may}"


def _count(fields: Sequence[Field]) -> str:
    return f"{len(fields)} binding field{'s' * (len(fields) != 1)}"
