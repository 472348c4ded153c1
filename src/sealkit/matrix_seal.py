"""Seals a matrix: what its tree says, how it was judged, and its numbers; every file of its folder by digest."""

from __future__ import annotations

import importlib.metadata
import secrets
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealkit import digest, matrix_numbers, write
from sealkit.finding import Report, UsageError
from sealkit.matrix_statement import TYPE, predicate
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy
from sealkit.render import json as report_json
from sealkit.render import matrix_html, tabular
from sealkit.render import matrix_seal as page
from sealkit.rundir import SEAL
from sealkit.seal import HTML, PAGE, REPORT, STATEMENT, SUMS, Sealed, outside, refuse_other, stamp, standing
from sealkit.statement import statement
from sealkit.trees.audit import EVIDENCE, Tree, audit_tree, look_at, run_folders
from sealkit.trees.recognise import Recognised

TABLES = "tables"
FORMS = {"md": tabular.markdown, "csv": tabular.csv, "tex": tabular.latex}


def seal_matrix(
    place: Recognised,
    reference: str | None = None,
    policy: Policy = NO_POLICY,
    pack: Pack = BUILT_IN,
    out: Path | None = None,
) -> Sealed:
    """Write the seal of a matrix, whatever the verdict: as `seal/` into its folder, or as the folder `out`. `reference` is the label
    (or the name, or the tag) of the row that the others are compared with.

    Raises UsageError where a seal with other bytes stands there already, where the folder cannot be written, and where there is no
    such row.
    """
    target = place.folder / SEAL if out is None else outside(place.folder, out)
    before = standing(target, EVIDENCE)
    stamps = {name: stamp(place.folder / name) for name in digest.walk(place.folder) if not name.startswith(f"{SEAL}/")}
    tree = look_at(place, policy, pack)
    times = (before["observed_at"], before["sealed_at"]) if before else (tree.document["observed_at"], write.now())
    tree = replace(tree, document={**tree.document, "observed_at": times[0]})
    partial = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        partial.mkdir()
    except OSError as error:
        fix = "toolkit seal MATRIX_DIR --out DIR, where you may write"
        raise UsageError(f"{target.parent}: cannot write the seal: {error.strerror}", fix) from error
    try:
        report = _compose(tree, reference, pack, partial, stamps, times[1])
        if before:
            refuse_other(target, partial)
        else:
            write.sync_tree(partial)
            partial.rename(target)
            write.sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Sealed(digest.file(target / STATEMENT), report, fresh=before is None)


def _compose(
    tree: Tree, reference: str | None, pack: Pack, folder: Path, stamps: Mapping[str, object], sealed_at: str
) -> Report:
    """Write a whole seal into `folder`; `stamps` tell the files of the matrix and how they stood before they were read."""
    place = tree.place.folder
    with ThreadPoolExecutor(
        1
    ) as aside:  # runs of ours are judged in processes of their own: meanwhile there is time for this
        judged = aside.submit(audit_tree, tree, pack)
        numbers = numbers_of(tree, reference, pack)
        digests = digest.files(place, stamps)
        report = judged.result()
    document, version = report_json.document(report), importlib.metadata.version("sealkit")
    stated = state(tree, document, numbers, pack, sealed_at, version, pack.records())
    for name, text in texts(tree.document, document, stated).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8", newline="\n")
    digests |= {f"{SEAL}/{name}": value for name, value in digest.files(folder, digest.walk(folder)).items()}
    if changed := [name for name, before in stamps.items() if stamp(place / name) != before]:
        fix = "seal when nothing writes to the matrix"
        raise UsageError(f"{place / changed[0]}: changed while it was being sealed", fix)
    sealed = write.dumps({**statement(digests, stated), "predicateType": TYPE})
    (folder / STATEMENT).write_text(sealed, "utf-8", newline="\n")
    digests[f"{SEAL}/{STATEMENT}"] = digest.of_bytes(sealed.encode())
    (folder / SUMS).write_text(digest.sums(digests), "utf-8", newline="\n")
    return report


def numbers_of(tree: Tree, reference: str | None, pack: Pack) -> dict[str, Any]:
    """The comparison with the reference row, the tables and the figures of a matrix, from its runs and files of values."""
    if run_folders(tree.gathered):
        return matrix_numbers.of_matrix(tree.place.folder, reference, pack)
    return matrix_numbers.of_evidence(tree.document, reference, tree.place.root, pack.metric_keys)


def state(
    tree: Tree,
    report: Mapping[str, Any],
    numbers: Mapping[str, Any],
    pack: Pack,
    sealed_at: str,
    version: str,
    packs: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """The predicate of the seal, derived from the evidence of a tree, the report on it, and its numbers."""
    risks = {outcome["id"]: pack.checks[outcome["id"]].risk for outcome in report["checks"]}
    return predicate(tree.document, report, numbers, sealed_at, version, packs, risks)


def texts(evidence: Mapping[str, Any], report: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, str]:
    """The files of a seal that are made of what it states, by name in its folder."""
    tables = {
        f"{TABLES}/{table['name']}.{ending}": render(table)
        for table in stated["numbers"]["tables"]
        for ending, render in FORMS.items()
    }
    return {
        EVIDENCE: write.dumps(evidence),
        REPORT: write.dumps(report),
        PAGE: page.render(stated, report),
        HTML: matrix_html.render(stated, report),
        **tables,
    }
