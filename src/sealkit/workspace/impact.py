"""Everything that stands on a content, a run or a folder, transitively, and how each thing comes to stand on it."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sealkit.workspace.graph import CONTENT, Graph, Reached
from sealkit.workspace.ledger import Ledger, Link
from sealkit.workspace.question import Asked
from sealkit.workspace.run import Place, Run, below

KINDS = ("model", "export", "index", "run", "matrix", "seal")


@dataclass(frozen=True)
class Dependent:
    """One thing that stands on what was asked about. `how` it does, in words, with the place that says it; `through` is what it
    stands on directly, None where that is what was asked about itself.

    Of a run, `stages` are those that stand on it and `files` what they wrote. `inside`: it lies in the folder that was asked about.
    """

    kind: str
    name: str
    digest: str | None
    run_id: str | None
    stages: tuple[str, ...]
    files: tuple[str, ...]
    how: str
    through: str | None
    inside: bool
    note: str | None
    at: Place | None


@dataclass(frozen=True)
class Copy:
    """A place where what was asked about lies, by content, with the record that says so."""

    path: str
    digest: str
    at: Place


@dataclass(frozen=True)
class Impact:
    asked: Asked
    copies: tuple[Copy, ...]
    dependents: tuple[Dependent, ...]
    remarks: tuple[str, ...]


def impact(asked: Asked, ledger: Ledger) -> Impact:
    """What stands on it, by content: a run that wrote the same content itself does not stand on another run that did."""
    graph = Graph(ledger)
    reached = graph.reach(asked)
    found = {(one.kind, one.name, one.digest): one for one in _dependents(asked, graph, reached)}
    ordered = sorted(found.values(), key=lambda one: (KINDS.index(one.kind), one.name))
    return Impact(asked, tuple(_copies(asked, ledger)), tuple(ordered), asked.remarks)


def _dependents(asked: Asked, graph: Graph, reached: dict[str, Reached]) -> Iterator[Dependent]:
    ledger = graph.ledger
    stages: defaultdict[str, list[str]] = defaultdict(list)
    for node in reached:
        if node.startswith("stage:"):
            path, _, stage = node.removeprefix("stage:").rpartition("#")
            stages[path].append(stage)
    weights, verdicts = ledger.weights(), {seal.at: seal.verdict for seal in ledger.seals}
    for node, (link, *_) in reached.items():
        kind, _, rest = node.partition(":")
        if link is None or kind == "stage":
            continue
        if node.startswith(CONTENT):
            if node in weights:
                yield from _models(asked, graph, reached, node, link)
        elif kind == "run" and rest in ledger.runs:
            yield _run(asked, graph, reached, ledger.runs[rest], link, stages[rest])
        elif kind in ("index", "matrix", "seal"):
            folder = posixpath.dirname(rest) or rest
            name = rest if kind == "index" and posixpath.basename(rest) != "index_manifest.json" else folder
            note = verdicts[rest] if kind == "seal" else None
            yield _dependent(asked, graph, reached, kind, name, link, note=note)


def _models(asked: Asked, graph: Graph, reached: dict[str, Reached], weights: str, link: Link) -> Iterator[Dependent]:
    """A line for each place where weights lie that stand on it."""
    exports = {made.exported for made in graph.made[weights]}
    for made in graph.made[weights]:
        note = made.role if made.step is None else f"{made.role}, step {made.step}"
        kind, name = ("export", made.exported) if made.exported else ("model", made.folder)
        if kind == "model" and name in exports:
            continue
        yield _dependent(asked, graph, reached, kind, name, link, digest=weights, run_id=made.trained_by, note=note)
    if not graph.made[weights]:
        names = [named.name for named in graph.ledger.named() if named.weights == weights]
        yield _dependent(asked, graph, reached, "model", next(iter(names), weights), link, digest=weights)


def _run(asked: Asked, graph: Graph, reached: dict[str, Reached], run: Run, link: Link, stages: list[str]) -> Dependent:
    ordered = [stage for stage in run.stages if stage.name in stages]
    files = tuple(below(run.path, output.path) for stage in ordered for output in stage.outputs)
    first = reached[run.stage_key(stages[0])].link if stages else None
    note = (
        "has no summary: does not count as a run" if run.status is None else None if run.status == "ok" else run.status
    )
    return _dependent(
        asked, graph, reached, "run", run.path or ".", first or link,
        run_id=run.run_id, stages=tuple(stage.name for stage in ordered), files=files, note=note,
    )  # fmt: skip


def _dependent(
    asked: Asked,
    graph: Graph,
    reached: dict[str, Reached],
    kind: str,
    name: str,
    link: Link,
    *,
    digest: str | None = None,
    run_id: str | None = None,
    stages: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    note: str | None = None,
) -> Dependent:
    through = _through(graph, reached, link, name)
    inside = asked.folder is not None and f"{name}/".startswith(f"{asked.folder}/" if asked.folder else "")
    return Dependent(kind, name, digest, run_id, stages, files, link.how, through, inside, note, link.at)


def _through(graph: Graph, reached: dict[str, Reached], link: Link, name: str) -> str | None:
    """The run, model or index that a link leads back to; None where that is what was asked about."""
    node = link.on
    while (before := reached.get(node)) is not None and before.link is not None:
        if node.startswith(CONTENT):
            if made := graph.made[node]:
                return next((one.exported for one in made if one.exported), made[0].folder)
            node = before.link.on
        else:
            owner = graph.owner(node)
            if owner is not None and owner != name:
                return owner or "."
            node = before.link.on
    return None


def _copies(asked: Asked, ledger: Ledger) -> Iterator[Copy]:
    """Where the contents that were asked about lie, as records say."""
    digests = set(asked.digests)
    seen: set[str] = set()
    for made in ledger.made:
        path = made.exported or made.folder
        if made.weights in digests and path not in seen:
            seen.add(path)
            pointer, text = ("/exported_to", made.exported_to) if made.exported_to else ("/weights", made.weights)
            yield Copy(path, made.weights, made.place(pointer, text))
    for run in ledger.runs.values():
        for stage in run.stages:
            for output in stage.outputs:
                if output.digest in digests:
                    yield Copy(below(run.path, output.path), output.digest, output.at)
