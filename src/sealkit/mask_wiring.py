"""The masks that a config declares: what each is drawn by, where that was written, and which of them meet at an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sealkit import mask_rule
from sealkit.artifact import Artifact
from sealkit.check import View
from sealkit.finding import Location, UsageError, parts

RULE = ("kind", "generator", "rate", "seed", "schedule", "window_length", "pad_value")
LEFT_OPEN = ("window_length", "pad_value")  # null in a config: filled in where the mask is drawn

Group = Mapping[str, Any]  # the mask group of a fingerprint: a field that is absent is unknown
Path = tuple[str, ...]


@dataclass(frozen=True)
class Declared:
    """What the config declares of a mask, and where. `stage` works with it, None where a section of the config declares it; `maker`
    is the stage that draws it, None where it stands among the settings of `stage` itself."""

    group: Group
    path: Path
    stage: str | None
    maker: str | None = None


@dataclass(frozen=True)
class Meeting:
    """The mask of an index, that of what meets it, and the fields in which they do not fit and nobody declared them invariant: those
    in which their rules differ, and the kind of an index's mask that is redrawn, since the index is not."""

    index: Declared
    query: Declared
    fields: Sequence[str]


def declarations(run: View) -> Iterator[Declared]:
    """The masks of the config: what is called `mask` and has a kind, in a section or among the settings of a stage.

    A stage that makes a mask may have the fields themselves as settings; who takes what it makes works with that mask.
    """
    config = run.one("resolved_config").document["config"]
    places: list[tuple[Path, str | None, str | None]] = []
    for name, _ in run.wired():
        places.append((("stages", name, "with", "mask"), name, None))
        for maker in dict.fromkeys(reference.partition(".")[0] for reference in run.taken(name, "mask")):
            places += [(("stages", maker, "with"), name, maker), (("stages", maker, "with", "mask"), name, maker)]
    places += [(path, None, None) for path in _called_mask(config, ()) if path[0] not in ("mask", "stages")]
    for path, who, drawn_by in places:
        values = inside(config, path)
        if isinstance(values, dict) and values.get("kind") in mask_rule.KINDS:
            yield Declared(_rule(values, config["run"].get("seed")), path, who, drawn_by)


def _rule(values: Mapping[str, Any], seed: int | None) -> Group:
    """What a mask is drawn by, of settings that may hold more; of what makes no rule the fields as they stand there."""
    given = {name: values[name] for name in RULE if name in values}
    try:
        rule = mask_rule.declared(given, seed).document()
    except UsageError:
        given |= {"generator": given.get("generator") or mask_rule.GENERATOR}
        return given | ({"seed": seed} if given.get("seed") is None and seed is not None else {})
    if rule["kind"] == "none":
        return {"kind": "none"}
    return {name: value for name, value in rule.items() if value is not None or name not in LEFT_OPEN}


def meetings(run: View) -> Iterator[Meeting]:
    """Which masks meet at an index by the config alone: those of stages, by their wires; then those of sections, `index.mask` and
    any other.

    What a stage has from a section is told of the stage; and where stages have the index's mask from its section, a section
    that no stage refers to meets nothing.
    """
    masks, wired = list(declarations(run)), set()
    for index in masks:
        for query in masks:
            if index.stage and query.stage:
                takes = run.taken(query.stage, "index_manifest")
                if any(one.partition(".")[0] == index.stage for one in takes):
                    wired.add((run.source(*index.path, "kind"), run.source(*query.path, "kind")))
                    yield Meeting(index, query, _apart(run, index, query))
    used = _referred_to(run)
    for index in masks:
        for query in masks:
            if index.stage is query.stage and index.path[-2:] == ("index", "mask") != query.path[-2:]:
                built, asked = (*index.path, "kind"), (*query.path, "kind")
                by_wires = built in {one for one, _ in wired}
                # Where stages have both, the wires tell at which index each of them is.
                if not (by_wires and (asked in {two for _, two in wired} or query.path not in used)):
                    yield Meeting(index, query, _apart(run, index, query))


def _referred_to(run: View) -> set[Path]:
    """The places of the config, and all around them, from which stages have their settings."""
    told = run.one("resolved_config").document["provenance"]
    sources = [tuple(map(str, run.source(*parts(where)))) for where in told if where.startswith("/stages/")]
    return {source[:length] for source in sources for length in range(1, len(source))}


def _apart(run: View, index: Declared, query: Declared) -> list[str]:
    both = [name for name in RULE if name in index.group and name in query.group]
    held = inside(run.one("resolved_config").document["config"], invariant(index))
    reasons = {name for name, reason in held.items() if reason} if isinstance(held, dict) else set()
    if "mask" in reasons:
        return []
    apart = [name for name in both if index.group[name] != query.group[name] and f"mask.{name}" not in reasons]
    redrawn = index.group["kind"] == "dynamic" and "mask.content" not in reasons
    return ["kind", *(name for name in apart if name != "kind")] if redrawn else apart


def invariant(index: Declared) -> Path:
    """Where the config declares in what queries may differ from an index: beside its mask, field or group → reason."""
    return ("stages", index.stage, "with", "invariant") if index.stage else (*index.path[:-1], "invariant")


def behind(run: View, stage: str | None, met: Artifact) -> list[Declared]:
    """What the config declares of the mask that a stage works with: a mask, or that of the manifest of its index or search."""
    maker = run.maker(met) if met.kind == "mask" else None
    masks = [mask for mask in declarations(run) if stage and mask.stage == stage]
    return [mask for mask in masks if met.kind != "mask" or mask.maker in (maker, None)]


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


def _called_mask(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        if path and path[-1] == "mask":
            yield path
        for key, inner in value.items():
            yield from _called_mask(inner, (*path, key))


def inside(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
