"""The manifest of an index: where it lies, at which version, and what two of them say of each other."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sealkit import digest, fingerprint, write
from sealkit.contract import Contract
from sealkit.finding import Finding, Location, ReadError, Refused, Severity, UsageError
from sealkit.fingerprint import ABSENT, Comparison, Field
from sealkit.pack import BUILT_IN

NAME = "index_manifest.json"
KIND = "index_manifest"
NEWEST = 2


@functools.cache
def fields(version: int = NEWEST) -> tuple[Field, ...]:
    """The fields of the fingerprint in a version of index_manifest."""
    return tuple(fingerprint.fields(BUILT_IN.contracts[f"{KIND}/v{version}"].schema["properties"]["fingerprint"]))


def place(path: Path) -> Path:
    """Where the manifest of an index lies: in its folder; or beside the file, under the file's name; or in the file's folder."""
    if path.is_dir():
        return path / NAME
    own, shared = path.with_name(f"{path.name}.{NAME}"), path.with_name(NAME)
    return shared if shared.is_file() and not own.is_file() else own


def read(path: Path) -> dict[str, Any]:
    """The manifest of an index (its folder, or its file), as it stands there. Raises Refused."""
    at = place(path)
    if path.exists() and not at.exists():
        fix = "describe it where it is built (sealkit.describe_index), or adopt it: toolkit fingerprint adopt " + str(
            path
        )
        raise Refused(
            [Finding("holds no manifest: nobody says what its vectors are", Location(str(at)), Severity.ERROR, fix=fix)]
        )
    contract = _kept(at)
    problems, _ = contract.problems(at, str(at))
    if problems:
        raise Refused(problems)
    document: dict[str, Any] = contract.read(at, str(at))
    return document


def _kept(at: Path) -> Contract:
    """The contract that a manifest names; the newest where it names none that is known."""
    newest = BUILT_IN.contracts[f"{KIND}/v{NEWEST}"]
    try:
        document = newest.read(at, str(at))
    except ReadError:
        return newest
    declared = document.get("schema") if isinstance(document, dict) else None
    known = [BUILT_IN.contracts[f"{KIND}/v{version}"] for version in range(1, NEWEST + 1)]
    return next((contract for contract in known if contract.id == declared), newest)


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
    return fingerprint.compare(left.fingerprint, right.fingerprint, known, invariant, whole=right.is_index)


def explain(found: Comparison) -> str:
    """A field of two sides in one line."""
    return f"{found.field.name}: the index was built with {found.index!r}, the query side has {found.query!r}"


def companions(folder: Path) -> list[str]:
    """The names of all files in the folder of an index but its manifest, and those that begin with a dot. Raises UsageError."""
    names = [name for name in digest.walk(folder) if name != NAME and not name.startswith(".")]
    if nested := [name for name in names if "/" in name]:
        raise UsageError(
            f"{folder}: holds folders ({nested[0]}), and an index lies flat in one", "give the index's own folder"
        )
    return names


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
