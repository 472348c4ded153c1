"""What is told where the masks of an index and of its queries differ: at one place, with the lines of both and the ways out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sealkit import mask_difference
from sealkit.artifact import Artifact
from sealkit.check import View
from sealkit.finding import Finding, Location, pointer
from sealkit.mask_wiring import RULE, Declared, Group, Meeting, at, behind, group, inside, invariant


def declared(run: View, met: Meeting) -> Finding:
    """What the config alone tells of two masks that do not fit."""
    index, query = met.index, met.query
    if index.group["kind"] == "dynamic":
        message, lines = mask_difference.redrawn(index.group), dict.fromkeys(_lines(run, index, ["kind", "schedule"]))
        return Finding(message, _place(run, query), also=tuple(lines), fix=_drawn_once(run, index))
    fields = _worth_telling(index.group, query.group, met.fields)
    lines = dict.fromkeys([*_lines(run, query, fields), *_lines(run, index, fields)])
    message = mask_difference.explain(index.group, query.group, fields, past=False)
    return Finding(message, _place(run, query), also=tuple(lines), fix=_ways_out(run, index, query, fields))


def recorded(run: View, index: Artifact, stage: str | None, met: Artifact, fields: Sequence[str]) -> Finding:
    """What the files tell: the manifest of an index, and what a stage works with (a mask, or the manifest of its search)."""
    fields = _worth_telling(group(index), group(met), fields)
    builds, works = behind(run, run.maker(index), index), behind(run, stage, met)
    own, other = _of(index, builds), _of(met, works)
    lines = [
        line
        for mask in ([own] if own else builds) + ([other] if other else works)
        for line in _lines(run, mask, fields)
    ]
    at_first = place(run, stage, met)
    message = mask_difference.explain(group(index), group(met), fields)
    places = dict.fromkeys([at_first, at(met), at(index), *lines])
    return Finding(
        message, at_first, also=tuple(places)[1:], fix=_ways_out(run, own, other, fields) if own and other else None
    )


def place(run: View, stage: str | None, met: Artifact) -> Location:
    """Where it is told that a mask does not meet an index: where the config declares it, which is known before any stage runs; in
    the file itself where the config does not, or says otherwise. Who signs for it signs for this place."""
    found = _of(met, behind(run, stage, met))
    return at(met) if found is None else _place(run, found)


def place_of(run: View, stage: str, reference: str) -> Location | None:
    """The same of the mask that a stage takes under a reference, `stage.output`; None where that is no mask."""
    path = run.taken(stage, "mask").get(reference)
    return next((place(run, stage, one) for one in run.all("mask") if one.path == path), None)


def _of(met: Artifact, masks: Sequence[Declared]) -> Declared | None:
    """The declared mask that is recorded there."""
    return next((mask for mask in masks if mask.group.items() <= group(met).items()), None)


def _place(run: View, mask: Declared) -> Location:
    return run.one("resolved_config").at("config", *mask.path)


def _lines(run: View, mask: Declared, fields: Sequence[str]) -> list[Location]:
    """Where these fields of a mask were written, or its kind: lines of the config's files, and for what the command line says its
    place in the resolved config."""
    held = inside(run.one("resolved_config").document["config"], mask.path)
    found = [run.origin(*mask.path, name) for name in fields if held.get(name) is not None]
    return found or [run.origin(*mask.path, "kind")]


def _worth_telling(index: Group, query: Group, fields: Sequence[str]) -> Sequence[str]:
    """Beside no mask, or none that is known, it matters only that there is one."""
    return fields if {index.get("kind", "none"), query.get("kind", "none")} <= {"fixed", "dynamic"} else ["kind"]


def _ways_out(run: View, index: Declared, query: Declared, fields: Sequence[str]) -> str:
    """What to write into the config, so that two masks that differ in these fields meet."""
    names = [name for name in fields if name in RULE and name in index.group]
    if index.group["kind"] == "none" or query.group["kind"] == "none":
        names = [name for name in RULE if name in index.group and name != "generator"]
    if names:
        one = f"draw both by one rule: {_settings(run, query, {name: index.group[name] for name in names})}"
    else:
        one = f"give both stages one mask{_one_mask(run, index, query)}"
    name = run.one("resolved_config").document["config"]["run"]["name"]
    signed = f"sign a waiver of this check, scope: {{run: {json.dumps(name)}, at: {pointer('config', *query.path)}}}"
    return f"{one}; or {_agnostic(run, index)}; if it is meant, {signed}"


def _drawn_once(run: View, index: Declared) -> str:
    """What to write into the config, so that the mask of an index is not redrawn, or does not matter. Nobody can sign for it: an index
    has one mask."""
    once = f"draw it once, and the masks of the queries by the same rule: {_settings(run, index, {'kind': 'fixed', 'schedule': None})}"
    return f"{once}; or {_agnostic(run, index)}"


def _agnostic(run: View, index: Declared) -> str:
    """What to write into the config, so that the mask of an index does not matter."""
    found = "search in embedding space, with an index of what nobody masked that declares the mask invariant"
    if index.stage is None or inside(run.one("resolved_config").document["config"], invariant(index)) is not None:
        found += f": {'.'.join(map(str, run.source(*invariant(index), 'mask')))}: the reason"
    return found


def _settings(run: View, mask: Declared, values: Mapping[str, Any]) -> str:
    """Values as YAML, each under the section that it is to be written in."""
    sections: dict[str, list[str]] = {}
    for name, value in values.items():
        *section, key = map(str, run.source(*mask.path, name))
        if len(section) < 2:  # set by a key that others share
            section, key = [str(part) for part in mask.path], name
        shown = value if isinstance(value, str) and value.isalpha() else json.dumps(value)
        sections.setdefault(".".join(section), []).append(f"{key}: {shown}")
    return ", ".join(f"{section}: {{{', '.join(told)}}}" for section, told in sections.items())


def _one_mask(run: View, index: Declared, query: Declared) -> str:
    """How a stage is wired to take the mask of an index in place of its own."""
    made = [one for one in run.taken(index.stage or "", "mask") if one.partition(".")[0] == index.maker]
    for name, stage in run.wired():
        for key, reference in stage.get("in", {}).items() if name == query.stage else ():
            if made and isinstance(reference, str) and reference.partition(".")[0] == query.maker:
                return f": stages.{name}.in: {{{key}: {made[0]}}}"
    return ""
