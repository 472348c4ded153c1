"""What stands on what, followed from what was asked about: over contents, runs, stages, indexes, matrices and seals."""

from __future__ import annotations

import posixpath
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sealkit.workspace.ledger import NAME_ONLY, Ledger, Link, Made
from sealkit.workspace.question import Asked

CONTENT = ("sha256:", NAME_ONLY)


class Reached(NamedTuple):
    """By which link a thing was reached first; none where it is asked about itself."""

    link: Link | None


class Graph:
    """The links of a ledger, to be followed."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.standing = ledger.standing()
        self.made: defaultdict[str, list[Made]] = defaultdict(list)
        self.wrote: defaultdict[str, set[str]] = defaultdict(set)
        for run in ledger.runs.values():
            for stage in run.stages:
                for output in stage.outputs:
                    self.wrote[output.digest].add(run.path)
        for made in ledger.made:
            self.made[made.weights].append(made)
            if made.run is not None and made.moved:
                self.wrote[made.weights].add(made.run)
        by_id = {run.run_id: run.path for run in ledger.runs.values() if run.run_id}
        self.runs_of = {f"index:{index.at}": index.run for index in ledger.indexes}
        self.runs_of |= {f"seal:{seal.at}": by_id.get(seal.run_id or "") for seal in ledger.seals}

    def owner(self, node: str) -> str | None:
        """The run that a stage, an index or a seal belongs to."""
        kind, _, rest = node.partition(":")
        if kind == "stage":
            return rest.rpartition("#")[0]
        return rest if kind == "run" else self.runs_of.get(node)

    def reach(self, asked: Asked) -> dict[str, Reached]:
        """Everything that stands on what was asked about, the nearest first."""
        waiting = deque(self.start(asked))
        reached = {node: Reached(None) for node, _ in waiting}
        for link in self.trained(asked):
            reached.setdefault(link.thing, Reached(link))
            waiting.append((link.thing, self.owner(link.on)))
        seen = set(waiting)
        parted: dict[str, dict[str | None, list[Link]]] = {}
        while waiting:
            node, by = waiting.popleft()
            for link in self.follow(node, by, parted):
                thing = link.thing
                is_content, from_content = thing.startswith(CONTENT), node.startswith(CONTENT)
                state = (thing, self.owner(node) if is_content and not from_content else None)
                if state not in seen:
                    seen.add(state)
                    reached.setdefault(thing, Reached(link))
                    waiting.append(state)
        return reached

    def start(self, asked: Asked) -> Iterator[tuple[str, str | None]]:
        """The nodes that are asked about: contents, and all of a run."""
        for digest in asked.digests:
            yield digest, None
        for path in asked.records:
            yield f"file:{path}", None
        for path in asked.runs:
            run = self.ledger.runs[path]
            yield run.key, None
            for stage in run.stages:
                yield run.stage_key(stage.name), None
        for matrix in self.ledger.matrices:
            if asked.folder is not None and posixpath.dirname(matrix.at) == asked.folder:
                yield f"matrix:{matrix.at}", None

    def trained(self, asked: Asked) -> Iterator[Link]:
        """The models that the runs that are asked about trained, wherever they lie."""
        for path in asked.runs:
            run = self.ledger.runs[path]
            for made in self.ledger.made:
                if run.run_id and made.trained_by == run.run_id and made.moved:
                    yield Link(run.key, made.weights, "trained by it", made.place("/training/run_id", run.run_id))

    def follow(self, node: str, by: str | None, parted: dict[str, dict[str | None, list[Link]]]) -> Sequence[Link]:
        """The links from a node. Of a content that the run `by` wrote, those to that run, and (once) those to others that did not
        write it themselves."""
        links = self.standing.get(node, ())
        if by is None:
            return links
        if node not in parted:
            parts: defaultdict[str | None, list[Link]] = defaultdict(list)
            wrote = self.wrote[node]
            for link in links:
                owner = self.owner(link.thing)
                parts[owner if owner in wrote else None].append(link)
            parted[node] = parts
        return [*parted[node].pop(by, ()), *parted[node].pop(None, ())]
