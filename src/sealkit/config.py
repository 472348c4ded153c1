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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sealkit.contract import Contract, did_you_mean
from sealkit.finding import UsageError, dotted, parts, pointer
from sealkit.legacy import Migrated, Table
from sealkit.sources import DEFAULT, ENV, REFERENCE, Config, Origin, environment, leaves, nodes, read


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
    sections: Mapping[str, type[BaseModel]],
    params_of: Callable[[str], type[BaseModel]],
    table: Table | None = None,
    runs: Path | None = None,
) -> Config:
    """Read, merge, complete and hold a config against everything that is known of its keys.

    `sections` are the domains' models by section name; `params_of` gives the model of a stage's `with` by the name
    under `uses` and raises UsageError for an unknown one; `table` leads from old keys to those of today,
    and `runs` is the place of runs where no source names one.
    Raises UsageError (exit 2).
    """
    _refuse_keys_in_use(table or {}, {"run": RunSection, **sections})
    config = read(path, overrides, table)
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
    _interpolate(config)
    _keep(config, contract)
    for name, model in sections.items():
        config.data[name] = _hold(config, pointer(name), model, config.data[name])
    # Strictly, since to JSON Schema 42.0 is an integer; keys of one's own (x-…) stay as they are.
    run = {key: value for key, value in config.data["run"].items() if not key.startswith("x-")}
    config.data["run"] |= _hold(config, "/run", RunSection, run)
    for name, stage in config.data["stages"].items():
        where = pointer("stages", name)
        try:
            model = params_of(stage["uses"])
        except UsageError as error:
            raise config.error(f"{where}/uses", error.message, error.fix) from None
        if "in" not in stage:
            stage["in"], config.origins[f"{where}/in"] = {}, DEFAULT
        stage["with"] = _hold(config, f"{where}/with", model, stage.get("with", {}))
    if config.data["run"]["limit"] is not None and config.data["run"]["purpose"] != "smoke":
        config.data["run"]["purpose"] = "smoke"
        config.origins["/run/purpose"] = config.origin("/run/limit")
        config.via["/run/purpose"] = "run.limit"
    for where, value in leaves(config.data):
        for name in environment(value):
            if name not in os.environ:
                raise config.error(where, f"${{ENV:{name}}} is not set", f"export {name}=… and run again")
    return config


def reveal(value: Any) -> Any:
    """The value with every `${ENV:NAME}` replaced: for the stage that needs it, never to be written."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda m: os.environ[m[1][4:]] if ENV.match(m[1]) else m[0], value)
    if isinstance(value, dict):
        return {key: reveal(inner) for key, inner in value.items()}
    return [reveal(inner) for inner in value] if isinstance(value, list) else value


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


def _interpolate(config: Config) -> None:
    for where, value in list(leaves(config.data)):
        if isinstance(value, str) and "${" in value:
            resolved = _resolve(config, where, value, ())
            if resolved != value:
                config.via[where] = value
                _set(config.data, where, resolved)


def _resolve(config: Config, where: str, value: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(value, str) or "${" not in value:
        return value
    if "${" in REFERENCE.sub("", value):
        raise config.error(where, f"{value!r} holds a ${{ that is not closed", "write ${section.key} or ${ENV:NAME}")
    whole = REFERENCE.fullmatch(value)
    if whole:
        return _lookup(config, where, whole[1], path)
    return REFERENCE.sub(lambda m: _as_text(_lookup(config, where, m[1], path)), value)


def _as_text(value: Any) -> str:
    """A value within a text stands there as YAML would write it: true, null, 0.5."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lookup(config: Config, where: str, key: str, path: tuple[str, ...]) -> Any:
    if key.startswith("ENV:"):
        if not ENV.match(key):
            raise config.error(where, f"${{{key}}}: expected ${{ENV:NAME}}")
        return f"${{{key}}}"
    if key in path:
        raise config.error(
            where, f"${{{key}}} refers to itself by way of {' → '.join((*path, key))}", "break the circle"
        )
    if key in config.legacy:
        origin = config.origin(where)
        config.migrated.append(Migrated(key, config.legacy[key], origin.recorded(), str(origin)))
        return _lookup(config, where, config.legacy[key], path)
    inner: Any = config.data
    for part in key.split("."):
        if not isinstance(inner, dict) or part not in inner:
            known = [dotted(w) for w, _ in nodes(config.data, "") if not w.rpartition("/")[2].isdigit()]
            raise config.error(where, f"${{{key}}}: there is no such key{did_you_mean(key, known)}")
        inner = inner[part]
    if isinstance(inner, dict):
        raise config.error(where, f"${{{key}}} is a section, expected a value")
    return _resolve(config, where, inner, (*path, key))


def _set(data: Any, where: str, value: Any) -> None:
    *path, last = parts(where)
    for part in path:
        data = data[int(part)] if isinstance(data, list) else data[part]
    data[int(last) if isinstance(data, list) else last] = value
