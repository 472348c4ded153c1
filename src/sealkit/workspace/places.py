"""The lines of places in the records of a workspace, found when they are shown: few of all that is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sealkit.finding import Location, ReadError, parts
from sealkit.read import json
from sealkit.read.source import decode, read_bytes
from sealkit.workspace.run import Place

KEPT = 8  # files at a time: places are asked for record by record


@dataclass
class Lines:
    """Turns places into locations with their lines."""

    root: Path
    _read: dict[str, tuple[bytes, Any]] = field(default_factory=dict)

    def location(self, place: Place) -> Location:
        """A place with its line; without one where the file is no longer what was read."""
        if place.line is not None or place.pointer is None:
            return Location(place.path, place.pointer, place.line or None)
        try:
            return Location(place.path, place.pointer, self._line(place, place.pointer))
        except (ReadError, KeyError, IndexError, TypeError, ValueError, AttributeError):
            return Location(place.path, place.pointer)

    def _line(self, place: Place, pointer: str) -> int | None:
        """By counting how often the text stands before the place; to walk through the file would cost thirty times as much."""
        data, document = self._open(place.path)
        quoted, at = orjson.dumps(place.text)[1:-1], -1
        for _ in range(_before(document, parts(pointer), quoted) + 1):
            at = data.find(quoted, at + 1)
            if at < 0:  # it is written in another way there
                return json.line_of(decode(data, place.path), pointer)
        return data.count(b"\n", 0, at) + 1

    def _open(self, path: str) -> tuple[bytes, Any]:
        if path not in self._read:
            if len(self._read) > KEPT:
                self._read.clear()
            data = read_bytes(os.path.join(self.root, path), path, follow=False)
            self._read[path] = data, orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
        return self._read[path]


def _before(document: Any, path: list[str], text: bytes) -> int:
    """How often a text stands in a document before the value at a path, in the order of the file."""
    count = 0
    for part in path:
        if isinstance(document, list):
            index = int(part)
            count += orjson.dumps(document[:index]).count(text)
            document = document[index]
            continue
        before: dict[str, Any] = {}
        for key, value in document.items():
            if key == part:
                break
            before[key] = value
        count += orjson.dumps(before).count(text) + orjson.dumps(part).count(text)
        document = document[part]
    return count
