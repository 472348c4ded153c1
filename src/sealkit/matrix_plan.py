"""The experiments of a matrix, each planned as a run of its own. What is wrong with any of them is said before one runs."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import named, write
from sealkit.finding import UsageError
from sealkit.matrix_config import Experiment
from sealkit.pack import Pack
from sealkit.plan import Plan, prepare
from sealkit.rundir import RUNS
from sealkit.stage import Ready


@dataclass(frozen=True, eq=False)
class Planned:
    """An experiment and the plan of its run. `overrides` are the experiment's, and those that give the run its place."""

    experiment: Experiment
    plan: Plan
    overrides: tuple[str, ...]


def plans(experiments: Sequence[Experiment], folder: Path, pack: Pack) -> list[Planned]:
    """Plan every experiment as a run below a matrix folder. Nothing is written.

    Raises UsageError, that names the experiment and its line, for the first that cannot be run as it is written, and for one
    that would do what another does.
    """
    # What several experiments name is hashed once; each run hashes it again when it begins.
    look = {"model": functools.cache(named.model), "files": functools.cache(named.files)}
    found = [_plan(experiment, folder, pack, look) for experiment in experiments]
    seen: dict[str, Experiment] = {}
    for one in found:
        data = one.plan.config.data
        run = {key: value for key, value in data["run"].items() if key not in ("name", "output_dir")}
        other = seen.setdefault(write.canonical({**data, "run": run}), one.experiment)
        if other is not one.experiment:
            raise one.experiment.error(
                f"its config is that of {other.label} ({other.places[0]}) in every value",
                "remove it, or override something",
            )
    return found


def _plan(experiment: Experiment, folder: Path, pack: Pack, look: Mapping[str, Any]) -> Planned:
    # As JSON, so that a name like 2026 stays a text.
    place = [f"run.output_dir={json.dumps(str(folder / RUNS))}", f"run.name={json.dumps(experiment.name)}"]
    overrides = (*experiment.overrides, *place)
    try:
        return Planned(experiment, prepare(experiment.base, list(overrides), pack, **look), overrides)
    except UsageError as error:
        raise experiment.error(error.message, error.fix) from error


def refuse_unready(planned: Sequence[Planned], models: Path) -> None:
    """Raise UsageError where a stage of a run that is yet to begin could not finish; `models` is the folder of exports."""
    for one in planned:
        for step in one.plan.steps if not one.plan.root.exists() else ():
            if step.stage.ready:
                try:
                    step.stage.ready(step.values(), Ready(one.plan.root.name, models))
                except UsageError as error:
                    fix = error.fix and error.fix.replace("run.name", "matrix.name")
                    raise one.experiment.error(f"stage {step.name}: {error.message}", fix) from error


def resolved(one: Planned, workspace: Path) -> dict[str, Any]:
    """An entry of `experiments_resolved/v1`."""
    redactor = one.plan.config.redactor(workspace)
    experiment = one.experiment
    return {
        "label": experiment.label,
        "tag": experiment.tag,
        "repeat": experiment.repeat,
        "base": experiment.base.as_posix(),
        "overrides": redactor.value(list(experiment.overrides)),
        "run_dir": f"{RUNS}/{experiment.name}",
        "config": redactor.value(one.plan.config.data),
    }
