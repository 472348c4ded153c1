"""The masks that a config declares: what each is drawn by, where that stands, and which of them meet at an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sealkit.artifact import Artifact
from sealkit.check import View
from sealkit.finding import Location

KINDS = ("none", "fixed", "dynamic")
RULE = ("kind", "generator", "rate", "seed", "schedule", "window_length", "pad_value")

Group = Mapping[str, Any]  # the mask group of a fingerprint: a field that is absent is unknown
Path = tuple[str, ...]


class Declared(NamedTuple):
    """What the config declares of a mask, and where. `stage` works with it, None where a section of the config declares it; `maker`
    is the stage that draws it, None where it stands among the settings of `stage` itself."""

    group: Group
    path: Path
    stage: str | None
    maker: str | None = None


def declared(run: View) -> Iterator[Declared]:
    """The masks of the config: what is called `mask` and has a kind, in a section or among the settings of a stage.

    A stage that makes a mask may have the fields themselves as settings; who takes what it makes works with that mask.
    """
    config = run.one("resolved_config").document["config"]
    places: list[tuple[Path, str | None, str | None]] = []
    for name, _ in run.wired():
        places.append((("stages", name, "with", "mask"), name, None))
        for maker in dict.fromkeys(reference.partition(".")[0] for reference in run.taken(name, "mask")):
            places += [(("stages", maker, "with"), name, maker), (("stages", maker, "with", "mask"), name, maker)]
    places += [(path, None, None) for path in called_mask(config, ()) if path[0] not in ("mask", "stages")]
    seed = config["run"].get("seed")
    for path, who, drawn_by in places:
        values = inside(config, path)
        if isinstance(values, dict) and values.get("kind") in KINDS:
            drawn = {name: values[name] for name in RULE if name in values}
            # What a mask leaves open is filled in where it is drawn.
            drawn |= {"generator": values.get("generator") or "numpy.PCG64"}
            drawn |= {"seed": seed} if values.get("seed") is None and seed is not None else {}
            yield Declared({"kind": "none"} if values["kind"] == "none" else drawn, path, who, drawn_by)


def place(run: View, stage: str | None, met: Artifact) -> Location:
    """Where it is told that what a stage works with (a mask, or the manifest of its search) does not meet an index: where the
    config declares that mask, which is known before any stage runs; in the file itself where the config says otherwise."""
    maker = run.maker(met) if met.kind == "mask" else None
    for mask in declared(run):
        drawn_there = met.kind != "mask" or mask.maker in (maker, None)
        if mask.stage == stage and drawn_there and mask.group.items() <= group(met).items():
            return run.one("resolved_config").at("config", *mask.path)
    return at(met)


def group(artifact: Artifact) -> Group:
    """The mask that a manifest records, or that a mask is."""
    if artifact.kind == "mask":
        return {name: artifact.document[name] for name in (*RULE, "rule", "content")}
    found: Group = artifact.document.get("fingerprint", {}).get("mask", {})
    return found


def at(artifact: Artifact) -> Location:
    """Where a manifest records its mask, or a mask its rule."""
    if artifact.kind == "mask":
        return artifact.at("rule")
    return artifact.at("fingerprint", *(["mask"] if group(artifact) else []))


def called_mask(value: Any, path: Path) -> Iterator[Path]:
    """The places of everything that is called `mask`, from a place on."""
    if isinstance(value, dict):
        if path and path[-1] == "mask":
            yield path
        for key, inner in value.items():
            yield from called_mask(inner, (*path, key))


def inside(value: Any, path: tuple[str | None, ...]) -> Any:
    """What stands at a place; None where there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
