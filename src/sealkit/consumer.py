"""The tables and figures of a matrix: which metric keys each needs of which rows, and whether anybody promises them.

In the wild, figures stay empty without a word because a key has moved one level down. Here a key that no stage promises is
refused before the first run, and one that was promised and is not there fails its row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sealkit.contract import did_you_mean
from sealkit.finding import UsageError, pointer
from sealkit.metric_keys import MetricKeys

WHAT = {"tables": "table", "figures": "figure"}


@dataclass(frozen=True)
class Consumer:
    """A table or a figure. `what` is the section of the document that it stands in, and `labels` are the rows that it is made of.

    `places` are the places of its metrics in the document, as path:line.
    """

    what: str
    name: str
    kind: str | None
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    places: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Its entry in a `matrix/v1`."""
        kind = {"kind": self.kind} if self.kind else {}
        return {"name": self.name, **kind, "metrics": list(self.metrics), "labels": list(self.labels)}


def read(data: Mapping[str, Any], place: Callable[[str], str]) -> tuple[Consumer, ...]:
    """The tables and figures of a matrix document that keeps its contract; `place` tells where a JSON pointer leads, as path:line.

    Raises UsageError for a row that there is none of, and for a name that is taken.
    """
    known = list(dict.fromkeys(entry["label"] for entry in data["experiments"]))
    found: list[Consumer] = []
    for what in WHAT:
        taken: dict[str, str] = {}
        for number, entry in enumerate(data.get(what, [])):
            where, said = pointer(what, number), f"{WHAT[what]} {entry['name']}"
            for i, label in enumerate(entry.get("labels", [])):
                if label not in known:
                    message = f"{said}: there is no experiment `{label}`{did_you_mean(label, known)}"
                    raise UsageError(f"{place(f'{where}/labels/{i}')}: {message}", f"known: {', '.join(known)}")
            if entry["name"].casefold() in taken:
                message = f"its name is that of {taken[entry['name'].casefold()]}"
                raise UsageError(f"{place(where)}: {said}: {message}", "give it another")
            taken[entry["name"].casefold()] = place(where)
            places = tuple(place(f"{where}/metrics/{i}") for i in range(len(entry["metrics"])))
            labels = tuple(entry.get("labels", known))
            found.append(Consumer(what, entry["name"], entry.get("kind"), tuple(entry["metrics"]), labels, places))
    return tuple(found)


def hold(
    consumers: Sequence[Consumer], promised: Sequence[tuple[str, Collection[str]]], metric_keys: MetricKeys
) -> None:
    """Hold what tables and figures need against what runs promise: (label, metric keys) for each run of the matrix.

    Raises UsageError, on the line of the key, for the first that a run of one of their rows does not promise.
    """
    for one in consumers:
        for key, place in zip(one.metrics, one.places, strict=True):
            said = f"{place}: {WHAT[one.what]} {one.name} needs `{key}`"
            asked = [(label, keys) for label, keys in promised if label in one.labels]
            without = dict.fromkeys(label for label, keys in asked if key not in keys)
            if without:
                label = next(iter(without))
                keys = next(keys for label, keys in asked if key not in keys)
                message = f"{said}, and no stage of experiment {label} promises it{_meant(key, keys)}"
                raise UsageError(message, _way_out(one, keys, without))
            if metric_keys.find(key) is None:
                close = metric_keys.suggest(key)
                hint = f"; did you mean `{close}`?" if close else ""
                raise UsageError(f"{said}, an unknown metric key{hint}", "need a key of spec/metrics/keys.yaml")


def _meant(key: str, keys: Collection[str]) -> str:
    """A hint at the promised key that is meant: one that moved by one level, else one that looks like it."""
    for other in sorted(keys):
        if other in _shortened(key) or key in _shortened(other):
            return f"; did you mean `{other}`, one level {'deeper' if len(other) > len(key) else 'higher'}?"
    return did_you_mean(key, keys)


def _shortened(key: str) -> set[str]:
    """A key without any one of its levels."""
    levels = key.split("/")
    return {"/".join([*levels[:i], *levels[i + 1 :]]) for i in range(len(levels))}


def _way_out(one: Consumer, keys: Collection[str], without: Collection[str]) -> str:
    kept = [label for label in one.labels if label not in without]
    if kept:
        return f"name the rows that have it: labels: [{', '.join(kept)}]"
    measured = ", ".join(sorted(key for key in keys if not key.startswith("time/"))) or "nothing but times"
    return f"promised: {measured}; a command promises what it writes in stages.NAME.with.promises"


def missing(record: Mapping[str, Any], label: str, metrics: Collection[str]) -> Iterator[str]:
    """In words, each key that a table or figure of a `matrix/v1` needs of the runs of a label, and that is not among a run's metrics."""
    needed: dict[str, list[str]] = {}
    for what, word in WHAT.items():
        for one in record[what]:
            for key in one["metrics"] if label in one["labels"] else ():
                needed.setdefault(key, []).append(f"{word} {one['name']}")
    for key, names in needed.items():
        if key not in metrics:
            yield f"metrics.json: `{key}` was promised and is not there: {', '.join(names)}"
