"""A config in which every value knows where it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit import redact
from sealkit.finding import UsageError, dotted, parts, pointer
from sealkit.legacy import Migrated, Table
from sealkit.read import yaml
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
