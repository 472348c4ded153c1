"""Seals a matrix: what its tree says, how it was judged, and its numbers; every file of its folder by digest."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealkit import digest, matrix_numbers, write
from sealkit.finding import Report
from sealkit.matrix_statement import TYPE, predicate
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy
from sealkit.render import json as report_json
from sealkit.render import matrix_html, tabular
from sealkit.render import matrix_seal as page
from sealkit.rundir import SEAL
from sealkit.seal import HTML, PAGE, REPORT, Sealed, bind, outside, put, stamp, standing
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
    # A link is a statement of the evidence, by what it leads to: its bytes are those of a file that lies elsewhere.
    names = [name for name in digest.walk(place.folder) if not (place.folder / name).is_symlink()]
    stamps = {name: stamp(place.folder / name) for name in names if not name.startswith(f"{SEAL}/")}
    tree = look_at(place, policy, pack)
    times = (before["observed_at"], before["sealed_at"]) if before else (tree.document["observed_at"], write.now())
    tree = replace(tree, document={**tree.document, "observed_at": times[0]})
    return put(
        place.folder,
        target,
        before is None,
        lambda folder: _compose(tree, reference, pack, folder, stamps, times[1]),
    )


def _compose(
    tree: Tree, reference: str | None, pack: Pack, folder: Path, stamps: Mapping[str, object], sealed_at: str
) -> Report:
    """Write a whole seal into `folder`; `stamps` tell the files of the matrix and how they stood before they were read."""
    place = tree.place.folder
    # Runs of ours are judged in processes of their own: meanwhile there is time for the numbers.
    with ThreadPoolExecutor(1) as aside:
        judged = aside.submit(audit_tree, tree, pack)
        numbers = numbers_of(tree, reference, pack)
        digests = digest.files(place, stamps)
        report = judged.result()
    document, version = report_json.document(report), importlib.metadata.version("sealkit")
    stated = state(tree, document, numbers, pack, sealed_at, version, pack.records())
    for name, text in texts(tree.document, document, stated).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8", newline="\n")
    bind(place, stamps, folder, digests, stated, TYPE)
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
