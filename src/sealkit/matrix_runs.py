"""The runs of a matrix, ours or another tool's, and what they report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit import matrix_record
from sealkit.contract import did_you_mean
from sealkit.finding import UsageError
from sealkit.pack import Pack
from sealkit.rundir import MATRIX, Run, open_run


@dataclass(frozen=True)
class Reported:
    """A run of a matrix. `label` is its row; `repeat` tells it from the others of that row, where there are several.

    `values` are the metrics that it reports, if it came to its end; `headline` those of them that stand first;
    `queries` how many queries a metric is the mean of, where that is said. `opened` is the run directory of a run of ours,
    `files` (path, and the subset or metric that it is of) hold the values of single queries of others. `note` says what is
    wrong with it.
    """

    name: str
    label: str
    tag: str | None = None
    repeat: str | None = None
    ended: bool = True
    values: Mapping[str, float] = field(default_factory=dict)
    headline: tuple[str, ...] = ()
    queries: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    opened: Run | None = None
    files: tuple[tuple[str, str | None], ...] = ()
    note: str | None = None


def from_matrix(folder: Path, pack: Pack) -> list[Reported]:
    """The runs of a matrix folder of ours. Raises UsageError where there is no matrix."""
    if not (folder / MATRIX).is_file():
        raise UsageError(
            f"{folder}: is no matrix: it holds no {MATRIX}", "give the folder that `toolkit run` printed last"
        )
    return [_ours(folder, entry, pack) for entry in matrix_record.read(folder, pack)["experiments"]]


def _ours(folder: Path, entry: Mapping[str, Any], pack: Pack) -> Reported:
    name = entry["run_dir"].rpartition("/")[2]
    passed = not entry["reason"] and (entry["verdict"] or "").startswith("PASS")
    said = f"{name}: {entry['verdict'] or entry['status']}"
    values: dict[str, float] = {}
    headline: tuple[str, ...] = ()
    seed, run = 0, None
    if entry["status"] == "ok":
        run = open_run(folder / entry["run_dir"], pack.layout(), pack.contracts, pack.metric_keys)
        values = run.document("metrics") or {}
        headline = tuple((run.document("summary") or {}).get("metrics", {}))
        seed = int((run.document("run_metadata") or {}).get("seed") or 0)
    return Reported(
        name=name,
        label=entry["label"],
        tag=entry["tag"],
        repeat=None if entry["repeat"] is None else "".join(f"{key}={one}" for key, one in entry["repeat"].items()),
        ended=run is not None,
        values=values,
        headline=headline,
        seed=seed,
        opened=run,
        note=None if passed else f"{said}: {entry['reason']}" if entry["reason"] else said,
    )


def from_evidence(evidence: Mapping[str, Any]) -> list[Reported]:
    """The runs of another tool's matrix, from the statements of an `evidence/v1` document.

    A metric is what the summary of a run says. Each run is a row; where two have the same label, a row is called by both label
    and run.
    """
    said: dict[str, list[Mapping[str, Any]]] = {}
    for one in evidence["statements"]:
        if one["of"] == "run":
            said.setdefault(one["id"], []).append(one)
    labels = {run: _text(those, "label") or run for run, those in said.items()}
    shared = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    return [
        _theirs(run, f"{labels[run]} ({run})" if labels[run] in shared else labels[run], those)
        for run, those in said.items()
    ]


def _theirs(run: str, label: str, said: Sequence[Mapping[str, Any]]) -> Reported:
    values = dict(_metrics(said))
    counts = [one for one in said if one["what"] == "queries" and _whole(one["value"])]
    seeds = [one["value"] for one in said if one["what"] == "seed" and _whole(one["value"]) and one["value"] >= 0]
    status = _text(said, "status")
    return Reported(
        name=run,
        label=label,
        tag=_text(said, "tag"),
        ended=bool(values),
        values=values,
        headline=tuple(values),
        queries={key: n for key in values if (n := _count(counts, key)) is not None},
        seed=seeds[0] if seeds else 0,
        files=tuple(
            (one["value"], one["key"]) for one in said if one["what"] == "per_query" and isinstance(one["value"], str)
        ),
        note=None if values else f"{run}: no metric in its summary" + (f" (status: {status})" if status else ""),
    )


def _text(said: Sequence[Mapping[str, Any]], what: str) -> str | None:
    return next((str(one["value"]) for one in said if one["what"] == what and one["value"] is not None), None)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _metrics(said: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """The numbers of a summary; what two places of it say differently is no number."""
    found: dict[str, set[float]] = {}
    for one in said:
        number = isinstance(one["value"], int | float) and not isinstance(one["value"], bool)
        if one["what"] == "metric" and one["by"] == "summary" and number and math.isfinite(one["value"]):
            found.setdefault(one["key"], set()).add(float(one["value"]))
    yield from ((key, values.pop()) for key, values in found.items() if len(values) == 1)


def _count(said: Sequence[Mapping[str, Any]], metric: str) -> int | None:
    """The number of queries of a metric: said of it or of its subset, else of the run; None where that is said in two ways."""
    subset = metric.rpartition("/")[0]
    own = {one["value"] for one in said if one["key"] in (metric, subset)} or {one["value"] for one in said}
    return own.pop() if len(own) == 1 and min(own) > 0 else None


def referred(runs: Sequence[Reported], reference: str) -> str:
    """The label of the row that a reference names, by label, by run, or by a tag that one row alone has. Raises UsageError where there
    is none."""
    labels = dict.fromkeys(one.label for one in runs)
    found = [reference] if reference in labels else [one.label for one in runs if one.name == reference]
    found = found or list(dict.fromkeys(one.label for one in runs if one.tag == reference))
    if len(found) != 1:
        message = f"the matrix has no row {reference}{did_you_mean(reference, labels)}"
        raise UsageError(message, f"its rows: {', '.join(labels) or 'none'}")
    return found[0]
