"""What `${section.key}` and `${ENV:NAME}` in a config stand for."""

from __future__ import annotations

import json
import os
from typing import Any

from sealkit.contract import did_you_mean
from sealkit.finding import dotted, parts
from sealkit.legacy import Migrated
from sealkit.provenance import ENV, REFERENCE, Config, leaves, nodes


def interpolate(config: Config) -> None:
    """Put in the place of every `${section.key}` of a merged config what it refers to. Raises UsageError."""
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


def reveal(value: Any) -> Any:
    """The value with every `${ENV:NAME}` replaced: for the stage that needs it, never to be written."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda m: os.environ[m[1][4:]] if ENV.match(m[1]) else m[0], value)
    if isinstance(value, dict):
        return {key: reveal(inner) for key, inner in value.items()}
    return [reveal(inner) for inner in value] if isinstance(value, list) else value
