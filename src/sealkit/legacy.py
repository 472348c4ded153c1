"""Keys of other days: a table of old → new, applied within one source, before anything is merged.

So an old key in a file never beats an override, and a source that says two things under two names is refused.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sealkit.finding import UsageError, pointer

Table = Mapping[str, str]
_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


@dataclass(frozen=True)
class Migrated:
    """An old key that was met: what it is now, and where it stood."""

    old: str
    new: str
    at: str
    typed: str


@dataclass
class Source:
    """What one source (a file, or the command line) has said so far: new key → (the key as written, value, its place)."""

    said: dict[str, tuple[str, Any, str]] = field(default_factory=dict)

    def says(self, new: str, key: str, value: Any, place: str) -> None:
        """Raises UsageError where the source said something else under another name."""
        before = self.said.get(new)
        if before and before[0] != key and _text(before[1]) != _text(value):
            raise UsageError(
                f"{place}: `{key}` is {_text(value)}, and `{before[0]}` is {_text(before[1])} at {before[2]}",
                f"keep `{new}` with the value that is meant, and remove the other",
            )
        self.said[new] = (key, value, place)


def parse(document: Any, name: str, lines: Mapping[str, int], base: Table) -> dict[str, str]:
    """A table from the data of its YAML file, on top of another. Raises UsageError with the line of what is wrong."""

    def wrong(where: str, message: str, fix: str) -> UsageError:
        return UsageError(f"{name}:{lines.get(where, 1)}: {message}", fix)

    if not isinstance(document, dict) or document.keys() != {"schema", "keys"}:
        raise wrong(
            "",
            "expected `schema: legacy_keys/v1` and `keys`, a mapping of old to new keys",
            "see spec/legacy_keys.yaml",
        )
    if document["schema"] != "legacy_keys/v1":
        raise wrong("/schema", f"expected legacy_keys/v1, found {document['schema']!r}", "write schema: legacy_keys/v1")
    added = document["keys"] if isinstance(document["keys"], dict) else {"": None}
    table = {**base, **added}
    for old, new in added.items():
        where = "/keys" + pointer(old)
        if not isinstance(new, str) or not _KEY.fullmatch(new) or not _KEY.fullmatch(old):
            raise wrong(where, f"`{old}`: expected an old key and a new one, as seed: run.seed", "write keys with dots")
        if base.get(old, new) != new:
            raise wrong(where, f"`{old}` is in the table already, as {base[old]}", "remove the line")
        if new in table:
            raise wrong(where, f"`{old}` leads to {new}, which is an old key itself", f"write {old}: {table[new]}")
        if f"{old}.".startswith(f"{new}.") or f"{new}.".startswith(f"{old}."):
            raise wrong(where, f"`{old}` and {new} hold one another", "name two places that are apart")
    return table


def migrate(
    data: dict[str, Any], place: Callable[[str], tuple[str, str]], table: Table, source: Source
) -> tuple[dict[str, Any], dict[str, str], list[Migrated]]:
    """A source's data under the keys of today, where each moved value stood (new pointer → old), and what was migrated.

    `place` gives a pointer's place twice: as it is recorded, and as the user knows it. Raises UsageError where the source
    contradicts itself, or has no room for the new key.
    """
    result, moved, found = copy.deepcopy(data), {}, []
    for new in dict.fromkeys(table.values()):
        if (held := _get(data, new)) is not _NOTHING:
            source.says(new, new, held, place(_where(new))[1])
    for old, new in table.items():
        value = _get(data, old)
        if value is _NOTHING:
            continue
        at, typed = place(_where(old))
        source.says(new, old, value, typed)
        found.append(Migrated(old, new, at, typed))
        _remove(result, old)
        if _get(data, new) is _NOTHING:
            if blocking := _put(result, new, value):
                where = place(_where(blocking))[1]
                raise UsageError(
                    f"{typed}: `{old}` is now `{new}`, and {blocking} is {_text(_get(data, blocking))} at {where}",
                    f"make {blocking} a mapping",
                )
            moved[_where(new)] = _where(old)
    return result, moved, found


def pairs(config: Mapping[str, Any], table: Table) -> Iterator[tuple[str, Any, str, Any]]:
    """(old key, its value, new key, its value or None where it is absent) for each old key that a config holds."""
    for old, new in table.items():
        if (value := _get(config, old)) is not _NOTHING:
            held = _get(config, new)
            yield old, value, new, None if held is _NOTHING else held


_NOTHING = object()


def _where(key: str) -> str:
    return pointer(*key.split("."))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _get(data: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(data, dict) or part not in data:
            return _NOTHING
        data = data[part]
    return data


def _remove(data: dict[str, Any], key: str) -> None:
    """Take a key out, and the mappings that it leaves empty."""
    first, _, rest = key.partition(".")
    if rest:
        _remove(data[first], rest)
    if not rest or data[first] == {}:
        del data[first]


def _put(data: dict[str, Any], key: str, value: Any) -> str | None:
    """Put a value at a key; the part of the key that is in the way where there is one."""
    *path, last = key.split(".")
    for depth, part in enumerate(path):
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            return ".".join(path[: depth + 1])
    data[last] = copy.deepcopy(value)
    return None
