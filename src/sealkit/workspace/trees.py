"""The trees of other tools in a workspace: their matrices, and the runs and trainings that lie beside them. Each is looked at once."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sealkit.finding import UsageError
from sealkit.pack import Pack
from sealkit.trees.evidence import Evidence
from sealkit.trees.layout import Says, Source, TreeLayout
from sealkit.trees.observe import observe_tree
from sealkit.trees.recognise import Recognised, find_root, recognise
from sealkit.workspace import testimony
from sealkit.workspace.foreign import Tree
from sealkit.workspace.ledger import Ledger, NotRead

RUNS = "runs"  # the folder of a matrix that its runs lie in
# The fields of a run that a lineage tells.
OF_RUNS = frozenset(("label", "run_id", "status", "model", "mode", "model_digest", "commit", "ended"))
OUTSIDE = "is part of a tree whose root lies outside of the workspace"


def add(ledger: Ledger, pack: Pack) -> None:
    """Add what the layouts of a pack tell of the records that are not ours. A matrix that none recognises is among what was not read."""
    trees, layouts = _Trees(ledger), list(pack.tree_layouts.values())
    for folder in map(posixpath.dirname, ledger.unclaimed.matrices):
        try:
            found = recognise(ledger.root / folder, pack)
        except UsageError as error:
            ledger.not_read.append(NotRead(folder or ".", error.message.partition("\n")[0].partition(": ")[2]))
            continue
        if found is not None:
            trees.matrix(found, folder)
    for layout in layouts:
        if not any(source.media == "run" for source in layout.sources):  # runs of ours are known by their own records
            for outputs, folders in _beside(ledger, layout).items():
                trees.beside(layout, outputs, folders)
    ledger.not_read[:] = sorted(set(ledger.not_read))


@dataclass
class _Trees:
    """`seen` are the evidences by root, folder of outputs and layout: what lies beside several matrices is looked at with the first."""

    ledger: Ledger
    seen: dict[tuple[Path, str, str], dict[str, Any]] = field(default_factory=dict)

    def matrix(self, found: Recognised, folder: str) -> None:
        tree = self.observed(found, folder)
        if tree is not None:
            self.ledger.trees.append(folder)
            runs = tree.add(tree.evidence.ids("run"))
            testimony.files(tree, runs)
            testimony.matrix(tree, runs)

    def beside(self, layout: TreeLayout, outputs: str, folders: list[str]) -> None:
        """The runs in these folders, which are part of no matrix that could be read, and the trainings."""
        top = posixpath.dirname(outputs) if posixpath.basename(outputs) == RUNS else None
        folder = (self.ledger.root / (folders[0] if top is None else top)).resolve()
        loose = _loose(layout, top is not None)
        tree = self.observed(Recognised(loose, folder, find_root(folder, loose), ()), outputs)
        if tree is not None and (tree.evidence.ids("run") or tree.evidence.ids("training")):
            self.ledger.trees.append(outputs or ".")
            runs = [id for id in tree.evidence.ids("run") if tree.folder("run", id) in folders]
            testimony.files(tree, tree.add(id for id in runs if tree.evidence.one("run", id, "ended")))

    def observed(self, found: Recognised, folder: str) -> Tree | None:
        """A tree with its evidence; None where its root lies elsewhere."""
        root, top = found.root, self.ledger.root.resolve()
        if not root.is_relative_to(top):
            self.ledger.not_read.append(NotRead(folder or ".", OUTSIDE))
            return None
        key = (root, found.names["outputs"], found.layout.id)
        found = replace(found, layout=replace(found.layout, sources=tuple(map(_needed, found.layout.sources))))
        if key not in self.seen:
            document = self.seen[key] = observe_tree(found)[0]
        else:
            own = tuple(source for source in found.layout.sources if _is_own(source))
            document = _joined(
                observe_tree(replace(found, layout=replace(found.layout, sources=own)))[0], self.seen[key]
            )
        below_top = root.relative_to(top).as_posix()
        return Tree(self.ledger, Evidence(document), "" if below_top == "." else below_top)


def _needed(source: Source) -> Source:
    """A source without the settings, metrics and rankings of runs, which are most of what a tree says; its files are told all the same."""
    says = tuple(one for one in source.says if one.of != "run" or one.what in OF_RUNS)
    if source.says and not says:
        says = (Says("run", "here", source.says[0].id, value=True),)
    return replace(source, says=says)


def _is_own(source: Source) -> bool:
    """Whether files tell of a matrix or of its runs, and not of what several matrices share."""
    return any(says.of in ("matrix", "run") for says in source.says)


def _joined(document: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """An evidence of one matrix, with what the first one has of everything that they share."""
    shared = (one for one in first["statements"] if one["of"] not in ("matrix", "run"))
    models = {one["path"]: one for one in (*first["models"], *document["models"])}
    return {
        **document,
        "statements": [*document["statements"], *shared],
        "models": [models[path] for path in sorted(models)],
    }


def _loose(layout: TreeLayout, of_matrix: bool) -> TreeLayout:
    """A layout for what is part of no matrix: its runs lie among the outputs, as those of a matrix lie in its folder; or, `of_matrix`, in
    that of one which cannot be read."""
    sources = []
    for source in layout.sources:
        if "{run}" in source.path and of_matrix:
            sources.append(source)
        elif "{run}" in source.path:
            sources.append(replace(source, paths=("{outputs}/" + source.path[source.path.index("{run}") :],)))
        elif "{matrix}" not in source.path:
            sources.append(source)
    return replace(layout, sources=tuple(sources))


def _beside(ledger: Ledger, layout: TreeLayout) -> dict[str, list[str]]:
    """The folders of runs and trainings that no matrix led to, by the folder of outputs that they lie in."""
    records = {posixpath.basename(source.path) for source in layout.sources if _is_record(source)}
    told = {run.path for run in ledger.runs.values()} | set(ledger.trees)
    runs = (posixpath.dirname(path) for path in ledger.unclaimed.summaries)
    folders = [folder for folder in runs if _holds_run(ledger.root / folder, layout)]
    folders += [posixpath.dirname(path) for path in ledger.unclaimed.settings if posixpath.basename(path) in records]
    found: dict[str, list[str]] = {}
    for folder in folders:
        if folder and folder not in told:
            found.setdefault(posixpath.dirname(folder), []).append(folder)
    return found


def _is_record(source: Source) -> bool:
    """Whether files are what a training is told by."""
    return source.contract is not None and any(says.of == "training" for says in source.says)


def _holds_run(folder: Path, layout: TreeLayout) -> bool:
    """Whether a folder holds more of what a run leaves than a summary: others call files so, too."""
    names = {posixpath.basename(source.path) for source in layout.sources if "{run}/" in source.path}
    return sum((folder / name).is_file() for name in names) > 1
