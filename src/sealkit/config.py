"""Sources to a resolved config, with where each value came from.

Precedence: defaults < extends < file < command line. `${section.key}` is replaced once everything is merged;
`${ENV:NAME}` must be set but stays as it stands, and only the stage that needs it sees its value. In a section a mapping is
merged with the default's; in a stage's `with` it replaces it.
"""

from __future__ import annotations

import copy
import json
import os
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sealkit.contract import Contract, did_you_mean
from sealkit.finding import UsageError, dotted, pointer
from sealkit.interpolation import interpolate
from sealkit.legacy import Table
from sealkit.provenance import DEFAULT, Config, Origin, environment, leaves
from sealkit.sources import read


class Params(BaseModel):
    """Base of every set of keys that a config may hold: closed, strict, finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class RunSection(Params):
    """The `run` section, whose shape is fixed by `pipeline/v1`."""

    name: str
    output_dir: str = "outputs"
    seed: int = 42
    purpose: str = "bench"
    limit: int | None = None
    device: str = "auto"


def load(
    path: Path,
    overrides: Sequence[str],
    contract: Contract,
    sections_of: Callable[[Collection[str], Collection[str]], Mapping[str, type[BaseModel]]],
    params_of: Callable[[str], type[BaseModel]],
    table: Table | None = None,
    runs: Path | None = None,
) -> Config:
    """Read, merge, complete and hold a config against everything that is known of its keys.

    `sections_of` gives the models of sections by name, from the domains of the stages and the sections that are there; `params_of` gives the model of a stage's `with` by the name
    under `uses` and raises UsageError for an unknown one; `table` leads from old keys to those of today,
    and `runs` is the place of runs where no source names one.
    Raises UsageError (exit 2).
    """
    config = read(path, overrides, table)
    sections = sections_of(_domains(config.data.get("stages")), config.data)
    _refuse_keys_in_use(table or {}, {"run": RunSection, **sections})
    _refuse_unknown_sections(config, sections)
    _keep(config, contract)
    for name, model in sections.items():
        # References may point at defaults, so these are there before anything is resolved.
        _fill(config, pointer(name), config.data.setdefault(name, {}), model.model_construct().model_dump())
    if runs and "output_dir" not in config.data["run"]:
        config.data["run"]["output_dir"], config.origins["/run/output_dir"] = (
            str(runs),
            Origin("project", "project settings"),
        )
    _fill(config, "/run", config.data["run"], RunSection.model_construct().model_dump())
    interpolate(config)
    _keep(config, contract)
    for name, model in sections.items():
        config.data[name] = _hold(config, pointer(name), model, config.data[name])
    # Strictly, since to JSON Schema 42.0 is an integer; keys of one's own (x-…) stay as they are.
    run = {key: value for key, value in config.data["run"].items() if not key.startswith("x-")}
    config.data["run"] |= _hold(config, "/run", RunSection, run)
    _hold_stages(config, params_of)
    _mark_smoke(config)
    _refuse_unset(config)
    return config


def _domains(stages: Any) -> set[str]:
    """The domains whose stages a document uses; whether it is well formed is seen later."""
    used = (
        [stage.get("uses") for stage in stages.values() if isinstance(stage, dict)] if isinstance(stages, dict) else []
    )
    return {uses.partition(".")[0] for uses in used if isinstance(uses, str)}


def _hold_stages(config: Config, params_of: Callable[[str], type[BaseModel]]) -> None:
    for name, stage in config.data["stages"].items():
        where = pointer("stages", name)
        try:
            model = params_of(stage["uses"])
        except UsageError as error:
            raise config.error(f"{where}/uses", error.message, error.fix) from None
        if "in" not in stage:
            stage["in"], config.origins[f"{where}/in"] = {}, DEFAULT
        stage["with"] = _hold(config, f"{where}/with", model, stage.get("with", {}))


def _mark_smoke(config: Config) -> None:
    """A run with a limit is a smoke run, whatever else it is called."""
    if config.data["run"]["limit"] is not None and config.data["run"]["purpose"] != "smoke":
        config.data["run"]["purpose"] = "smoke"
        config.origins["/run/purpose"] = config.origin("/run/limit")
        config.via["/run/purpose"] = "run.limit"


def _refuse_unset(config: Config) -> None:
    for where, value in leaves(config.data):
        for name in environment(value):
            if name not in os.environ:
                raise config.error(where, f"${{ENV:{name}}} is not set", f"export {name}=… and run again")


def _refuse_keys_in_use(table: Table, sections: Mapping[str, type[BaseModel]]) -> None:
    for old, new in table.items():
        section, _, key = old.partition(".")
        if section in sections and _known_keys(sections[section], key.split(".")[:-1]).count(key.rpartition(".")[2]):
            raise UsageError(
                f"the table of legacy keys leads `{old}` to {new}, but `{old}` is a key of today", "remove the line"
            )


def _refuse_unknown_sections(config: Config, sections: Mapping[str, Any]) -> None:
    known = ["schema", "extends", "run", "stages", "expect", *sections]
    for key in config.data:
        if key not in known:
            raise config.error(
                pointer(key), f"unknown key `{key}`{did_you_mean(key, known)}", f"known: {', '.join(known)}"
            )


def _keep(config: Config, contract: Contract) -> None:
    for violation in contract.violations(config.data):
        where, message = violation.pointer, violation.message
        if "unknown key" in message:
            known = ", ".join(RunSection.model_fields) if where.startswith("/run/") else None
            raise config.error(where, message, known and f"known: {known}")
        raise config.error(where, f"{dotted(where)}: {message}" if where else message)


def _fill(config: Config, where: str, values: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    for key, default in defaults.items():
        here = where + pointer(key)
        if key not in values:
            values[key] = copy.deepcopy(default)
            config.origins[here] = DEFAULT
        elif isinstance(default, dict) and isinstance(values[key], dict):
            _fill(config, here, values[key], default)


def _hold(config: Config, where: str, model: type[BaseModel], values: Any) -> dict[str, Any]:
    """The values completed by a model's defaults. Raises UsageError at the place of the first value that does not fit."""
    try:
        held: dict[str, Any] = model.model_validate(values).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
    else:
        _mark_defaults(config, where, values, held)
        return held
    place = where + pointer(*first["loc"])
    if first["type"] == "extra_forbidden":
        key, holder = str(first["loc"][-1]), where + pointer(*first["loc"][:-1])
        known = _known_keys(model, first["loc"][:-1])
        message = f"unknown key `{key}` in {dotted(holder)}{did_you_mean(key, known)}"
        raise config.error(place, message, f"known: {', '.join(known) or 'none'}")
    if first["type"] == "missing":
        raise config.error(place, f"{dotted(place)} is missing", "give it a value")
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}, found {json.dumps(first['input'], default=str)}"
    raise config.error(place, f"{dotted(place)}: {message}")


def _mark_defaults(config: Config, where: str, given: Any, held: Any) -> None:
    """Whatever a model added was written nowhere."""
    if isinstance(given, dict) and isinstance(held, dict):
        for key, inner in held.items():
            if key not in given:
                config.origins[where + pointer(key)] = DEFAULT
            else:
                _mark_defaults(config, where + pointer(key), given[key], inner)


def _known_keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys that may stand at a place below a model; items and free keys on the way are passed over."""
    models = [model]
    for part in loc:
        if fields := [found.model_fields[str(part)] for found in models if part in found.model_fields]:
            models = [inner for field in fields for inner in _models(field.annotation)]
    return [key for found in models for key in found.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models within an annotation: two in `list[A] | B`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for part in typing.get_args(annotation) for inner in _models(part)]
