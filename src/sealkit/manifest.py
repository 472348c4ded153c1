"""The manifest of an index: where it lies, at which version, and what two of them say of each other."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sealkit import digest, fingerprint, write
from sealkit.contract import did_you_mean
from sealkit.finding import Finding, Location, ReadError, Refused, Severity, UsageError, pointer
from sealkit.fingerprint import ABSENT, Comparison, Field
from sealkit.pack import BUILT_IN
from sealkit.read import json

NAME = "index_manifest.json"
KIND = "index_manifest"
NEWEST = 2
CONTRACT = f"{KIND}/v{NEWEST}"
FILES = 1000  # in the folder of an index; one that holds more is no index's own
_LEFT_TO_THE_FILE = ("probes", "ef_search", "score", "ties")


@functools.cache
def fields(version: int = NEWEST) -> tuple[Field, ...]:
    """The fields of the fingerprint in a version of index_manifest."""
    return tuple(fingerprint.fields(BUILT_IN.contracts[f"{KIND}/v{version}"].schema["properties"]["fingerprint"]))


def place(path: Path) -> Path:
    """Where the manifest of an index lies: in its folder; of a file beside it, under the file's name, unless the one of its
    folder is of that file."""
    if path.is_dir():
        return path / NAME
    own, shared = path.with_name(f"{path.name}.{NAME}"), path.with_name(NAME)
    return shared if not own.exists() and _is_of(shared, path.name) else own


def _is_of(at: Path, file: str) -> bool:
    """Whether a manifest is that of a file beside it; one that cannot be read may be, and is not passed over."""
    try:
        told = json.read(at, follow=False)
    except ReadError:
        return at.exists()
    return not isinstance(told, dict) or told.get("file", file) == file


def read(path: Path) -> dict[str, Any]:
    """The manifest of an index (its folder, or its file), as it stands there.

    Raises Refused where there is none, or it cannot be read, is newer than this sealkit or breaks its contract.
    """
    at = place(path)
    if path.exists() and not at.exists():
        fix = f"describe it where it is built (sealkit.describe_index), or adopt it: toolkit fingerprint adopt {shlex.quote(str(path))}"
        message = "holds no manifest: nobody says what its vectors are"
        raise Refused([Finding(message, Location(str(at)), Severity.ERROR, fix=fix)])
    try:
        return document(at)
    except ReadError as error:
        raise Refused([error.finding()]) from error


def document(at: Path, kind: str = KIND) -> dict[str, Any]:
    """A manifest of an index, or of a search, from its own file, at whichever version it was written.

    Raises Refused where it breaks its contract, ReadError where it cannot be read, or is newer than this sealkit.
    """
    told = json.read(at, follow=False)
    declared = told.get("schema") if isinstance(told, dict) else None
    known = [f"{kind}/v{version}" for version in range(1, NEWEST + 1)]
    contract = BUILT_IN.contracts[declared if declared in known else f"{kind}/v{NEWEST}"]
    if declared != contract.id or contract.violations(told):
        problems, judged = contract.problems(at, str(at))
        if not judged:
            raise ReadError(problems[0].message, problems[0].at, problems[0].fix, malformed=False)
        raise Refused(problems)
    return dict(told)


def upgraded(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """A manifest at the newest version of its contract."""
    contract = BUILT_IN.contracts[manifest["schema"]]
    while contract.upgrade:
        manifest = contract.upgrade(manifest)
        contract = BUILT_IN.contracts[manifest["schema"]]
    return manifest


def identity(manifest: Mapping[str, Any]) -> str:
    """The digest of the binding fields of an index manifest of any version, as it stands in its file."""
    if manifest["schema"] == f"{KIND}/v1":
        values = {f.name: fingerprint.value(manifest["fingerprint"], f) for f in fields(1) if f.binding == "bind"}
        return fingerprint.of({name: None if found is ABSENT else found for name, found in values.items()})
    return fingerprint.identity(manifest["fingerprint"], fields(), list(manifest.get("invariant", {})))


class Side(NamedTuple):
    """One side of a comparison, at the newest version: its fingerprint, the version that it was written under, what it declares
    invariant, and whether it is an index."""

    fingerprint: Mapping[str, Any]
    version: int
    invariant: Mapping[str, str]
    is_index: bool


def side(document: Mapping[str, Any]) -> Side:
    """Of a manifest of an index or a search as it stands in its file, or of a bare space."""
    declared = document.get("schema")
    if declared is None:
        return Side(document, NEWEST, {}, False)
    kind, _, version = declared.rpartition("/v")
    new = upgraded(document)
    return Side(new.get("fingerprint", {}), int(version), new.get("invariant", {}), kind == KIND)


def compare(index: Mapping[str, Any], query: Mapping[str, Any]) -> list[Comparison]:
    """Field by field, whether a query side meets an index.

    `index` is an index manifest of any version, as it stands in its file; `query` a manifest (of a search, or of another index:
    then all fields are compared), or a bare space. A field that the contracts of both sides did not record yet is left out.
    """
    left, right = side(index), side(query)
    known = [field for field in fields() if field.since <= max(left.version, right.version)]
    invariant = {**left.invariant, **(right.invariant if right.is_index else {})}
    found = fingerprint.compare(left.fingerprint, right.fingerprint, known, invariant, whole=right.is_index)
    adopted = index.get("witness") == "adopted"
    return [
        replace(one, unwitnessed=True)
        if one.misfit and one.index is ABSENT and (adopted or one.field.since > left.version)
        else one
        for one in found
    ]


def completed(space: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """A query side with what it leaves to the index file: how much of the index is searched, unless it says so itself."""
    search = {name: value for name, value in told["fingerprint"].get("search", {}).items() if name in _LEFT_TO_THE_FILE}
    return {**space, "search": {**search, **space.get("search", {})}}


def signed(reasons: Mapping[str, str]) -> Mapping[str, str]:
    """What is declared invariant, or waived: field or group of the fingerprint → reason.

    Raises UsageError for a name that no fingerprint has, and where there is no reason.
    """
    names = list(dict.fromkeys(name for field in fields() for name in (field.path[0], field.name)))
    for name, reason in reasons.items():
        if name not in names:
            unknown = f"a fingerprint has no `{name}`{did_you_mean(name, names)}"
            raise UsageError(unknown, "name a group (mask) or a field (mask.seed); toolkit spec show index_manifest")
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f"no reason is given for `{name}`", "say why the two sides may differ in it")
    return reasons


def explain_unwitnessed(index: Mapping[str, Any], unknown: Sequence[Comparison]) -> str:
    """Why fields of an index are unknown, and which; a group of which nothing is known is named alone."""
    names = {one.field.name for one in unknown}
    groups: dict[str, list[str]] = {}
    for field in fields():
        if field.binding == "bind" and field.side == "both":
            groups.setdefault(field.path[0], []).append(field.name)
    told = []
    for group, members in groups.items():
        told += [group] if names.issuperset(members) else [name for name in members if name in names]
    told += sorted(names.difference(*groups.values()))
    how = "adopted, not witnessed" if index.get("witness") == "adopted" else f"written under {index['schema']}"
    return f"{how}: of the index are unknown {', '.join(told)}" if told else how


def spot(at: Path, *parts: str) -> Location:
    """A place in the manifest that lies at `at`, by the parts of a JSON pointer."""
    return Location(str(at), pointer=pointer(*parts))


def explain(found: Comparison) -> str:
    """A field of two sides in one line."""
    return f"{found.field.name}: the index was built with {found.index!r}, the query side has {found.query!r}"


def companions(folder: Path) -> list[str]:
    """The names of all files in the folder of an index but its manifest, and those that begin with a dot.

    Raises UsageError where something else than plain files lies there, or a name that no list of files can hold.
    """
    fix = "give the index's own folder, with its files themselves in it"
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name == NAME or name.startswith("."):
                continue
            if not name.isprintable() or "\\" in name:
                raise UsageError(f"{folder}: holds a file named {name!a}", "name it in plain letters")
            if not entry.is_file(follow_symlinks=False):
                what = "link" if entry.is_symlink() else "folder" if entry.is_dir() else "thing that is no plain file"
                raise UsageError(f"{folder}: holds a {what} ({name}), and an index lies flat in one", fix)
            names.append(name)
            if len(names) > FILES:
                raise UsageError(f"{folder}: holds over {FILES:,} files", fix)
    return sorted(names)


def whole(document: Mapping[str, Any], folder: Path, names: list[str]) -> dict[str, Any]:
    """A manifest with the digests of its files: `names` are all of them, `ids` is a name or None. Raises ReadError."""
    sums = digest.files(folder, names)
    listing = [{"name": name, "bytes": (folder / name).stat().st_size, "digest": sums[name]} for name in sorted(names)]
    ids = document["ids"]
    found = {
        **document,
        "digest": sums[document["file"]],
        "ids": None if ids is None else {"file": ids, "digest": sums[ids]},
        "files": {"digest": digest.listing(sums), "listing": listing},
    }
    return {**found, "identity": identity(found)}


def keep(document: Mapping[str, Any], at: Path) -> None:
    """Write a manifest, once it keeps its contract. Raises Refused."""
    contract = BUILT_IN.contracts[document["schema"]]
    if wrong := contract.violations(document):
        raise Refused([Finding(v.message, Location(str(at), pointer=v.pointer or None), Severity.ERROR) for v in wrong])
    write.atomic(at, write.dumps(document))
