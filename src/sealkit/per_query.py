"""Metrics of single queries as other tools write them: JSON Lines with a row a query, or a row a query and metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError
from sealkit.read import jsonl

LIMIT = 10_000_000  # values that are held of one file


def read(root: Path, name: str) -> dict[str, dict[str, float]]:
    """Metric → query → value of a file below `root`, by the names of metrics that the file itself uses.

    A row is either {query_id, metric or measure, value}, or {query_id, <metric>: value, …}. Raises ReadError, also for a file
    that lies outside of `root`.
    """
    if not (root / name).resolve().is_relative_to(root.resolve()):
        raise ReadError("lies outside of the tree, and readers stay inside", Location(name))
    found: dict[str, dict[str, float]] = {}
    held = 0
    for line, row in jsonl.rows(root / name, name, follow=False):
        query = row.get("query_id")
        if isinstance(query, bool) or not isinstance(query, str | int):
            raise ReadError("has no query_id, expected a text or an integer", Location(name, line=line))
        for metric, value in _values(row):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ReadError(f"the value of {metric} is {value!r}, expected a number", Location(name, line=line))
            of_metric = found.setdefault(metric, {})
            if str(query) in of_metric:
                raise ReadError(f"has the query {query} a second time for {metric}", Location(name, line=line))
            of_metric[str(query)] = float(value)
            held += 1
        if held > LIMIT:
            raise ReadError(f"holds more than {LIMIT:,} values", Location(name, line=line), malformed=False)
    return found


def _values(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(metric, value) of a row. Of one with a column a metric, text is no metric; what is null, or true, is no number."""
    if "value" in row:
        named = row.get("metric", row.get("measure"))
        if isinstance(named, str):
            yield named, row["value"]
            return
    for key, value in row.items():
        if key != "query_id" and not isinstance(value, str | list | dict):
            yield key, value
