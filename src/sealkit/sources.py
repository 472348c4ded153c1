"""Config files and overrides to one merged document, in which every value knows where it was written."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sealkit import legacy
from sealkit.finding import ReadError, UsageError, dotted, parts, pointer
from sealkit.legacy import Table
from sealkit.provenance import Config, Origin, Source, nodes
from sealkit.read import yaml
from sealkit.read.source import read_text


def read(path: Path, overrides: Sequence[str], table: Table | None = None) -> Config:
    """The file with what it extends below it and the overrides on top, all under the keys of today.

    Nothing is known of keys yet but what `table` says of old ones. Raises UsageError for files that cannot be read,
    circles, overrides that are none, and a source that says two things under an old key and a new one.
    """
    config = Config({}, {}, [], list(overrides), legacy=table or {})
    try:
        for source, document in _chain(path, config.sources):
            _lay(config, document.data, _written_in(source, document), legacy.Source())
        # A stage's `uses` first: wherever it stands on the command line, it clears no `with` that is beside it.
        line = legacy.Source()
        for override in sorted(overrides, key=lambda text: not re.match(r"stages\.[^.]+\.uses=", text)):
            _override(config, override, line)
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", error.fix) from error
    config.data.pop("extends", None)
    return config


def _chain(path: Path, sources: list[Source]) -> list[tuple[Source, yaml.Document]]:
    """The documents from the outermost base to the file itself."""
    found: list[tuple[Source, yaml.Document]] = []
    seen: list[Path] = []
    while True:
        if path.resolve() in seen:
            last, document = found[-1]
            at = f"{last.path}:{document.lines['/extends']}"
            raise UsageError(f"{at}: extends {path}, which is this file or extends it", "break the circle")
        seen.append(path.resolve())
        text = read_text(path, limit=yaml.LIMIT)
        document = yaml.parse(text, str(path))
        if not isinstance(document.data, dict):
            raise UsageError(f"{path}:1: expected a mapping, found {type(document.data).__name__}", "see configs/")
        name, taken = f"sources/{path.name}", {source.name for source, _ in found}
        while name in taken:
            name = f"sources/base_{name.removeprefix('sources/')}"
        found.append((Source(name, path, text, document), document))
        base = document.data.get("extends")
        if base is None:
            break
        if not isinstance(base, str):
            raise UsageError(f"{path}:{document.lines['/extends']}: extends: expected a path, found {base!r}")
        path = path.parent / base
    found.reverse()
    sources += [source for source, _ in found]
    return found


def _lay(config: Config, data: dict[str, Any], origin: Callable[[str], Origin], source: legacy.Source) -> None:
    """Lay a source's data over what is there, under the keys of today."""
    data, moved, found = legacy.migrate(
        data, lambda where: (origin(where).recorded(), str(origin(where))), config.legacy, source
    )
    config.migrated += found

    def came_from(where: str) -> Origin:
        for new, old in moved.items():
            if where == new or where.startswith(f"{new}/"):
                return origin(old + where.removeprefix(new))
        return origin(where)

    _merge(config, data, "", came_from)


def _written_in(source: Source, document: yaml.Document) -> Callable[[str], Origin]:
    return lambda where: Origin(source.name, str(source.path), document.lines.get(where))


def _merge(config: Config, value: dict[str, Any], where: str, origin: Callable[[str], Origin]) -> None:
    """Lay a mapping over what is there, at `where`. Another `uses` for a stage clears what its `with` was."""
    target = _get(config.data, where)
    config.origins[where] = origin(where)
    if re.fullmatch(r"/stages/[^/]+", where) and target.get("uses") not in (
        None,
        value.get("uses", target.get("uses")),
    ):
        target.pop("with", None)
        _forget(config, f"{where}/with")
    for key, inner in value.items():
        here = where + pointer(key)
        if isinstance(inner, dict) and isinstance(target.get(key), dict):
            _merge(config, inner, here, origin)
        else:
            _forget(config, here)
            target[key] = copy.deepcopy(inner)
            config.origins[here] = origin(here)
            config.origins.update((deeper, origin(deeper)) for deeper, _ in nodes(inner, here))


def _forget(config: Config, where: str) -> None:
    """Drop the origins of a value and of everything below it."""
    for known in [known for known in config.origins if known == where or known.startswith(f"{where}/")]:
        del config.origins[known]


def _override(config: Config, text: str, source: legacy.Source) -> None:
    key, equals, raw = text.partition("=")
    if equals and re.search(r"\[|\.[0-9]+(\.|\Z)", key):
        whole = re.split(r"\[|\.[0-9]", key)[0]
        raise UsageError(
            f"override {text!r}: an item of a list cannot be overridden by itself",
            f"give the whole list: '{whole}=[…]'",
        )
    if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*", key):
        raise UsageError(f"override {text!r}: expected KEY=VALUE, as run.seed=7")
    value = yaml.parse(raw, f"override {key}").data if raw else ""
    node: Any = value
    for part in reversed(key.split(".")):
        node = {part: node}
    where = ""
    for part in key.split(".")[:-1]:
        where += pointer(part)
        held = _get(config.data, where)
        if held is not None and not isinstance(held, dict):
            raise UsageError(f"override {text!r}: {dotted(where)} is {held!r}, which has no keys below it")
    _lay(config, node, lambda where: Origin("command line", f"override {text}"), source)


def _get(data: Any, where: str) -> Any:
    for part in parts(where):
        data = data.get(part) if isinstance(data, dict) else None
    return data
