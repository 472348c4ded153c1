"""The stages of a config in an order in which they can run, with the place of every output. Nothing is run here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

from sealkit import config as configuration
from sealkit import expectation, named, world
from sealkit.contract import did_you_mean
from sealkit.finding import UsageError, pointer
from sealkit.interpolation import reveal
from sealkit.layout import MANY, Layout
from sealkit.pack import Pack
from sealkit.provenance import Config
from sealkit.stage import FILES, Input, Stage
from sealkit.toggles import leave_out

MODEL = "model_manifest/v1"
NAME_LIMIT = 200  # letters of a run's name, which names of files are made from; file systems take 255 bytes
Found = TypeVar("Found")


@dataclass(frozen=True)
class Step:
    """One stage of the plan: what it is, and where each output lies, as (contract id, path, whether a folder)."""

    name: str
    uses: str
    stage: Stage
    inputs: Mapping[str, str]
    params: Mapping[str, Any]
    outputs: Mapping[str, tuple[str, str, bool]]

    def values(self) -> Any:
        """The stage's params with secrets in their places; never to be written."""
        return self.stage.params.model_validate(reveal(dict(self.params)))

    def contract(self, key: str) -> str:
        """What the input of that name must be: a contract id, or `files`."""
        return self.stage.inputs.get(key) or self.stage.inputs[f"{key}?"]


@dataclass(frozen=True)
class Plan:
    """What a run needs before it begins. `root` is where it is to lie; `models` and `files` are the named ones, by name."""

    config: Config
    layout: Layout
    steps: list[Step]
    models: Mapping[str, named.Model]
    files: Mapping[str, named.Files]
    root: Path

    @property
    def metrics(self) -> set[str]:
        """The metric keys that the run will write, as far as its stages say which."""
        times = {f"time/{step.name}" for step in self.steps}
        return times.union(*(step.stage.promised(step.params) for step in self.steps))


def prepare(
    path: Path,
    overrides: list[str],
    pack: Pack,
    runs: Path | None = None,
    *,
    model: Callable[[str], named.Model] = named.model,
    files: Callable[[str], named.Files] = named.files,
) -> Plan:
    """Read a config and plan its run; nothing is written. `runs` is the place of runs where the config names none; `model` and
    `files` find what it names outside of the run.

    Raises UsageError.
    """
    layout = pack.layout()
    contract = pack.contracts["pipeline/v1"]
    config = configuration.load(
        path, overrides, contract, pack.sections, lambda uses: pack.stage(uses).params, pack.legacy_keys, runs
    )
    leave_out(config, pack)
    steps = plan(config, layout, pack)
    outputs = {f"{step.name}.{output}": contract for step in steps for output, (contract, _, _) in step.outputs.items()}
    expectation.hold(config, pack.metric_keys, outputs)
    section = config.data["run"]
    if len(section["name"]) > NAME_LIMIT:
        message = f"run.name has {len(section['name'])} letters; at most {NAME_LIMIT} are taken"
        raise config.error(pointer("run", "name"), message, "choose a shorter one")
    root = Path(section["output_dir"]).expanduser() / section["name"]
    models = _named(config, steps, MODEL, model)
    return Plan(config, layout, steps, models, _named(config, steps, FILES, files), root)


def plan(config: Config, layout: Layout, pack: Pack) -> list[Step]:
    """The stages in an order in which every input exists before it is needed.

    Raises UsageError for wiring that does not fit, circles, and libraries that a stage needs and that are not installed.
    """
    sections = config.data["stages"]
    stages = {name: pack.stage(section["uses"]).declared(section["with"]) for name, section in sections.items()}
    needs = {name: _producers(config, name, stages) for name in stages}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise UsageError(f"the stages wait for each other: {' → '.join(error.args[1])}", "break the circle") from None
    for name, stage in stages.items():
        missing = [library for library, version in world.versions(stage.libraries).items() if version is None]
        if missing:
            where = pointer("stages", name, "uses")
            raise config.error(
                where, f"stage {name} needs {', '.join(missing)}, not installed here", "pip install 'sealkit[all]'"
            )
    return [_step(config, name, stages[name], layout) for name in _ordered(needs)]


