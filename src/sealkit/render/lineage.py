"""A lineage for the terminal, as Markdown, and as JSON under `lineage/v1`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sealkit.render.seal import cell
from sealkit.render.text import clean
from sealkit.workspace.ancestry import Line, Lineage
from sealkit.workspace.kin import Step
from sealkit.workspace.ledger import NAME_ONLY, Ledger
from sealkit.workspace.places import Lines
from sealkit.workspace.question import Asked
from sealkit.workspace.run import Place

PARTS = (("before", "comes from"), ("itself", "itself"), ("after", "led to"))
SHORT = len("sha256:") + 12
DEEP = 20  # levels that are indented; the lines below them stand under each other


def document(found: Lineage, ledger: Ledger, lines: Lines) -> dict[str, Any]:
    """The lineage as a `lineage/v1` document, each place with its line."""

    def step(one: Step) -> dict[str, Any]:
        return {
            "depth": one.depth,
            "relation": one.relation,
            "kind": one.kind,
            "name": one.name,
            "digest": one.digest,
            "run_id": one.run_id,
            "note": one.note,
            "state": one.state,
            "now": one.now,
            "at": place(one.at, lines),
        }

    def line(one: Line) -> dict[str, Any]:
        return {"role": one.role, "models": [step(model) for model in one.models], "searched": list(one.searched)}

    return {
        "schema": "lineage/v1",
        "workspace": str(ledger.root),
        "asked": asked(found.asked),
        "before": [step(one) for one in found.before],
        "itself": [step(one) for one in found.itself],
        "after": [step(one) for one in found.after],
        "lines": [line(one) for one in found.lines],
        "remarks": list(found.remarks),
        **looked(ledger),
    }


def asked(what: Asked) -> dict[str, Any]:
    return {
        "text": what.text,
        "kind": what.kind,
        "contents": [
            {"digest": digest, "known": known} for digest, known in what.contents if not digest.startswith(NAME_ONLY)
        ],
        "runs": list(what.runs),
    }


def looked(ledger: Ledger) -> dict[str, Any]:
    """What was looked through, and what was not read: without all of it no answer is complete."""
    return {
        "looked": {
            "runs": len(ledger.runs) - ledger.trainings(),
            "counted": ledger.counted(),
            "trainings": ledger.trainings(),
            "models": len(ledger.made),
            "indexes": len(ledger.indexes),
            "matrices": len(ledger.matrices),
            "seals": len(ledger.seals),
            "trees": list(ledger.trees),
        },
        "not_read": [{"path": one.path, "reason": one.reason} for one in ledger.not_read],
        "complete": not ledger.not_read,
    }


def place(at: Place | None, lines: Lines) -> dict[str, Any] | None:
    if at is None:
        return None
    found = lines.location(at)
    return {"path": found.path, "pointer": found.pointer, "line": found.line}


def text(told: Mapping[str, Any]) -> str:
    """A `lineage/v1` document for the terminal."""
    lines = [*head(told)]
    for key, title in PARTS:
        if told[key]:
            lines += ["", f"{title}:", *(_step(one) for one in told[key])]
    if not any(told[key] for key, _ in PARTS):
        lines += ["", "no record knows it"]
    lines += ["", "lines:", *(line for one in told["lines"] for line in _line(one))]
    return "\n".join([*lines, *tail(told)]) + "\n"


def head(told: Mapping[str, Any]) -> Iterator[str]:
    what = told["asked"]
    yield clean(f"{what['text']}: {what['kind']}")
    for one in what["contents"]:
        yield f"  {one['digest']}{'' if one['known'] == 'now' else ', by the records'}"


def tail(told: Mapping[str, Any]) -> Iterator[str]:
    """What is remarkable, what was not read, what was looked through, and whether that is all."""
    if told["remarks"]:
        yield from ("", "remarks:", *(clean(f"  {one}") for one in told["remarks"]))
    if told["not_read"]:
        yield from ("", "not read:", *(clean(f"  {one['path']}: {one['reason']}") for one in told["not_read"]))
    yield ""
    yield counts(told)
    yield verdict(told)


def counts(told: Mapping[str, Any]) -> str:
    seen = told["looked"]
    runs = f"{_many(seen['runs'], 'run')} ({seen['counted']} with a summary)"
    others = (("models", "model"), ("indexes", "index"), ("matrices", "matrix"), ("seals", "seal"))
    trainings = [f"{_many(seen['trainings'], 'training')} of another tool"] if seen["trainings"] else []
    told_of = ", ".join([runs, *trainings, *(_many(seen[key], noun) for key, noun in others)])
    trees = f"; of other tools {', '.join(seen['trees'])}" if seen["trees"] else ""
    return clean(f"looked through {told['workspace']}: {told_of}{trees}")


def _many(count: int, noun: str) -> str:
    plural = {"index": "indexes", "matrix": "matrices"}.get(noun, f"{noun}s")
    return f"{count} {noun if count == 1 else plural}"


def verdict(told: Mapping[str, Any]) -> str:
    count = len(told["not_read"])
    return "complete" if told["complete"] else f"not complete: {count} {'was' if count == 1 else 'were'} not read"


def _step(one: Mapping[str, Any], indent: str = "  ") -> str:
    deep = min(one["depth"], DEEP)
    return clean(f"{indent}{'  ' * deep}{words(one)}{at(one)}")


def words(one: Mapping[str, Any]) -> str:
    """A step without its place: how it belongs, what it is, how it stands now."""
    told = f"{one['relation']} {one['name']}"
    if one["run_id"] and one["run_id"] != one["name"]:
        told += f" ({one['run_id']})"
    if one["digest"]:
        told += f" {one['digest'][:SHORT]}"
    if one["state"]:
        told += f", {one['state']}" + (f": {one['now'][:SHORT]}" if one["now"] else "")
    return f"{told}: {one['note']}" if one["note"] else told


def at(one: Mapping[str, Any]) -> str:
    where = one["at"]
    return "" if where is None else f"  [{where['path']}{'' if where['line'] is None else ':' + str(where['line'])}]"


def _line(one: Mapping[str, Any]) -> Iterator[str]:
    if not one["models"]:
        yield clean(f"  {one['role']}: absent; looked in {', '.join(one['searched'])}")
    for model in one["models"]:
        yield clean(f"  {words({**model, 'relation': one['role'] + ':'})}{at(model)}")


def markdown(told: Mapping[str, Any]) -> str:
    """A `lineage/v1` document as Markdown."""
    sections = [f"# Lineage of {cell(told['asked']['text'])}", markdown_head(told)]
    for key, title in PARTS:
        if told[key]:
            sections.append(f"## {title.capitalize()}\n\n" + "\n".join(_bullet(one) for one in told[key]))
    found = [line.strip() for one in told["lines"] for line in _line(one)]
    sections.append("## Lines\n\n" + "\n".join(f"- {cell(line)}" for line in found))
    return "\n\n".join([*sections, *markdown_tail(told)]) + "\n"


def markdown_head(told: Mapping[str, Any]) -> str:
    first, *more = head(told)
    return "\n".join([cell(first), *(f"- {cell(line.strip())}" for line in more)])


def markdown_tail(told: Mapping[str, Any]) -> Iterator[str]:
    if told["remarks"]:
        yield "## Remarks\n\n" + "\n".join(f"- {cell(one)}" for one in told["remarks"])
    if told["not_read"]:
        yield "## Not read\n\n" + "\n".join(f"- {cell(one['path'])}: {cell(one['reason'])}" for one in told["not_read"])
    yield f"{cell(counts(told))}\n\n**{verdict(told)}**"


def _bullet(one: Mapping[str, Any]) -> str:
    return f"{'  ' * min(one['depth'], DEEP)}- {cell(words(one) + at(one))}"
