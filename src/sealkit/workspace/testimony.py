"""Which files of another tool's tree tell of what: what stands on them, by their paths."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from sealkit import digest
from sealkit.finding import ReadError
from sealkit.trees.evidence import normal
from sealkit.workspace.foreign import Tree
from sealkit.workspace.ledger import Link, Matrix, NotRead, Row
from sealkit.workspace.run import Place, Run, below

CONFIGS = ("base_config", "matrix_config")


def matrix(tree: Tree, runs: Mapping[str, Run]) -> None:
    """Add the matrix of a tree: its rows, and the configs that it names, on which it and its runs stand."""
    evidence, ledger = tree.evidence, tree.ledger
    folder = below(tree.root, str(evidence.document["matrix"]))
    says = evidence.all("matrix")
    at = below(tree.root, says[0].at.path) if says else below(folder, "matrix.json")
    rows = []
    for id, run in runs.items():
        label = evidence.one("run", id, "label")
        where = tree.place(label.at, str(label.value)) if label is not None else Place(at, None, "")
        rows.append(Row(evidence.label(id), run.path, run.run_id, where))
        ledger.links.append(Link(run.key, f"matrix:{at}", f"its run {run.name}", where))
    name = evidence.text("matrix", evidence.ids("matrix")[0], "id") if says else None
    ledger.matrices.append(Matrix(at, name or posixpath.basename(folder), tuple(rows)))
    for said in says:
        if said.what in CONFIGS and said.value and (path := _file(tree, str(said.value))):
            place = tree.place(said.at, str(said.value))
            ledger.links.append(Link(f"file:{path}", f"matrix:{at}", f"names it as its {said.what}", place))
            how = f"its matrix names it as {said.what}"
            ledger.links += (Link(f"file:{path}", run.key, how, place) for run in runs.values())


def files(tree: Tree, runs: Mapping[str, Run]) -> None:
    """Add the files that say something in a tree, each with the runs, the trainings and the matrix that it tells of."""
    ledger = tree.ledger
    told = {("training", id): f"run:{tree.folder('training', id)}" for id in tree.evidence.ids("training")}
    told |= {("run", id): run.key for id, run in runs.items()}
    for id in tree.evidence.ids("matrix"):
        told["matrix", id] = f"matrix:{below(tree.root, tree.evidence.all('matrix', id)[0].at.path)}"
    seen = set()
    for one in tree.evidence.statements:
        if one.at.digest is None:
            continue
        path, key = below(tree.root, one.at.path), told.get((one.of, one.id))
        ledger.files[path] = one.at.digest
        if key is not None and (path, key) not in seen:
            seen.add((path, key))
            ledger.links.append(
                Link(f"file:{path}", key, f"told of in {posixpath.basename(path)}", tree.place(one.at, str(one.value)))
            )


def _file(tree: Tree, name: str) -> str | None:
    """A file that a matrix names, by its path below the workspace; None for one that is not here."""
    path, ledger = below(tree.root, normal(name)), tree.ledger
    if path not in ledger.files and not posixpath.isabs(path) and (ledger.root / path).is_file():
        try:
            ledger.files[path] = digest.file(ledger.root / path, path, follow=False)
        except ReadError as error:
            ledger.not_read.append(NotRead(path, error.message))
            return None
    return path if path in ledger.files else None
