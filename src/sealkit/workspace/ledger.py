"""What the records of a workspace say of runs, models, indexes, matrices and seals, each thing with the place that says it.

Contents are known by digest. What stands on what is kept as links between contents (`sha256:…`), stages (`stage:RUN#NAME`), runs
(`run:RUN`), indexes (`index:FILE`), matrices (`matrix:FILE`), seals (`seal:FILE`), and files that tell of them (`file:FILE`); RUN and
FILE are paths below the root.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sealkit.workspace.run import Named, Place, Run, Taken, below, workspace_of

NAME_ONLY = (
    "name:"  # before the name of a model of which no digest is known: identity by name, where there is nothing better
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Link(NamedTuple):
    """`thing` stands on `on`; `how` says it in words."""

    on: str
    thing: str
    how: str
    at: Place


@dataclass(frozen=True)
class Made:
    """A model by the manifest that was written with it. `folder` is where it lies; `run` and `stage` where it is part of a run.

    `chosen_by` is the metric of the selection; `trained_by` the id of the run that trained it, None for a model nobody trained.
    """

    at: str
    folder: str
    run: str | None
    stage: str | None
    role: str
    step: int | None
    weights: str
    tree: str
    base: tuple[str, str] | None
    trained_by: str | None
    commit: str | None
    hard_negatives: bool | None
    seed: int | None
    chosen_by: str | None
    exported_to: str | None
    places: tuple[tuple[str, Place], ...] = ()

    @property
    def where(self) -> str:
        """The folder that its own names begin at."""
        return workspace_of(self.run) if self.run is not None else ""

    @property
    def has_manifest(self) -> bool:
        """Whether a manifest of ours tells of it, and not the files of another tool."""
        return not self.places

    @property
    def moved(self) -> bool:
        """Whether somebody trained it, and it came out as something else than its base."""
        return self.trained_by is not None and (self.base is None or self.base[1] != self.weights)

    @property
    def exported(self) -> str | None:
        """Where it was exported to, below the root."""
        return None if self.exported_to is None else below(self.where, self.exported_to)

    def place(self, pointer: str, text: str) -> Place:
        """Where a field of the manifest stands; of a model of another tool's tree, the place that says the same."""
        return dict(self.places).get(pointer) or Place(self.at, pointer, text)


class Index(NamedTuple):
    """An index by its manifest."""

    at: str
    run: str | None
    stage: str | None
    weights: str | None
    corpus: str | None
    digest: str
    name: str | None


class Row(NamedTuple):
    """An experiment of a matrix."""

    label: str
    run: str
    run_id: str | None
    at: Place


class Matrix(NamedTuple):
    at: str
    id: str
    rows: tuple[Row, ...]


class Seal(NamedTuple):
    at: str
    run_id: str | None
    verdict: str
    reference: str | None
    outside: tuple[Taken, ...] = ()  # what it says of files outside of what it seals


class NotRead(NamedTuple):
    """What was not read, and why."""

    path: str
    reason: str


class Unclaimed(NamedTuple):
    """Records that are not ours, and that the layout of another tool may know, by path."""

    matrices: list[str]
    summaries: list[str]
    settings: list[str]


@dataclass
class Ledger:
    """Everything that was read below `root`. Where something was `not_read`, no answer is complete.

    Of other tools: `trees` are the folders that were read, `files` the digests of the files that tell something in them, by path;
    `looked` says where else the lines of a lineage were looked for. `observed` are the (name, weights) that nobody recorded: the weights
    are those of now. `stated` are digests by which a record names a model, and the weights that it has.
    """

    root: Path
    runs: dict[str, Run] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    not_read: list[NotRead] = field(default_factory=list)
    unclaimed: Unclaimed = field(default_factory=lambda: Unclaimed([], [], []))
    trees: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    observed: set[tuple[str, str]] = field(default_factory=set)
    stated: dict[str, str] = field(default_factory=dict)
    looked: dict[str, list[str]] = field(default_factory=dict)

    def standing(self) -> dict[str, list[Link]]:
        """The links by what they stand on."""
        found: defaultdict[str, list[Link]] = defaultdict(list)
        for link in self.links:
            found[link.on].append(link)
        return found

    def named(self) -> Iterator[Named]:
        return (named for run in self.runs.values() for named in run.models)

    def by_id(self, run_id: str | None) -> list[Run]:
        return [] if run_id is None else [run for run in self.runs.values() if run.run_id == run_id]

    def contents(self) -> set[str]:
        """Every digest that a record knows of."""
        told = {node for link in self.links for node in (link.on, link.thing) if node.startswith("sha256:")}
        return told | {model.tree for model in self.made} | set(self.files.values()) | set(self.stated)

    def weights(self) -> set[str]:
        """The digests that some record calls a model's weights."""
        told = {model.weights for model in self.made} | {model.base[1] for model in self.made if model.base}
        return (
            told | {one.weights for one in self.named() if one.weights} | {i.weights for i in self.indexes if i.weights}
        )

    def weights_of_tree(self, tree: str) -> set[str]:
        """The weights of the model folders with that digest."""
        told = {model.weights for model in self.made if model.tree == tree}
        return told | {one.weights for one in self.named() if one.tree == tree and one.weights}

    def trainings(self) -> int:
        """How many runs are trainings of another tool, which has no summaries of these."""
        return sum(run.is_training for run in self.runs.values())

    def counted(self) -> int:
        """How many runs count: those whose summary exists."""
        return sum(run.status is not None for run in self.runs.values() if not run.is_training)
