"""`open_index`: the guard before every search. An index is opened only for a query side from its own space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import digest, fingerprint
from sealkit.finding import Finding, Location, Refused, Severity, pointer
from sealkit.fingerprint import Difference
from sealkit.pack import BUILT_IN
from sealkit.read import faiss, text

MANIFEST = "index_manifest.json"


@dataclass(frozen=True)
class OpenIndex:
    """A FAISS index that fits its query side. `ids[i]` is the doc_id of row i; `vectors` is the faiss object."""

    vectors: Any
    ids: list[str]
    manifest: Mapping[str, Any]


def schema() -> Mapping[str, Any]:
    """The schema of the fingerprint in `index_manifest/v1`: its fields and what binds."""
    found: Mapping[str, Any] = BUILT_IN.contracts["index_manifest/v1"].schema["properties"]["fingerprint"]
    return found


def differences(index_side: Mapping[str, Any], query_side: Mapping[str, Any]) -> list[Difference]:
    """The binding fields in which the two sides of a search differ; empty where they fit."""
    return fingerprint.compare(index_side, query_side, schema())


def identity(index_side: Mapping[str, Any]) -> str:
    """The digest of the binding fields of an index's fingerprint."""
    return fingerprint.identity(index_side, schema())


def explain(difference: Difference) -> str:
    """A difference in one line."""
    index, query = ("unknown" if side is None else side for side in (difference.index, difference.query))
    return f"{difference.field.name}: the index was built with {index!r}, the query side has {query!r}"


def open_index(folder: Path, query_side: Mapping[str, Any]) -> OpenIndex:
    """Open the index in a folder for a query side (its fingerprint).

    Raises Refused with each field that differs, or where index file, ids and manifest do not belong together; ReadError
    where one of them cannot be read.
    """
    contract = BUILT_IN.contracts["index_manifest/v1"]
    where = str(folder / MANIFEST)
    problems, _ = contract.problems(folder / MANIFEST, where)
    if problems:
        raise Refused(problems)
    manifest = contract.read(folder / MANIFEST, where)
    way_out = "build the index again with the model and settings of the query side"
    found = [
        Finding(explain(d), Location(where, pointer=pointer("fingerprint", *d.field.path)), Severity.ERROR, fix=way_out)
        for d in differences(manifest["fingerprint"], query_side)
    ]
    if found:
        raise Refused(found)
    vectors, listing = folder / Path(manifest["file"]).name, folder / Path(manifest["ids"]["file"]).name
    header = faiss.read_header(vectors)
    ids = [line for _, line in text.lines(listing)]
    promised, structure = manifest["fingerprint"], manifest.get("structure", {"kind": header.structure})
    facts = [
        ("identity", identity(promised), manifest["identity"], "identity"),
        ("file digest", digest.file(vectors), manifest["digest"], "digest"),
        ("ids digest", digest.file(listing), manifest["ids"]["digest"], "ids/digest"),
        ("vectors in the file", header.count, promised["count"], "fingerprint/count"),
        ("ids", len(ids), promised["count"], "fingerprint/count"),
        ("dimension", header.dimension, promised["dimension"], "fingerprint/dimension"),
        ("metric", header.metric, promised["metric"], "fingerprint/metric"),
        ("structure", header.structure, structure["kind"], "structure/kind"),
    ]
    wrong = [
        Finding(f"{what}: the manifest says {said}, found {seen}", Location(where, pointer=f"/{place}"), Severity.ERROR)
        for what, seen, said, place in facts
        if seen != said
    ]
    if wrong:
        raise Refused(wrong)
    import faiss as library

    return OpenIndex(library.read_index(str(vectors)), ids, manifest)
