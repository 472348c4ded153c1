"""A run as its own records tell of it: the models and files that it named, and what its stages took and wrote."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """Where a record says something: its file, a JSON pointer in it or a line, and the text that stands there. Line 0: of a file as
    a whole."""

    path: str
    pointer: str | None
    text: str
    line: int | None = None


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

    `at` is the record that says which run it is. `source` is the layout that told of it, `native` for our own; of another tool's tree
    a training is a run, too.
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
    at: Place
    source: str = "native"
    is_training: bool = False

    @property
    def key(self) -> str:
        return f"run:{self.path}"

    def stage_key(self, stage: str) -> str:
        return f"stage:{self.path}#{stage}"


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
