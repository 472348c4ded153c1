"""Runs a command of the user's own, under the contracts that the config declares for it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from sealkit.contract import did_you_mean
from sealkit.finding import Finding, Location, Refused, UsageError
from sealkit.read import json
from sealkit.stage import Context, Input, Out, Params, Ready, Stage
from sealkit.stages.process._process import run_process

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
ContractId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*/v[1-9][0-9]*$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MetricKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@/-]*$")]
_PLACE = re.compile(r"\{(in|out)\.([a-z][a-z0-9_]*)\}")
METRICS = "metrics"


class Command(Params):
    """`run` is the command and its arguments; no shell reads them. `{in.NAME}` and `{out.NAME}` in them, and in the values
    of `env`, stand for the places of inputs and outputs, `{out.metrics}` for a JSON file {key: value} that the command may
    write. `inputs` and `outputs` say which contract each keeps, `promises` which metric keys that file holds at the end.

    `code` names the files and folders that the command is made of: their content belongs to the stage's key, and without
    them its work is never taken from a cache. `env` is added to the user's environment, `timeout_s` in seconds.
    """

    run: list[str] = Field(min_length=1)
    inputs: dict[Name, ContractId] = Field(default={})
    outputs: dict[Name, ContractId] = Field(default={})
    promises: list[MetricKey] = Field(default=[])
    code: list[str] = Field(default=[])
    env: dict[Variable, str] = Field(default={})
    timeout_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _places_are_declared(self) -> Self:
        if METRICS in self.outputs:
            raise ValueError("outputs: `metrics` is no artifact of a stage: write {out.metrics} and declare nothing")
        known = [*(f"{{in.{name}}}" for name in self.inputs), *(f"{{out.{name}}}" for name in (*self.outputs, METRICS))]
        for text in (*self.run, *self.env.values()):
            for match in _PLACE.finditer(text):
                if match[0] not in known:
                    raise ValueError(f"{match[0]} is not declared{did_you_mean(match[0], known)}")
        return self


def declare(stage: Stage, params: Mapping[str, Any]) -> Stage:
    """Only what says which code it is made of can be told from its own earlier self."""
    return replace(stage, inputs=params["inputs"], outputs=params["outputs"], cache=bool(params["code"]))


def ready(params: Command, _: Ready) -> None:
    for name in params.code:
        if not Path(name).exists():
            raise UsageError(
                f"{name}: no such file or folder of code", "paths under `code` begin at the current directory"
            )
    if shutil.which(params.run[0]) is None:
        raise UsageError(f"{params.run[0]}: no such command", "check the first word of `run`, and PATH")


def files(params: Command) -> Iterable[Path]:
    """The code: what is declared, and whatever file the command line itself names."""
    return {Path(name) for name in (*params.code, *(word for word in params.run[1:] if Path(word).is_file()))}


def run(inputs: Mapping[str, Input], params: Command, out: Out, ctx: Context) -> None:
    reported = ctx.scratch / "metrics.json"
    reported.unlink(missing_ok=True)  # what a run that was cut off reported is not what this one does
    places = {
        **{f"in.{name}": str(value.path.absolute()) for name, value in inputs.items()},
        **{f"out.{name}": str(out[name].absolute()) for name in params.outputs},
        f"out.{METRICS}": str(reported.absolute()),
    }
    argv = [_placed(word, places) for word in params.run]
    facts = {
        "seed": ctx.seed, "run_id": ctx.run_id, "device": ctx.device, "limit": "" if ctx.limit is None else ctx.limit,
        **{where.replace(".", "_"): place for where, place in places.items()},
    }  # fmt: skip
    environment = {
        **os.environ,
        **{f"SEALKIT_{name.upper()}": str(value) for name, value in facts.items()},
        **{name: _placed(value, places) for name, value in params.env.items()},
    }
    ctx.facts |= {"executable": shutil.which(argv[0]), "environment": sorted(environment)}
    ctx.counters |= run_process(argv, environment, params.timeout_s, ctx.say)
    if reported.is_file():
        ctx.metrics |= _metrics(reported)
    if broken := [key for key in params.promises if key not in ctx.metrics]:
        fix = "write it there, or take it out of `promises`"
        raise Refused(
            [
                Finding(
                    f"{{out.metrics}}: the command promised `{key}` and did not write it",
                    Location("metrics.json"),
                    fix=fix,
                )
                for key in broken
            ]
        )


def _placed(text: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: places[match[0][1:-1]], text)


def _metrics(path: Path) -> dict[str, float]:
    document = json.read(path, "metrics.json")
    if not isinstance(document, dict):
        message = f"{{out.metrics}}: expected an object of keys and numbers, found {type(document).__name__}"
        raise Refused([Finding(message, Location("metrics.json"), fix='write {"retrieval/test/nDCG@10": 0.5}')])
    return document


STAGE = Stage(
    title="Run a command",
    params=Command,
    inputs={},
    outputs={},
    run=run,
    ready=ready,
    files=files,
    declare=declare,
    metrics=lambda params: params.promises,
)
