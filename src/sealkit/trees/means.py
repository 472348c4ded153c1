"""The means of the values of single queries that runs keep, under the metrics that their summaries report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sealkit import per_query
from sealkit.finding import Location, ReadError
from sealkit.trees.statement import place

Said = Mapping[str, Any]  # a statement of an evidence/v1 document


def statements(root: Path, said: Sequence[Said]) -> list[dict[str, Any]]:
    """What the files of single queries say of the metrics of their runs: a mean each, `by: per_query`. Files that hold other rows than
    `sealkit.per_query` reads say nothing; where their values are needed, it is told why they are not there."""
    of_run: dict[str, list[Said]] = {}
    for one in said:
        if one["of"] == "run":
            of_run.setdefault(one["id"], []).append(one)
    files = (one for one in said if one["what"] == "per_query" and isinstance(one["value"], str))
    return [mean for one in files for mean in _means(root, one, of_run[one["id"]])]


def _means(root: Path, file: Said, run: Sequence[Said]) -> Iterator[dict[str, Any]]:
    try:
        rows = per_query.read(root, file["value"])
    except ReadError:
        return
    for metric, values in rows.items():
        key = _reported(metric, file["key"], len(values), run)
        if key and values:
            mean = math.fsum(values.values()) / len(values)
            told = {"what": "metric", "by": "per_query", "key": key, "value": mean}
            yield {**file, **told, "at": place(Location(file["value"]))}


def _reported(metric: str, of: str | None, rows: int, run: Sequence[Said]) -> str | None:
    """The reported metric that the rows of a file are of: the only one of that name, of the file's subset, or of so many queries."""
    keys = dict.fromkeys(str(one["key"]) for one in run if one["what"] == "metric" and one["by"] == "summary")
    alike = [key for key in keys if metric in (key, key.rpartition("/")[2])]
    if of is not None:
        alike = [key for key in alike if of in (key, key.rpartition("/")[0])]
    counted = {one["key"]: one["value"] for one in run if one["what"] == "queries"}
    if len(alike) > 1:
        alike = [key for key in alike if counted.get(key.rpartition("/")[0]) == rows]
    return alike[0] if len(alike) == 1 else None
