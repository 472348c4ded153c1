"""Two runs side by side: first everything in which they differ, then by how much the numbers do.

What differs in every two runs (run id, times, the run's own name) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import delta
from sealkit.finding import SealkitError, pointer
from sealkit.pack import BUILT_IN, Pack
from sealkit.rundir import Run, open_run

DATA = ("corpus", "queries", "qrels")
OWN = ("/run/name",)  # of the config: no two runs of a folder have it in common


@dataclass(frozen=True)
class Value:
    """What one run has in a place, and where it came from, if that is known. None where the run has nothing there."""

    value: Any
    source: str | None = None


@dataclass(frozen=True)
class Difference:
    """`name` is a JSON pointer in the config, or what the thing is called."""

    name: str
    a: Value | None
    b: Value | None


@dataclass(frozen=True)
class Part:
    """One thing that may explain other numbers. `unknown` says why it could not be compared."""

    name: str
    differences: tuple[Difference, ...]
    unknown: str | None = None


@dataclass(frozen=True)
class Side:
    """One of the two runs, as a report calls it."""

    path: str
    name: str
    run_id: str
    status: str


@dataclass(frozen=True)
class Diff:
    """`parts` in the order config, data, code, libraries, machine, models; `metrics` (key, in A, in B) of all keys.

    `comparison` is the paired comparison of B with A as its reference: the `deltas` of a seal.
    """

    a: Side
    b: Side
    parts: tuple[Part, ...]
    metrics: tuple[tuple[str, float | None, float | None], ...]
    comparison: Mapping[str, Any]


def diff(a: Path, b: Path, pack: Pack = BUILT_IN) -> Diff:
    """Compare two run directories, finished or not, sealed or not. Raises UsageError where one is none."""
    first, second = (open_run(path, pack.layout(), pack.contracts, pack.metric_keys) for path in (a, b))
    libraries = _named_libraries((first, second), pack)
    return Diff(
        _side(first),
        _side(second),
        (
            _part("config", ("resolved_config",), first, second, _config),
            _part("data", ("summary",), first, second, _data),
            _part("code", ("run_metadata",), first, second, _code),
            _first(_part("libraries", ("run_metadata",), first, second, _libraries), libraries),
            _part("machine", ("run_metadata",), first, second, _machine),
            _part("models", ("run_metadata", "summary"), first, second, _models),
        ),
        _metrics(first, second),
        delta.between(second, first) or {},
    )


def _side(run: Run) -> Side:
    metadata, summary = run.document("run_metadata") or {}, run.document("summary") or {}
    return Side(
        str(run.root),
        metadata.get("name", "unknown"),
        metadata.get("run_id", "unknown"),
        summary.get("status", "unknown"),
    )


def _part(name: str, kinds: tuple[str, ...], a: Run, b: Run, take: Callable[..., Iterator[tuple[str, Value]]]) -> Part:
    """The differences between what `take` finds in the documents of each run; what both runs have comes first."""
    broken = [
        f"{side} has no readable {kind}.json"
        for side, run in (("A", a), ("B", b))
        for kind in kinds
        if not run.document(kind)
    ]
    if broken:
        return Part(name, (), "; ".join(broken))
    one, two = (dict(take(*map(run.document, kinds))) for run in (a, b))
    names = [*one, *(key for key in two if key not in one)]
    found = (Difference(key, one.get(key), two.get(key)) for key in names)
    differing = (item for item in found if _value(item.a) != _value(item.b))
    return Part(name, tuple(sorted(differing, key=lambda item: item.a is None or item.b is None)))


def _value(side: Value | None) -> tuple[Any, ...]:
    """What is compared: the value and its type, since 1, 1.0 and true are three values to a reader of configs."""
    return () if side is None else (repr(side.value),)


def _config(document: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    origins = document["provenance"]
    for where, value in _leaves(document["config"], ""):
        if where not in OWN:
            yield where, Value(value, _origin(origins, where))


def _leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """(pointer, value) of everything that is no mapping; a list is one value, since its items have no names."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, where + pointer(key))
    else:
        yield where, value


def _origin(origins: Mapping[str, str], where: str) -> str | None:
    """Where a value came from: its own origin, that of its first item, or that of what it stands in."""
    own = next((origin for place, origin in origins.items() if place == where or place.startswith(f"{where}/")), None)
    while own is None and where:
        where = where.rpartition("/")[0]
        own = origins.get(where)
    return own


def _data(summary: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """The corpora, queries and judgments that stages took in, by digest."""
    for name, digest, output in _inputs(summary):
        if output and output["contract"].split("/")[0] in DATA:
            yield name, Value(digest, output["path"])


def _inputs(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
    """(stage.input, digest, the output that it is) of each stage that came to its end.

    A model goes in by the digest of its weights, and may then be the output of no stage by that digest.
    """
    made = {output["digest"]: output for stage in summary["stages"] for output in stage["outputs"].values()}
    for stage in summary["stages"]:
        for name, digest in stage["inputs"].items():
            yield f"{stage['name']}.{name}", digest, made.get(digest)


def _code(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    git = metadata["git"]
    yield "commit", Value(git["commit"], git["branch"])
    yield "uncommitted changes", Value(git["diff"] if git["dirty"] else None)
    yield "files that git does not know", Value(git["untracked_count"])
    yield "sealkit", Value(metadata["sealkit"])
    for pack in metadata["packs"]:
        yield f"pack {pack['name']}", Value(pack["digest"], pack["version"])


def _libraries(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    return ((name, Value(version)) for name, version in sorted(metadata["packages"].items()))


def _machine(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    yield "python", Value(metadata["python"])
    for key in ("asked", "used", "threads"):
        yield f"device.{key}", Value(metadata["device"][key])
    for key, value in sorted(metadata["host"].items(), key=lambda item: (item[0] == "name", item[0])):
        yield f"host.{key}", Value(value)


def _models(metadata: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """The weights behind every model that the config names, and those that each stage worked with."""
    for model in metadata["models"]:
        yield model["name"], Value(model["weights"], model["source"])
    for name, digest, output in _inputs(summary):
        if output is None or output["contract"].startswith("model_manifest/"):
            yield name, Value(digest)


def _first(part: Part, names: Iterable[str]) -> Part:
    """The same part with the differences of these names before all others."""
    wanted = set(names)
    return Part(part.name, tuple(sorted(part.differences, key=lambda item: item.name not in wanted)), part.unknown)


def _named_libraries(runs: Iterable[Run], pack: Pack) -> Iterator[str]:
    """The libraries that the stages of these runs name, as far as the stages are known here."""
    for run in runs:
        for stage in (run.document("summary") or {"stages": []})["stages"]:
            try:
                yield from pack.stage(stage["uses"]).libraries
            except SealkitError:
                continue


def _metrics(a: Run, b: Run) -> tuple[tuple[str, float | None, float | None], ...]:
    """All metrics of both, what was measured before what was observed on the way."""
    one, two = a.document("metrics") or {}, b.document("metrics") or {}
    keys = sorted({*one, *two}, key=lambda key: (key.startswith(("time/", "train/")), key))
    return tuple((key, one.get(key), two.get(key)) for key in keys)
