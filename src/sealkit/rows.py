"""What holds between the rows of one file, which no single row can show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


class RowRules:
    """What holds between the rows of one file, from a schema's `x-rows`:

    `unique`: these fields together occur once (within the group, if there is one); `grouped_by`: rows with the same
    value stand together; `ranked`: within a group the field counts 1, 2, 3, …; `order`: within a group, rows are
    sorted by these fields, `-` for falling. Memory grows with the number of distinct keys, not with the rows' size.
    """

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._unique: list[str] = rules.get("unique", [])
        self._only = self._unique[0] if len(self._unique) == 1 else None
        self._group: str | None = rules.get("grouped_by")
        self._ranked: str | None = rules.get("ranked")
        self._order: list[tuple[str, bool]] = [(f.lstrip("-"), f.startswith("-")) for f in rules.get("order", [])]
        self._first: str | None = self._order[0][0] if self._order else None
        self._falling = bool(self._order) and self._order[0][1]
        self._seen: set[Any] = set()
        self._groups: set[Any] = set()
        self._current: Any = object()  # equal to no group
        self._previous: dict[str, Any] | None = None
        self._position = 0
        self._unsure = False  # the row before broke the schema, so that this one's place is not known
        self.count = 0

    def pass_over(self, row: dict[str, Any]) -> None:
        """A row that breaks the schema: it is there, and all that can be said of it is its group."""
        self.count += 1
        value = row.get(self._group) if self._group else None
        if isinstance(value, str) and value != self._current:
            self._enter(value, 0)
        self._previous = None
        self._unsure = True

    def plain(self, rows: Iterable[dict[str, Any]]) -> int:
        """How many rows, from the first, plainly keep the rules, as nearly all do. These are noted, and no others.

        Of the row behind them `broken` tells what is wrong, if anything is: it may as well only be equal to the one
        before in what comes first in the order. One loop over local names: rows are many.
        """
        if self._unsure:
            return 0
        group, unique, only, ranked, first = self._group, self._unique, self._only, self._ranked, self._first
        seen, falling, position, previous, count = self._seen, self._falling, self._position, self._previous, 0
        current = self._current
        for row in rows:
            if group is not None and row[group] != current:
                if row[group] in self._groups:
                    break
                current = row[group]
                self._enter(current, 0)
                position, previous = 0, None
            if unique and (key := row[only] if only else self._key(row)) in seen:
                break
            if ranked is not None and row[ranked] != position + 1:
                break
            if first is not None and previous is not None:
                value, before = row[first], previous[first]
                if (value >= before) if falling else (value <= before):
                    break
            if unique:
                seen.add(key)
            position += 1
            previous = row
            count += 1
        self._position, self._previous = position, previous
        self.count += count
        return count

    def broken(self, row: dict[str, Any]) -> list[str]:
        """The messages of the rules that this row breaks."""
        self.count += 1
        broken = []
        if self._group is not None and row[self._group] != self._current:
            value = row[self._group]
            back = value in self._groups
            if back:
                broken.append(f"{self._group} {json.dumps(value)} comes back after other rows; its rows stand together")
            self._enter(value, row[self._ranked] - 1 if back and self._ranked else 0)
        if self._unique:
            key = self._key(row)
            if key in self._seen:
                named = ", ".join(f"{field} {json.dumps(row[field])}" for field in self._unique)
                broken.append(f"{named} occurs a second time")
            self._seen.add(key)
        self._position += 1
        if self._ranked and row[self._ranked] != self._position:
            if not self._unsure:
                broken.append(f"{self._ranked} is {row[self._ranked]}, expected {self._position}")
            self._position = row[self._ranked]
        self._unsure = False
        if self._order and self._previous is not None:
            broken += self._disorder(self._previous, row)
        self._previous = row
        return broken

    def _key(self, row: dict[str, Any]) -> Any:
        """What may occur once. A single text is found faster than a tuple, and rows are many."""
        return row[self._only] if self._only else tuple([row[field] for field in self._unique])

    def _enter(self, group: Any, position: int) -> None:
        self._groups.add(group)
        self._current, self._previous, self._position = group, None, position
        self._seen.clear()
        self._unsure = False

    def _disorder(self, before: dict[str, Any], row: dict[str, Any]) -> list[str]:
        for field, falling in self._order:
            if row[field] == before[field]:
                continue
            if (row[field] < before[field]) != falling:
                rule = ", then ".join(f"{f} {'falling' if down else 'rising'}" for f, down in self._order)
                return [f"{field} {json.dumps(row[field])} follows {json.dumps(before[field])}; the order is {rule}"]
            break
        return []