def _named(config: Config, steps: list[Step], contract: str, find: Callable[[str], Found]) -> dict[str, Found]:
    """Everything of a contract that the stages name and no stage makes, by name. Raises UsageError at its place."""
    stages = {step.name for step in steps}
    found: dict[str, Found] = {}
    for step in steps:
        for key, reference in step.inputs.items():
            made = contract == MODEL and reference.partition(".")[0] in stages  # files are made by no stage
            if step.contract(key) == contract and not made and reference not in found:
                try:
                    found[reference] = find(reference)
                except UsageError as error:
                    raise config.error(pointer("stages", step.name, "in", key), error.message, error.fix) from error
    return found


def model_input(model: named.Model) -> Input:
    """A named model as a stage is handed it."""
    return Input(model.name, MODEL, model.path, model.weights.digest, model.tree)


def files_input(files: named.Files) -> Input:
    """Files from outside of the run as a stage is handed them."""
    return Input(files.name, FILES, files.path, files.digest)


def _ordered(needs: Mapping[str, set[str]]) -> list[str]:
    """Topological, and where the wiring leaves a choice in the order of the document: a run is the same twice."""
    done: list[str] = []
    while len(done) < len(needs):
        done.append(next(name for name in needs if name not in done and needs[name] <= set(done)))
    return done


def _producers(config: Config, name: str, stages: Mapping[str, Stage]) -> set[str]:
    """The stages that a stage's inputs come from, each input held against what the stage declares."""
    stage, given = stages[name], config.data["stages"][name]["in"]
    contracts = {key.rstrip("?"): contract for key, contract in stage.inputs.items()}
    found = set()
    for key, reference in given.items():
        where = pointer("stages", name, "in", key)
        if key not in contracts:
            message = f"stage {name} takes no input `{key}`{did_you_mean(key, contracts)}"
            raise config.error(where, message, f"known: {', '.join(contracts) or 'none'}")
        producer, dot, output = reference.partition(".")
        if contracts[key] == FILES:
            continue
        if dot and producer in stages:
            offered = stages[producer].offered(config.data["stages"][producer]["with"])
            _fits(config, where, reference, contracts[key], offered, output)
            found.add(producer)
        elif contracts[key] == MODEL and (meant := _meant(producer, output, stages)):
            raise config.error(where, f"`{reference}`: there is no stage {producer}; did you mean `{meant}`?", meant)
        elif contracts[key] != MODEL:
            known = [f"{other}.{output}" for other in stages for output in stages[other].outputs]
            raise config.error(
                where,
                f"`{reference}` is no output of a stage{did_you_mean(reference, known)}",
                f"known: {', '.join(known)}",
            )
    for key, contract in stage.inputs.items():
        if not key.endswith("?") and key not in given:
            raise config.error(
                pointer("stages", name),
                f"stage {name} needs the input `{key}` ({contract})",
                f"add it to stages.{name}.in",
            )
    return found


def _meant(producer: str, output: str, stages: Mapping[str, Stage]) -> str | None:
    """`stage.output` where a stage has that output and nearly that name: a slip of the pen, and no model's name."""
    close = difflib.get_close_matches(producer, [name for name in stages if output in stages[name].outputs], n=1)
    return f"{close[0]}.{output}" if close else None


def _fits(config: Config, where: str, reference: str, contract: str, offered: Mapping[str, str], output: str) -> None:
    stage = reference.partition(".")[0]
    if output not in offered:
        known = [f"{stage}.{name}" for name in offered]
        message = f"`{reference}`: stage {stage} has no such output{did_you_mean(reference, known)}"
        raise config.error(where, message, f"known: {', '.join(known)}")
    if offered[output] != contract:
        raise config.error(
            where, f"`{reference}` is {offered[output]}, expected {contract}", "wire an output of that contract"
        )


def _step(config: Config, name: str, stage: Stage, layout: Layout) -> Step:
    section, outputs = config.data["stages"][name], {}
    for output, contract in stage.offered(section["with"]).items():
        try:
            outputs[output] = (contract.removesuffix(MANY), *layout.place(contract, name, output))
        except LookupError as error:
            where = pointer("stages", name, "with", "outputs", output)
            raise config.error(where, f"output {output} of stage {name}: {error.args[0]}") from None
    return Step(name, section["uses"], stage, section["in"], section["with"], outputs)
