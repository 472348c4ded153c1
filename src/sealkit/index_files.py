"""The files of an index, held against its manifest. Nothing here needs faiss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit import digest, manifest, vector_file
from sealkit.finding import Finding, Location, Refused, Severity
from sealkit.read.source import decode, read_bytes

IDS_LIMIT, ID_LIMIT = 2**16, 2**12  # bytes of a list of ids that are read: these, and so many for each row
RESTORE = "put the files of the index back as they were, or build and describe it again"


def hold(stated: Mapping[str, Any], at: Path) -> NDArray[Any] | None:
    """Hold the files beside a manifest, as it stands at `at`, against it; what comes back is the list of ids, None where the
    index returns ids of its own. Raises Refused with all that is not as the manifest says, and ReadError.
    """
    told = manifest.upgraded(stated)
    file = at.parent / Path(told["file"]).name
    said, facts = told["fingerprint"], vector_file.facts(file, str(file))
    ids, listed = (
        (None, None) if told["ids"] is None else read_ids(at.parent / Path(told["ids"]["file"]).name, facts.count)
    )
    names = [entry["name"] for entry in told.get("files", {"listing": []})["listing"]]
    sums = digest.files(at.parent, [*dict.fromkeys([file.name, *names])])
    seen = {"structure": facts.structure(), "search": facts.search(), "vectors": facts.vectors()}
    found: list[tuple[str, Any, Any, tuple[str, ...]]] = [
        ("identity", manifest.identity(stated), stated["identity"], ("identity",))
    ]
    found += [("file digest", sums[file.name], told["digest"], ("digest",))]
    found += [
        (f"{group}.{name}", value, said[group][name], ("fingerprint", group, name))
        for group, values in seen.items()
        for name, value in values.items()
        if name in said.get(group, {})
    ]
    if ids is not None and listed is not None:
        found += [("ids digest", listed, told["ids"]["digest"], ("ids", "digest"))]
    if names:
        whole = digest.listing({name: sums[name] for name in names})
        found += [("digest of all files", whole, told["files"]["digest"], ("files", "digest"))]
    wrong = [
        Finding(
            f"{what}: the manifest says {expected}, found {value}",
            manifest.spot(at, *where),
            Severity.ERROR,
            fix=RESTORE,
        )
        for what, value, expected, where in found
        if value != expected
    ]
    wrong += [
        Finding(
            f"{entry['name']} is not the file that was described",
            Location(str(at.parent / entry["name"])),
            Severity.ERROR,
            fix=RESTORE,
        )
        for entry in told.get("files", {"listing": []})["listing"]
        if sums[entry["name"]] != entry["digest"] and entry["name"] != file.name
    ]
    if ids is not None and len(ids) != facts.count:
        message = f"ids: {told['ids']['file']} lists {len(ids)}, {file.name} holds {facts.count} vectors"
        wrong.append(Finding(message, manifest.spot(at, "ids"), Severity.ERROR, fix=RESTORE))
    if wrong:
        raise Refused(wrong)
    return ids


def read_ids(listing: Path, count: int) -> tuple[NDArray[Any], str]:
    """The ids of `count` rows, as many as the list holds, and its digest. CRLF reads like LF. Raises ReadError."""
    data = read_bytes(listing, str(listing), limit=IDS_LIMIT + ID_LIMIT * count, follow=False)
    lines = decode(data, str(listing)).split("\n")
    if lines[-1] == "":
        lines.pop()
    ids = np.empty(len(lines), dtype=object)
    ids[:] = [line.removesuffix("\r") for line in lines] if b"\r" in data else lines
    return ids, digest.of_bytes(data)
