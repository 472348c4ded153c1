"""The registry of metric keys: which keys there are, their unit, range and direction, and what each means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PATTERNS = {
    "k": r"[1-9][0-9]*",
    "bin": r"0(?:\.[0-9]+)?-0\.[0-9]+",
    "name": r"[A-Za-z0-9][A-Za-z0-9_.@/-]*",
}


@dataclass(frozen=True)
class Family:
    """One key or family of keys. `derivable` metrics can be recomputed from rows; the others are observations."""

    key: str
    unit: str
    low: float | None
    high: float | None
    direction: str
    derivable: bool
    definition: Mapping[str, Any]

    def match(self, key: str) -> re.Match[str] | None:
        pattern, end = "", 0
        for hole in _PLACEHOLDER.finditer(self.key):
            inner = _PATTERNS.get(hole[1], r"[A-Za-z0-9][A-Za-z0-9_.-]*")
            pattern += re.escape(self.key[end : hole.start()]) + f"(?P<{hole[1]}>{inner})"
            end = hole.end()
        return re.fullmatch(pattern + re.escape(self.key[end:]), key)


@dataclass(frozen=True)
class MetricKeys:
    families: tuple[Family, ...]

    def find(self, key: str) -> Family | None:
        """The family that a key belongs to."""
        return next((family for family in self.families if family.match(key)), None)

    def suggest(self, key: str) -> str | None:
        """A known key that looks like this one, with the subset, the cut-off and the bin of the key itself."""
        numbers = re.findall(r"[0-9]+", key)
        subset = key.split("/")[1] if key.count("/") >= 2 else "test"
        ends = {"subset": subset, "k": (numbers or ["10"])[-1], "bin": key.rpartition("/")[2]}
        filled = [_PLACEHOLDER.sub(lambda hole: ends.get(hole[1], hole[0]), family.key) for family in self.families]
        folded = {candidate.lower(): candidate for candidate in filled if self.find(candidate)}
        close = difflib.get_close_matches(key.lower(), folded, n=1)
        return folded[close[0]] if close else None


def parse(document: Mapping[str, Any]) -> MetricKeys:
    """The registry from the data of `spec/metrics/keys.yaml`."""
    families = [
        Family(
            key=entry["key"],
            unit=entry["unit"],
            low=entry["range"][0],
            high=entry["range"][1],
            direction=entry["direction"],
            derivable=entry["derivable"],
            definition=entry["definition"],
        )
        for entry in document["keys"]
    ]
    return MetricKeys(tuple(families))
