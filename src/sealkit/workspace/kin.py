"""What the records of a workspace say of models, runs and files, to be looked up by content, and the steps that a lineage is told in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from sealkit.workspace.ledger import NAME_ONLY, Index, Ledger, Made
from sealkit.workspace.run import Named, Place, Run, below, workspace_of
from sealkit.workspace.whereabouts import Whereabouts


@dataclass(frozen=True)
class Step:
    """One line of a lineage. `depth` counts from 0; `relation` says how it belongs to the line above it (or to what was asked about).

    `state` is how the model of that name stands now (see `whereabouts`), `now` its weights where they changed.
    """

    depth: int
    relation: str
    kind: str
    name: str
    digest: str | None
    run_id: str | None
    note: str | None
    state: str | None
    now: str | None
    at: Place | None


Steps: TypeAlias = "Iterator[Step | Steps]"


def flat(steps: Steps) -> Iterator[Step]:
    """The steps of steps in order: a chain of models may be longer than Python's stack."""
    waiting = [steps]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
        elif isinstance(found, Step):
            yield found
        else:
            waiting.append(found)


@dataclass
class Kin:
    """The ledger, looked up by content. `told` are the contents that were followed already, by direction: lineage may have circles."""

    ledger: Ledger
    told: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        ledger = self.ledger
        self.whereabouts = Whereabouts(ledger.root)
        self.weights = ledger.weights()
        self.made: defaultdict[str, list[Made]] = defaultdict(list)
        self.born: defaultdict[str, list[Made]] = defaultdict(list)
        self.in_run: defaultdict[str, list[Made]] = defaultdict(list)
        for model in ledger.made:
            self.made[model.weights].append(model)
            if model.base:
                self.born[model.base[1]].append(model)
            if model.run is not None:
                self.in_run[model.run].append(model)
        self.moved = {made.weights for made in ledger.made if made.moved}
        self.named: defaultdict[str, list[Named]] = defaultdict(list)
        for named in ledger.named():
            if named.weights:
                self.named[named.weights].append(named)
        self.took: defaultdict[str, list[tuple[Run, str, str, Place]]] = defaultdict(list)
        self.wrote: defaultdict[str, list[tuple[Run, str, str, Place]]] = defaultdict(list)
        for run in ledger.runs.values():
            for stage in run.stages:
                for name, (digest, at) in stage.inputs.items():
                    self.took[digest].append((run, stage.name, name, at))
                for output in stage.outputs:
                    self.wrote[output.digest].append((run, stage.name, output.path, output.at))
        self.indexes: defaultdict[str, list[Index]] = defaultdict(list)
        for index in ledger.indexes:
            if index.weights and index.run is None:
                self.indexes[index.weights].append(index)

    def is_base(self, digest: str) -> bool:
        """Whether a model that runs loaded is where a lineage begins: something was trained from it, or its name is of no folder of this
        workspace and no other path, so that it was made elsewhere."""
        return self._nobody_made(digest) and (bool(self.born[digest]) or not self._is_path(self.named[digest][0]))

    def is_unknown(self, digest: str) -> bool:
        """Whether a model that runs loaded lies here, and nothing says who made it or what it was for."""
        return self._nobody_made(digest) and not self.is_base(digest)

    def _nobody_made(self, digest: str) -> bool:
        return bool(self.named.get(digest)) and not self.made.get(digest)

    def _is_path(self, named: Named) -> bool:
        """Whether a model goes by the path of a folder: by one that is here, or by how it is written."""
        if named.name.startswith((".", "/", "~", "models/", "outputs/")):
            return True
        root, where = self.ledger.root, workspace_of(named.run)
        return any((root / below(base, named.name)).is_dir() for base in ("", where))

    def first(self, direction: str, digest: str) -> bool:
        """Whether a content is met for the first time: lineage may have circles, where a training changed nothing."""
        new = (direction, digest) not in self.told
        self.told.add((direction, digest))
        return new

    def step(self, depth: int, relation: str, kind: str, name: str, *, digest: str | None = None, run_id: str | None = None,
             note: str | None = None, at: Place | None = None) -> Step:  # fmt: skip
        digest = None if digest is not None and digest.startswith(NAME_ONLY) else digest
        return Step(depth, relation, kind, name, digest, run_id, note or None, None, None, at)

    def run(self, depth: int, relation: str, run: Run, note: str, at: Place | None) -> Step:
        return self.step(depth, relation, "run", run.path or ".", run_id=run.run_id, note=note, at=at)

    def run_name(self, run_id: str) -> str:
        """The folder of a run by its id; the id alone where it is not here."""
        here = self.ledger.by_id(run_id)
        return here[0].path or "." if here else run_id

    def model(self, depth: int, relation: str, name: str, weights: str, at: Place, run: str | None = None, *,
              note: str | None = None) -> Step:  # fmt: skip
        """A model as it stands now; `run` is the one that calls it so."""
        if weights.startswith(NAME_ONLY):
            return Step(depth, relation, "model", name, None, None, note or "known by its name alone", None, None, at)
        if (name, weights) in self.ledger.observed:
            told = "; ".join(part for part in (note, "as it is now, nobody recorded its weights") if part)
            return Step(depth, relation, "model", name, weights, None, told, None, None, at)
        base = workspace_of(run) if run is not None else ""
        state, now = self.whereabouts.state(name, weights, base)
        return Step(depth, relation, "model", name, weights, None, note, state, now, at)


def standing(run: Run) -> list[str]:
    """What keeps a run from counting as one that came to its end."""
    if run.status is None:
        return ["has no summary: does not count as a run"]
    return (
        []
        if run.status == "ok"
        else [f"its summary says {run.status}" if run.status != "unreadable" else "its summary was not read"]
    )


def inner_first(made: Made) -> tuple[bool, bool, int, str]:
    """What a run keeps of itself before its copies elsewhere, best before the others."""
    return (
        made.run is None,
        made.exported_to is not None,
        ("best", "final").index(made.role) if made.role in ("best", "final") else 2,
        made.at,
    )


def role(made: Made) -> str:
    return (
        made.role
        if made.step is None
        else f"step {made.step}"
        if made.role == "step"
        else f"{made.role} (step {made.step})"
    )
