"""Whether two sides of a search fit: each read from where it lies, compared field by field, and judged."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sealkit import index_files, manifest
from sealkit.contract import Contract
from sealkit.finding import Finding, Location, ReadError, Refused, Severity, UsageError
from sealkit.fingerprint import Comparison, State
from sealkit.pack import BUILT_IN
from sealkit.read import json
from sealkit.read.source import open_bytes

SEARCH = "search_manifest"
_START = 64  # bytes that tell a JSON document from a file of vectors


class Kind(StrEnum):
    INDEX = "index"
    SEARCH = "search"
    SPACE = "space"


class Verdict(StrEnum):
    FITS = "fits"
    DIFFERS = "does not fit"
    UNKNOWN = "unknown"


EXIT_CODES = {Verdict.FITS: 0, Verdict.DIFFERS: 1, Verdict.UNKNOWN: 3}


@dataclass(frozen=True)
class Stated:
    """One side as it stands in its file: `path` is what the user named, `at` the document's own file."""

    path: Path
    at: Path
    kind: Kind
    document: Mapping[str, Any]

    @property
    def adopted(self) -> bool:
        return self.document.get("witness") == "adopted"

    @property
    def schema(self) -> str | None:
        """The contract that it was written under; None for a bare space."""
        return self.document.get("schema")


@dataclass(frozen=True)
class Fit:
    """Two sides, and each field of both: in a `Comparison`, `index` is the value of `a` and `query` that of `b`. `invariant`
    says why a field, or a group, may differ; `notes` tell what the fields do not."""

    a: Stated
    b: Stated
    fields: tuple[Comparison, ...]
    invariant: Mapping[str, str]
    notes: tuple[str, ...]

    def named(self, state: State, *bindings: str) -> list[Comparison]:
        return [one for one in self.fields if one.state is state and one.field.binding in bindings]

    @property
    def verdict(self) -> Verdict:
        if self.named(State.DIFFERS, "bind"):
            return Verdict.DIFFERS
        unwitnessed = self.a.adopted or self.b.adopted
        return Verdict.UNKNOWN if unwitnessed or self.named(State.UNKNOWN, "bind") else Verdict.FITS

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]


def described(path: Path) -> bool:
    """Whether a path leads to a document that says something of a space, or to an index that has one."""
    return manifest.place(path).exists() or (path.is_file() and _is_json(path))


def read(path: Path) -> Stated:
    """What a path states: the manifest of an index (its folder, its file, or the manifest itself), the manifest of a search, or a
    JSON file that holds a bare space.

    Raises UsageError where nothing is there, ReadError where it cannot be read or states nothing, Refused where it breaks its contract.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder", "check the path")
    at = manifest.place(path)
    if at.exists():
        return _index(path, at)
    if path.is_dir() or not _is_json(path):
        fix = f"describe it where it is built (sealkit.describe_index), or adopt it: toolkit fingerprint adopt {shlex.quote(str(path))}"
        raise ReadError("has no manifest: nobody says what its vectors are", Location(str(path)), fix, malformed=False)
    told = json.read(path, follow=False)
    declared = told.get("schema") if isinstance(told, dict) else None
    kind = str(declared).partition("/")[0]
    if declared is None:
        return Stated(path, path, Kind.SPACE, _space(told, path))
    if kind == manifest.KIND:
        return _index(path, path)
    if kind != SEARCH:
        fix = "give an index, a manifest of an index or a search, or a JSON file with the space of an encoder"
        raise UsageError(f"{path}: is {str(declared)[:40]}, and states no space", fix)
    document = manifest.document(path, SEARCH)
    if "fingerprint" not in document:
        message = f"states no space: the search was by {document.get('mode', 'other means')}, and used no index"
        raise ReadError(message, Location(str(path)), "give a search that used an index", malformed=False)
    return Stated(path, path, Kind.SEARCH, document)


def _is_json(path: Path) -> bool:
    with open_bytes(path, follow=False) as file:
        start = file.read(_START)
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _index(path: Path, at: Path) -> Stated:
    document = manifest.document(at)
    if manifest.identity(document) != document["identity"]:
        message = "the identity is not that of the fields: one of the two was changed"
        fix = "put the manifest back as it was, or describe the index again"
        raise Refused([Finding(message, Location(str(at), pointer="/identity"), Severity.ERROR, fix=fix)])
    return Stated(path, at, Kind.INDEX, document)


def _space(told: Any, at: Path) -> Mapping[str, Any]:
    """A bare space, held against the groups of an index's fingerprint. Raises Refused."""
    whole = BUILT_IN.contracts[manifest.CONTRACT].schema["properties"]["fingerprint"]
    if wrong := Contract(manifest.KIND, manifest.NEWEST, whole).violations(told):
        fix = "write the groups of a fingerprint, as the space of an Encoder has them"
        raise Refused(
            [
                Finding(
                    f"{v.pointer}: {v.message}" if v.pointer else v.message, Location(str(at)), Severity.ERROR, fix=fix
                )
                for v in wrong
            ]
        )
    found: Mapping[str, Any] = told
    return found


def compare(a: Stated, b: Stated) -> Fit:
    """Field by field, whether two sides fit. The probe is left out: it is replayed, never compared.

    The files of an index are held against its manifest, unless the manifest's own file was named. What a bare space leaves to
    the index file (how much of it is searched) is taken from the index. Raises Refused and ReadError.
    """
    for one in (a, b):
        if one.kind is Kind.INDEX and one.path != one.at:
            index_files.hold(one.document, one.at)
    turned = b.kind is Kind.INDEX and a.kind is not Kind.INDEX
    left, right = (b, a) if turned else (a, b)
    query = right.document
    if left.kind is Kind.INDEX and right.kind is Kind.SPACE:
        query = manifest.completed(query, manifest.upgraded(left.document))
    found = [one for one in manifest.compare(left.document, query) if one.field.path[0] != "probe"]
    if turned:
        found = [replace(one, index=one.query, query=one.index) for one in found]
    invariant = {**left.document.get("invariant", {}), **right.document.get("invariant", {})}
    return Fit(a, b, tuple(found), invariant, tuple(_notes(left, right)))


def _notes(left: Stated, right: Stated) -> list[str]:
    notes = []
    if left.schema is not None and right.schema is not None:
        older = max(manifest.side(one.document).version for one in (left, right))
        if older < manifest.NEWEST:
            notes.append(f"both were written under version {older}: what it did not record is left out")
    searched = right.document.get("index") if right.kind is Kind.SEARCH else None
    if left.kind is Kind.INDEX and searched is not None and searched["identity"] != left.document["identity"]:
        notes.append("the search was in an index of another identity")
    return notes
