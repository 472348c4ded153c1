"""Reads the records of a workspace into a ledger. What cannot be read, or is no such record, is told with its reason."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sealkit.finding import ReadError
from sealkit.read import json
from sealkit.read.source import MEBIBYTE
from sealkit.workspace import entries, seals
from sealkit.workspace.entries import MATRIX, METADATA, SUMMARY
from sealkit.workspace.ledger import Ledger, NotRead, Unclaimed
from sealkit.workspace.links import link_runs
from sealkit.workspace.run import below
from sealkit.workspace.survey import INDEX_MANIFEST, SETTINGS, WEIGHTS, Survey, survey

LIMIT = 16 * MEBIBYTE  # of a record
MANIFEST, SEAL = "model_manifest.json", "seal.json"
VERSIONS = {
    METADATA: ("run_metadata/v1",),
    SUMMARY: ("summary/v1",),
    MANIFEST: ("model_manifest/v1",),
    INDEX_MANIFEST: ("index_manifest/v1", "index_manifest/v2"),
    MATRIX: ("matrix/v1",),
}


def read(root: Path) -> Ledger:
    """Everything that the records below a folder say."""
    found = survey(root)
    # Where no model lies that has no manifest of ours, no other tool trained one.
    settings = found.of(SETTINGS) if WEIGHTS in found.files else []
    ledger = Ledger(root, not_read=found.not_read, unclaimed=Unclaimed([], [], settings))
    _runs(ledger, found)
    _each(ledger, found, MANIFEST, entries.model)
    _each(ledger, found, INDEX_MANIFEST, entries.index)
    _each(ledger, found, MATRIX, entries.matrix)
    _each(ledger, found, SEAL, seals.seal)
    link_runs(ledger)
    ledger.not_read.sort()
    return ledger


def _each(ledger: Ledger, found: Survey, name: str, take: Callable[[Ledger, str, Any], None]) -> None:
    for path in found.of(name):
        if (document := _document(ledger, path, name)) is None:
            continue
        try:
            take(ledger, path, document)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError):
            ledger.not_read.append(NotRead(path, _odd(ledger.root / path, path, name)))


def _document(ledger: Ledger, path: str, name: str) -> Any:
    """A record as it stands there; None where it is none of ours, or could not be read, which is told."""
    try:
        document = json.quick(os.path.join(ledger.root, path), path, limit=LIMIT)
    except ReadError as error:
        at = f"line {error.at.line}: " if error.at.line else ""
        ledger.not_read.append(NotRead(path, f"{at}{error.message}"))
        return None
    if name == SEAL:
        return document
    declared = document.get("schema") if isinstance(document, dict) else None
    if declared in VERSIONS[name]:
        return document
    kind = VERSIONS[name][0].partition("/")[0]
    # Others call files so, too (a summary, a matrix): what does not say that it is ours is left to the layouts.
    if isinstance(declared, str) and declared.startswith(f"{kind}/"):
        ledger.not_read.append(NotRead(path, f"keeps {declared}, which this sealkit does not know: update it"))
    elif name == MATRIX:
        ledger.unclaimed.matrices.append(path)
    elif name == SUMMARY:
        ledger.unclaimed.summaries.append(path)
    else:
        ledger.not_read.append(NotRead(path, _odd(ledger.root / path, path, name)))
    return None


def _odd(path: Path, name: str, kind: str) -> str:
    """Why a document is not the record that its name promises, in the words of its contract."""
    from sealkit.pack import BUILT_IN

    contract = BUILT_IN.contracts[VERSIONS.get(kind, ("seal/v1",))[-1]]
    problems, _ = contract.problems(path, name)
    said = problems[0].message if problems else "holds what cannot be followed"
    return f"does not keep {contract.id}: {said}"


def _runs(ledger: Ledger, found: Survey) -> None:
    summaries = {posixpath.dirname(path): path for path in found.of(SUMMARY)}
    folders = {posixpath.dirname(path): path for path in found.of(METADATA)}
    for folder in sorted({*folders, *summaries}):
        metadata = _document(ledger, folders[folder], METADATA) if folder in folders else None
        summary = _document(ledger, summaries[folder], SUMMARY) if folder in summaries else None
        if metadata is None and summary is None:
            if folder not in folders:
                continue
            metadata = {}
        parts = {METADATA: metadata or {}, SUMMARY: summary or {}}
        status = "unreadable" if summary is None and folder in summaries else None
        try:
            ledger.runs[folder] = entries.run(folder, parts[METADATA], parts[SUMMARY], status)
        except (KeyError, TypeError, AttributeError, ValueError):
            for name, read_as in ((METADATA, metadata), (SUMMARY, summary)):
                if read_as is not None and _breaks(folder, name, read_as):
                    path = below(folder, name)
                    ledger.not_read.append(NotRead(path, _odd(ledger.root / path, path, name)))
                    parts[name] = {}
            ledger.runs[folder] = entries.run(folder, parts[METADATA], parts[SUMMARY], status)


def _breaks(folder: str, name: str, document: Mapping[str, Any]) -> bool:
    try:
        entries.run(folder, *((document, {}) if name == METADATA else ({}, document)), None)
    except (KeyError, TypeError, AttributeError, ValueError):
        return True
    return False
