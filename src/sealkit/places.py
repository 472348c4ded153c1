"""The lines of places in the records of a workspace, found when they are shown: few of all that is read."""

from __future__ import annotations

import json as standard
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError, parts
from sealkit.ledger import Place
from sealkit.read import json
from sealkit.read.source import read_text


@dataclass
class Lines:
    """Turns places into locations with their lines."""

    root: Path
    _texts: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def location(self, place: Place) -> Location:
        """A place with its line; without one where the file is no longer what was read."""
        if place.line is not None or place.pointer is None:
            return Location(place.path, place.pointer, place.line)
        try:
            return Location(place.path, place.pointer, self._line(place, place.pointer))
        except (ReadError, KeyError, IndexError, TypeError, ValueError):
            return Location(place.path, place.pointer)

    def _line(self, place: Place, pointer: str) -> int | None:
        """By counting how often the text stands before the place; a walk through the file would cost thirty times as much."""
        text, document = self._read(place.path)
        quoted, at = standard.dumps(place.text, ensure_ascii=False)[1:-1], -1
        for _ in range(_before(document, parts(pointer), quoted) + 1):
            at = text.find(quoted, at + 1)
        return text.count("\n", 0, at) + 1 if at >= 0 else json.line_of(text, pointer)

    def _read(self, path: str) -> tuple[str, Any]:
        if path not in self._texts:
            if len(self._texts) > 8:  # records are asked for in order
                self._texts.clear()
            full = os.path.join(self.root, path)
            self._texts[path] = read_text(Path(full), path, follow=False), json.quick(full, path)
        return self._texts[path]


def _before(document: Any, path: list[str], text: str) -> int:
    """How often a text stands in a document before the value at a path, in the order of the file."""
    count = 0
    for part in path:
        if isinstance(document, list):
            index = int(part)
            count += sum(_count(item, text) for item in document[:index])
            document = document[index]
            continue
        for key, value in document.items():
            count += key.count(text)
            if key == part:
                break
            count += _count(value, text)
        document = document[part]
    return count


def _count(value: Any, text: str) -> int:
    return standard.dumps(value, ensure_ascii=False).count(text)
