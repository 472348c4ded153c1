"""What stands on something, for the terminal, as Markdown, and as JSON under `impact/v1`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sealkit.render.lineage import SHORT, asked, at, head, looked, markdown_head, markdown_tail, place, tail
from sealkit.render.seal import cell
from sealkit.render.text import clean
from sealkit.workspace.impact import KINDS, Impact
from sealkit.workspace.ledger import Ledger
from sealkit.workspace.places import Lines

TITLES = {
    "model": "models",
    "export": "exports",
    "index": "indexes",
    "run": "runs",
    "matrix": "matrices",
    "seal": "seals",
}


def document(found: Impact, ledger: Ledger, lines: Lines) -> dict[str, Any]:
    """What stands on it as an `impact/v1` document, each place with its line."""
    return {
        "schema": "impact/v1",
        "workspace": str(ledger.root),
        "asked": asked(found.asked),
        "copies": [{"path": one.path, "digest": one.digest, "at": place(one.at, lines)} for one in found.copies],
        "dependents": [
            {
                "kind": one.kind,
                "name": one.name,
                "digest": one.digest,
                "run_id": one.run_id,
                "stages": list(one.stages),
                "files": list(one.files),
                "how": one.how,
                "through": one.through,
                "inside": one.inside,
                "note": one.note,
                "at": place(one.at, lines),
            }
            for one in found.dependents
        ],
        "remarks": list(found.remarks),
        **looked(ledger),
    }


def text(told: Mapping[str, Any]) -> str:
    """An `impact/v1` document for the terminal."""
    lines = [*head(told)]
    if told["copies"]:
        lines += [
            "",
            "lies at:",
            *(clean(f"  {one['path']} {one['digest'][:SHORT]}{at(one)}") for one in told["copies"]),
        ]
    lines += ["", *map(clean, summary(told))]
    for kind in KINDS:
        if rows := [one for one in told["dependents"] if one["kind"] == kind]:
            lines += ["", f"{TITLES[kind]}:", *(clean(f"  {words(one)}{at(one)}") for one in rows)]
    return "\n".join([*lines, *tail(told)]) + "\n"


def summary(told: Mapping[str, Any]) -> Iterator[str]:
    """How much stands on it, and how much of that lies outside of the folder that was asked about."""
    if not told["dependents"]:
        yield "nothing that was read stands on it"
        return
    yield f"stand on it: {_counted(told['dependents'])}"
    if any(one["inside"] for one in told["dependents"]):
        outside = [one for one in told["dependents"] if not one["inside"]]
        yield f"of these outside of {told['asked']['text']}: {_counted(outside) if outside else 'none'}"


def _counted(rows: list[Mapping[str, Any]]) -> str:
    counts = Counter(one["kind"] for one in rows)
    return ", ".join(f"{counts[kind]} {kind if counts[kind] == 1 else TITLES[kind]}" for kind in KINDS if counts[kind])


def words(one: Mapping[str, Any]) -> str:
    """A thing without its place: what it is, what of it stands on what was asked about, and how."""
    told = one["name"]
    if one["run_id"] and one["kind"] == "run":
        told += f" ({one['run_id']})"
    if one["digest"]:
        told += f" {one['digest'][:SHORT]}"
    told += f", {one['note']}" if one["note"] else ""
    through = f", through {one['through']}" if one["through"] else ""
    stages = f"; its stages {', '.join(one['stages'])}" if one["stages"] else ""
    return f"{told}: {one['how']}{through}{stages}{'; inside' if one['inside'] else ''}"


def markdown(told: Mapping[str, Any]) -> str:
    """An `impact/v1` document as Markdown."""
    sections = [f"# What stands on {cell(told['asked']['text'])}", markdown_head(told)]
    if told["copies"]:
        sections.append(
            "## Lies at\n\n"
            + "\n".join(f"- {cell(one['path'])} {one['digest'][:SHORT]}{cell(at(one))}" for one in told["copies"])
        )
    sections.append("\n\n".join(cell(line) for line in summary(told)))
    for kind in KINDS:
        if rows := [one for one in told["dependents"] if one["kind"] == kind]:
            told_of = "\n".join(f"- {cell(words(one) + at(one))}" for one in rows)
            sections.append(f"## {TITLES[kind].capitalize()}\n\n{told_of}")
    return "\n\n".join([*sections, *markdown_tail(told)]) + "\n"
