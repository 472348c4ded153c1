"""What is wrong with a large file, one finding a fault: the first place, and how many more there are."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

from sealkit.finding import Finding, Location, Severity


class Faults:
    """The faults of one file, by name. Memory grows with the number of faults that there can be, not with the file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._first: dict[str, Finding] = {}
        self._more: dict[str, int] = {}

    def __contains__(self, fault: str) -> bool:
        return fault in self._first

    def add(
        self, fault: str, line: int | None, message: str, fix: str, *, also: int | None = None, warning: bool = False
    ) -> None:
        """Note a fault; of one that was noted before only the count. `also` is a further line that belongs to it."""
        if fault in self._first:
            self._more[fault] += 1
            return
        places = () if also is None else (Location(self.name, line=also),)
        severity = Severity.WARNING if warning else Severity.ERROR
        self._first[fault] = Finding(message, Location(self.name, line=line), severity, places, fix)
        self._more[fault] = 0

    def findings(self, but: Container[str] = ()) -> Iterator[Finding]:
        """The findings in the order in which they were noted, without the faults `but`."""
        for fault, finding in self._first.items():
            if fault in but:
                continue
            more = self._more[fault]
            lines = f"; the same on {more:,} further line{'s' * (more > 1)}" if more else ""
            yield replace(finding, message=finding.message + lines)
