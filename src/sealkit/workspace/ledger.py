"""What the records of a workspace say of runs, models, indexes, matrices and seals, each thing with the place that says it.

Contents are known by digest. What stands on what is kept as links between contents (`sha256:…`), stages (`stage:RUN#NAME`), runs
(`run:RUN`), indexes (`index:FILE`), matrices (`matrix:FILE`) and seals (`seal:FILE`); RUN and FILE are paths below the root.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

NAME_ONLY = (
    "name:"  # before the name of a model of which no digest is known: identity by name, where there is nothing better
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Place(NamedTuple):
    """Where a record says something: its file, a JSON pointer in it or a line, and the text that stands there. Line 0: of a file as
    a whole."""

    path: str
    pointer: str | None
    text: str
    line: int | None = None


class Link(NamedTuple):
    """`thing` stands on `on`; `how` says it in words."""

    on: str
    thing: str
    how: str
    at: Place


class Named(NamedTuple):
    """A model that a run named: what it called it, and the digests of what lay there then."""

    name: str
    weights: str | None
    tree: str | None
    run: str
    at: Place


class Taken(NamedTuple):
    """A file or folder outside of the run that its config or its script named."""

    name: str
    digest: str
    at: Place


class Output(NamedTuple):
    """What a stage wrote, by its path below the run."""

    path: str
    digest: str
    contract: str
    at: Place


class Stage(NamedTuple):
    """A stage that came to its end, with the digests of what it took, by the input's name; `key` is that of its cache."""

    name: str
    inputs: dict[str, tuple[str, Place]]
    outputs: tuple[Output, ...]
    key: str | None = None
    cached: str | None = None  # the id of the run that wrote it, where it came from the cache

    def took(self, digest: str) -> list[str]:
        """The inputs by which it took a content."""
        return [name for name, (found, _) in self.inputs.items() if found == digest]


@dataclass(frozen=True)
class Run:
    """A run by its own records. `status` is None where no summary exists: then it does not count as a run, but what it named stands.

    `source` is the layout that told of it; `native` for our own.
    """

    path: str
    run_id: str | None
    name: str
    status: str | None
    seed: int | None
    commit: str | None
    models: tuple[Named, ...]
    files: tuple[Taken, ...]
    stages: tuple[Stage, ...]
    source: str = "native"

    @property
    def key(self) -> str:
        return f"run:{self.path}"

    def stage_key(self, stage: str) -> str:
        return f"stage:{self.path}#{stage}"


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


@dataclass
class Ledger:
    """Everything that was read below `root`; `not_read` says (path, reason) of what was not, and then no answer is complete.

    `trees` are those of other tools that were read, `unclaimed` the folders of matrices that are not ours; `looked` says where else the
    lines of a lineage were looked for. `observed` are the (name, weights) that nobody recorded: the weights are those of now.
    """

    root: Path
    runs: dict[str, Run] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    not_read: list[tuple[str, str]] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    observed: set[tuple[str, str]] = field(default_factory=set)
    unclaimed: list[str] = field(default_factory=list)
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
        return {node for link in self.links for node in (link.on, link.thing) if DIGEST.fullmatch(node)}

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

    def counted(self) -> int:
        """How many runs count: those whose summary exists."""
        return sum(run.status is not None for run in self.runs.values())


def workspace_of(run: str) -> str:
    """The folder that holds `run.output_dir` of a run, below the root; `models/` lies there. See `rundir.workspace`."""
    parts = run.split("/")
    if len(parts) >= 2 and parts[-2] == "runs":
        parts = parts[:-2]
    return "/".join(parts[:-2])


def below(folder: str, name: str) -> str:
    """A path below a folder, as paths in a ledger are written; an absolute one stays."""
    joined = posixpath.normpath(posixpath.join(folder, name.replace("\\", "/")))
    return "" if joined == "." else joined
