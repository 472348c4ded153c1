"""Config files and overrides to one merged document, in which every value knows where it was written."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit import legacy, redact
from sealkit.finding import ReadError, UsageError, dotted, parts, pointer
from sealkit.legacy import Migrated, Table
from sealkit.read import yaml
from sealkit.read.source import read_text
from sealkit.redact import Redactor

REFERENCE = re.compile(r"\$\{([^${}]*)\}")
ENV = re.compile(r"ENV:([A-Za-z_][A-Za-z0-9_]*)\Z")


@dataclass(frozen=True)
class Origin:
    """Where a value was written. `source` is the name below `sources/`, `typed` the path as the user knows it."""

    source: str
    typed: str
    line: int | None = None

    def recorded(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def __str__(self) -> str:
        return self.typed if self.line is None else f"{self.typed}:{self.line}"


DEFAULT = Origin("default", "default")


@dataclass(frozen=True)
class Source:
    """A config file as it was read."""

    name: str
    path: Path
    text: str
    document: yaml.Document


@dataclass
class Config:
    """`data` is the whole config; `origins` says where each value (by JSON pointer) was written."""

    data: dict[str, Any]
    origins: dict[str, Origin]
    sources: list[Source]
    overrides: list[str]
    via: dict[str, str] = field(default_factory=dict)
    left_out: list[dict[str, str]] = field(default_factory=list)
    migrated: list[Migrated] = field(default_factory=list)
    legacy: Table = field(default_factory=dict)

    def provenance(self) -> dict[str, str]:
        """JSON pointer of each value that is no mapping → its origin, in the order of the config."""
        return {where: self.origin(where).recorded() + self._by_way_of(where) for where, _ in leaves(self.data)}

    def document(self, redactor: Redactor) -> dict[str, Any]:
        """The config as it is written and shown: the values without secrets, where each came from, and what was migrated."""
        migrated = [{"old": item.old, "new": item.new, "at": item.at} for item in self.migrated]
        shown = redactor.value(self.data)
        redacted = [
            where for (where, value), (_, other) in zip(leaves(self.data), leaves(shown), strict=True) if value != other
        ]
        return {
            "config": shown,
            "provenance": self.provenance(),
            "overrides": redactor.value(self.overrides),
            "sources": [source.name for source in self.sources],
            **({"migrated": migrated} if migrated else {}),
            **({"redacted": redacted} if redacted else {}),
        }

    def shown_origin(self, where: str) -> str:
        """The place of a value as the user knows it, and by way of what reference it got there."""
        origin = self.origin(where)
        return ("command line" if origin.source == "command line" else str(origin)) + self._by_way_of(where)

    def warnings(self, redacted: Sequence[str]) -> list[str]:
        """What a user should put right, though the config can be run; `redacted` are the places of secrets."""
        old = [f"{item.typed}: `{item.old}` is now `{item.new}`: rename it" for item in self.migrated]
        literal = [where for where in redacted if not environment(_at(self.data, where))]
        return old + [
            f"{self.origin(where)}: {dotted(where)} holds a secret: it is not written to the run; "
            "say ${ENV:NAME} and set that variable"
            for where in literal
        ]

    def redactor(self, workspace: Path | None) -> Redactor:
        """What takes the secrets of this config, also those of `${ENV:NAME}`, out of whatever is written."""
        values = [self.data, self.overrides, *(source.document.data for source in self.sources)]
        names = [name for _, value in leaves(self.data) for name in environment(value)]
        return redact.redactor(values, names, workspace)

    def _by_way_of(self, where: str) -> str:
        while where and where not in self.via:
            where = where.rpartition("/")[0]
        return f" via {self.via[where]}" if where else ""

    def origin(self, where: str) -> Origin:
        """The origin of a value, or of the nearest mapping around it that has one."""
        while where not in self.origins and where:
            where = where.rpartition("/")[0]
        return self.origins.get(where, DEFAULT)

    def error(self, where: str, message: str, fix: str | None = None) -> UsageError:
        """A UsageError that names the place of a value as the user knows it."""
        origin = self.origin(where)
        return UsageError(f"{'config' if origin is DEFAULT else origin}: {message}", fix)


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


def nodes(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every value below one, itself left out, with its JSON pointer."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        here = where + pointer(key)
        yield here, inner
        yield from nodes(inner, here)


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    return ((where, inner) for where, inner in nodes(value, "") if not isinstance(inner, dict | list) or not inner)


def environment(value: Any) -> list[str]:
    """The names in a value's `${ENV:NAME}`."""
    if not isinstance(value, str):
        return []
    return [match[1] for reference in REFERENCE.findall(value) if (match := ENV.match(reference))]


def _at(data: Any, where: str) -> Any:
    for part in parts(where):
        data = data[int(part)] if isinstance(data, list) else data[part]
    return data


def _get(data: Any, where: str) -> Any:
    for part in parts(where):
        data = data.get(part) if isinstance(data, dict) else None
    return data
