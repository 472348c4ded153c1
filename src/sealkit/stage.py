"""What a stage is: one step with declared inputs and outputs, and what it is handed when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit.config import Params
from sealkit.finding import Refused
from sealkit.read import json, jsonl
from sealkit.write import dumps

__all__ = ["FILES", "Context", "Input", "Out", "Params", "Ready", "Refused", "Stage"]

FILES = "files"  # in the place of a contract id: a file or folder from outside of the run, named by its path


@dataclass(frozen=True)
class Input:
    """One input: an artifact of the run, a named model, or files from outside of the run.

    `path` is the file, or the folder of an index or a model. `digest` is that of the file, of the folder's tree, or of
    a model's weights; `tree` is set for models.
    """

    name: str
    contract: str
    path: Path
    digest: str
    tree: str | None = None

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of a JSONL artifact."""
        return (row for _, row in jsonl.rows(self.path, self.name))

    def read(self) -> Any:
        """A JSON artifact."""
        return json.read(self.path, self.name)


@dataclass(frozen=True)
class Out:
    """The private folder that a stage writes to: `out["corpus"]` is the place of that output (folders exist already)."""

    places: Mapping[str, Path]

    def __getitem__(self, output: str) -> Path:
        return self.places[output]

    def rows(self, output: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write an output as JSONL; returns the number of rows. Raises ValueError on NaN and Infinity."""
        import json as standard

        count = 0
        with self.places[output].open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(standard.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                count += 1
        return count

    def document(self, output: str, document: Mapping[str, Any]) -> None:
        """Write an output as a JSON document."""
        self.places[output].write_text(dumps(document), encoding="utf-8", newline="\n")

    def manifest(self, folder: Path, kind: str, document: Mapping[str, Any]) -> None:
        """Write a folder's manifest. The engine fills in the digests; the stage leaves them out."""
        (folder / f"{kind}.json").write_text(
            dumps({"schema": f"{kind}/v1", **document}), encoding="utf-8", newline="\n"
        )


@dataclass
class Context:
    """What a stage may know of its run, and what it may tell: counters and facts for the summary, metrics, progress, and
    with `say` a line for the log.

    `waived("mask-fits-index", "train_mask")` is the reason for which somebody signed for the misfit that this check told of the
    mask of that input, with who and until when; None where nobody did, or nothing was told. A reason that was given stands in
    the facts of the stage, and what it wrote then serves no other run.

    `models` is the folder that models are exported to. `scratch` is a folder of the stage's own that outlives a crash: what
    it finds there when it starts is what it put there itself, with the same params and inputs, before it was cut off. It is
    gone when the stage is done.
    """

    run_id: str
    run_name: str
    stage: str
    seed: int
    limit: int | None
    device: str
    workspace: Path
    models: Path
    scratch: Path
    commit: str | None
    report: Callable[[str, int, int], None]
    used_device: Callable[[str, int], None]
    metrics: dict[str, float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    purpose: str = "bench"
    say: Callable[[str], None] = lambda line: None
    waived: Callable[[str, str], str | None] = lambda check, input: None

    def progress(self, what: str, done: int, total: int) -> None:
        self.report(what, done, total)


@dataclass(frozen=True)
class Ready:
    """What a stage may look at before any stage runs, to refuse early what it could not finish. `models` is where it exports to.

    `resumed`: what lies where the stage writes may be its own, from before the run was cut off.
    """

    run_name: str
    models: Path
    resumed: bool = False


@dataclass(frozen=True)
class Stage:
    """`inputs` and `outputs` map names to contract ids; an input `name?` is optional, and an output of `kind/v1[]` is a folder
    of any number of such artifacts. `libraries` are distributions whose
    versions belong to the stage's key, and `files` names the files and folders outside the run that it reads, whose content
    does. `ready` may raise UsageError before anything is written. A stage that writes outside the run, or whose work
    its key does not decide, says `cache=False`. `declare` makes of a stage and its params the stage with what only
    these params can say, its inputs and outputs above all.

    `needs` says of params which optional inputs are needed with them; the others are then not taken, whatever the config
    wires, and without `needs` all that are given are. `gives` says which outputs are written with them; without it all are.
    `metrics` says which metric keys are written with them, so that what needs a key can be told beforehand that it will be
    there; a stage without it may write metrics, and promises none.
    """

    title: str
    params: type[Params]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    run: Callable[[Mapping[str, Input], Any, Out, Context], None]
    libraries: tuple[str, ...] = ()
    ready: Callable[[Any, Ready], None] | None = None
    files: Callable[[Any], Iterable[Path]] | None = None
    cache: bool = True
    declare: Callable[[Stage, Mapping[str, Any]], Stage] | None = None
    needs: Callable[[Any], set[str]] | None = None
    gives: Callable[[Any], set[str]] | None = None
    metrics: Callable[[Any], Iterable[str]] | None = None

    def declared(self, params: Mapping[str, Any]) -> Stage:
        """The stage as one use of it is: with the inputs and outputs that these params declare."""
        return self.declare(self, params) if self.declare else self

    def offered(self, params: Mapping[str, Any]) -> dict[str, str]:
        """The outputs that are written with these params: name → contract id."""
        if self.gives is None:
            return dict(self.outputs)
        given = self.gives(self.params.model_validate(params))
        return {name: contract for name, contract in self.outputs.items() if name in given}

    def promised(self, params: Mapping[str, Any]) -> set[str]:
        """The metric keys that the stage says it will write with these params."""
        return set(self.metrics(self.params.model_validate(params))) if self.metrics else set()
