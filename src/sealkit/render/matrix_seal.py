"""SEAL.md of a matrix: its seal for people, made from the predicate of seal.json and from report.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealkit.render import matrix_words as words
from sealkit.render import tabular
from sealkit.render.matrix_origin import lineage, looked, models, named, place, trainings
from sealkit.render.seal import MARKS, bullets, cell, code, table
from sealkit.trees.words import listed

SHOWN = 12  # places of one finding; the rest is counted


def render(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The Markdown of the seal of a matrix."""
    found, others = words.risks(predicate, report), words.beside(predicate, report)
    sections = [
        f"# Seal of {cell(predicate['matrix']['name'])}: {predicate['verdict']}",
        _opening(predicate, report),
        "## Risks\n\n" + ("\n\n".join(_risk(*risk) for risk in found) or words.NO_RISKS),
        "## Beside them: how far the numbers can be read\n\n" + _numbers_read(predicate, others),
        *_broken(report["artifacts"]),
        "## Results\n\n" + _results(predicate),
        "## Contrasts\n\n" + _contrasts(predicate["contrasts"]),
        "## Which model each run loaded\n\n" + models(predicate),
        "## Training\n\n" + trainings(predicate),
        "## Lineage\n\n" + lineage(predicate),
        "## Checks\n\n" + _checks(predicate, report),
        *_outside(predicate["outside"]),
        "## To do it again\n\n" + _commands(predicate),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _opening(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    matrix, comparison = predicate["matrix"], predicate["numbers"]["comparison"]
    numbers = listed(number for number, _, _ in words.risks(predicate, report))
    rows = [
        ["matrix", code(matrix["folder"])],
        ["layout", code(predicate["layout"]["id"])],
        *([name, named(matrix[key])] for key, name in words.MATRIX.items() if matrix[key]),
        ["runs", f"{len(predicate['runs'])}, {words.ended(predicate['runs'])}"],
        ["files", words.counts(report["artifacts"])],
        ["checks", words.counts(report["checks"])],
        ["risks", cell(numbers) or "none"],
        ["differences", cell(words.tested(comparison)) if comparison else "nothing is compared"],
        *([f"{_whose(one)} commit", named(one)] for one in predicate["commits"]["said"]),
        ["audit commit", _audit(predicate["commits"]["audit"])],
        ["sealed", f"{cell(predicate['sealed_at'])} by sealkit {cell(predicate['sealkit'])}"],
    ]
    return table(["", ""], rows)


def _whose(said: Mapping[str, Any]) -> str:
    return "matrix" if said["of"] == "matrix" else f"training {code(said['id'])}"


def _audit(audit: Mapping[str, Any]) -> str:
    shown = code(audit["commit"]) if audit["commit"] else "none"
    return shown + (f": {cell(note)}" if (note := words.audit(audit)) else "")


def _risk(number: str, name: str, outcome: Mapping[str, Any]) -> str:
    """A risk under its code, with its evidence and the smallest fix, as one pastes it."""
    told = f"{MARKS[outcome['status']]} {outcome['status']} by {code(outcome['id'])}"
    return "\n\n".join([f"### {cell(number)}: {cell(name)}", *_found(outcome, code), told])


def _numbers_read(predicate: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> str:
    comparison = predicate["numbers"]["comparison"]
    told = [
        "\n\n".join(
            [
                f"### {MARKS[one['status']]} {cell(words.heading(one))}",
                *_found(one, cell),
                f"{one['status']} by {code(one['id'])}",
            ]
        )
        for one in outcomes
    ]
    untested = bullets(
        f"Differences of {cell(labels)} to {cell(comparison['reference'])}: {cell(why)}"
        for labels, why in (words.untested(comparison) if comparison else ())
    )
    return "\n\n".join([*([untested] if untested else []), *told]) or words.NO_NOTES


def _found(outcome: Mapping[str, Any], fix: Any) -> list[str]:
    return [
        *([cell(outcome["reason"])] if outcome["reason"] else []),
        *(_finding(one, fix) for one in outcome["findings"]),
    ]


def _finding(one: Mapping[str, Any], style: Any) -> str:
    """What was found, the fix, and every place with the text that stands there."""
    places = words.places(one)
    lines = [f"- {place(at)}{': ' + _quoted(at['quote']) if at['quote'] else ''}" for at in places[:SHOWN]]
    rest = len(places) - SHOWN
    more = [f"- and {rest} more {'place' if rest == 1 else 'places'}, in `seal/report.json`"] if rest > 0 else []
    fix = [f"Fix: {style(one['fix'])}"] if one["fix"] else []
    waiver = one.get("waiver")
    signed = (
        [f"Signed for: {cell(waiver['owner'])} until {cell(waiver['expires'])}: {cell(waiver['reason'])}"]
        if waiver
        else []
    )
    return "\n\n".join([cell(one["message"]) + ".", *fix, *signed, "\n".join([*lines, *more])]).rstrip()


def _quoted(text: str) -> str:
    return " ⏎ ".join(code(line) for line in text.split("\n") if line.strip())


def _broken(artifacts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The section of files that break their contract, cannot be read, or are promised and absent, where there are any."""
    rows = [
        f"{MARKS[one['status']]} {code(one['id'])}: "
        + (
            cell(one["reason"])
            if one["reason"]
            else "; ".join(f"{place(f['location'])} {cell(f['message'])}" for f in one["findings"])
        )
        for one in artifacts
        if one["status"] != "passed"
    ]
    return ["## Files\n\n" + bullets(rows)] if rows else []


def _results(predicate: Mapping[str, Any]) -> str:
    comparison = predicate["numbers"]["comparison"]
    head = [] if words.statistics(predicate) else [_differences(comparison) if comparison else words.NOT_COMPARED]
    tables = words.results(predicate)
    return "\n\n".join([*head, *(tabular.markdown(one).rstrip() for one in tables)])


def _differences(comparison: Mapping[str, Any]) -> str:
    """The reference row, then a row for each other label: its values, how they differ, and how that was judged."""
    rows = words.differences(comparison)
    if not rows:
        return f"There is no row to compare with {cell(comparison['reference'])}."
    compared = rows[0][1]
    heads = ["", *(part for one in compared for part in (code(one["metric"]), "difference")), ""]
    first = [
        cell(comparison["reference"]),
        *(part for one in compared for part in (_value(one["pre"]), "")),
        "reference",
    ]
    body = [
        [
            cell(label),
            *(part for one in row for part in (_value(one["post"]), _difference(one))),
            cell(words.judgements(row)),
        ]
        for label, row in rows
    ]
    return table(heads, [first, *body])


def _value(value: float | None) -> str:
    return tabular.number("number", {"value": value})


def _difference(one: Mapping[str, Any]) -> str:
    return tabular.number("difference", {"value": one["difference"]}) + words.items(one)


def _contrasts(contrasts: Sequence[Mapping[str, Any]]) -> str:
    return bullets(map(_contrast, contrasts)) or words.NO_CONTRASTS


def _contrast(one: Mapping[str, Any]) -> str:
    head = f"{words.CONTRASTS[one['name']]} ({'required' if one['required'] else 'optional'})"
    if one["found"]:
        return f"{head}: {cell(listed(one['before']))} → {cell(listed(one['after']))}"
    return f"{head}: none: {cell(one['missing'])}. {looked(one['looked'])}"


def _checks(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    rows = [
        [
            f"{MARKS[one['status']]} {one['status']}",
            code(one["id"]),
            cell(one["title"]) + (f": {cell(one['reason'])}" if one["reason"] else ""),
            cell(words.risk(predicate, one)),
        ]
        for one in words.checks(report)
    ]
    return table(["", "check", "what it holds", "risk"], rows)


def _outside(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """The section of the files outside of the folder that the statements above are read from, by digest."""
    if not files:
        return []
    rows = [[code(one["path"]), code(one["digest"])] for one in files]
    return [f"## Files outside of the matrix folder\n\n{words.OUTSIDE}\n\n{table(['file', 'digest'], rows)}"]


def _commands(predicate: Mapping[str, Any]) -> str:
    lines, fence = list(words.commands(predicate)), "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([fence, *lines, fence])
