"""SEAL.md of a matrix: its seal for people, made from the predicate of seal.json and from report.json alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealkit.render import tabular
from sealkit.render.seal import MARKS, bullets, cell, checks, code, table
from sealkit.render.text import clean
from sealkit.trees.words import switched

NOT_COMPARED = "No reference row was named (`toolkit seal MATRIX_DIR --reference LABEL`), so nothing is compared."
NO_RISKS = "None: what the runs stand on is named, kept and bound."
NO_NOTES = "Nothing that was looked for."
SHOWN = 12  # places of one finding; the rest is counted
ROLES = ("config", "override", "resolved", "loaded")


def render(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The Markdown of the seal of a matrix."""
    codes = predicate["risks"]
    risks = [outcome for outcome in report["checks"] if outcome["id"] in codes]
    others = [outcome for outcome in report["checks"] if outcome["id"] not in codes]
    sections = [
        f"# Seal of {cell(predicate['matrix']['name'])}: {predicate['verdict']}",
        _opening(predicate),
        "## Risks\n\n" + _risks(risks, codes),
        "## Beside them: how far the numbers can be read\n\n" + _numbers_read(predicate, others),
        *_broken(report["artifacts"]),
        "## Results\n\n" + _results(predicate),
        "## Contrasts\n\n" + _contrasts(predicate["contrasts"]),
        "## Which model each run loaded\n\n" + _models(predicate),
        "## Training\n\n"
        + "\n\n".join(map(_training, predicate["trainings"]) if predicate["trainings"] else [_no_training(predicate)]),
        "## Lineage\n\n" + _lineage(predicate),
        "## Checks\n\n" + checks(report),
        "## To do it again\n\n" + _commands(predicate),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _opening(predicate: Mapping[str, Any]) -> str:
    matrix, audit = predicate["matrix"], predicate["commits"]["audit"]
    ended = sum(run["ended"] for run in predicate["runs"])
    said = list(predicate["commits"]["said"])
    rows = [
        ["matrix", code(matrix["folder"])],
        ["layout", code(predicate["layout"]["id"])],
        *([["made", cell(matrix["created_at"]["value"])]] if matrix["created_at"] else []),
        [
            "runs",
            f"{ended}" if ended == len(predicate["runs"]) else f"{ended} of {len(predicate['runs'])} came to their end",
        ],
        *(
            [
                f"{'matrix' if one['of'] == 'matrix' else 'training ' + code(one['id'])} commit",
                f"{code(one['value'])} ({place(one['at'])})",
            ]
            for one in said
        ),
        ["audit commit", _audit(audit)],
        ["sealed", f"{predicate['sealed_at']} by sealkit {cell(predicate['sealkit'])}"],
    ]
    return table(["", ""], rows)


def _audit(audit: Mapping[str, Any]) -> str:
    if audit["commit"] is None:
        return f"none: {cell(audit['reason'] or audit['state'])}"
    note = (
        " with uncommitted changes"
        if audit["dirty"]
        else ""
        if audit["state"] == "ok"
        else f": {cell(audit['reason'])}"
    )
    return code(audit["commit"]) + note


def _risks(outcomes: Sequence[Mapping[str, Any]], codes: Mapping[str, str]) -> str:
    """Each risk under its code, with its evidence and the smallest fix."""
    found = sorted(
        ((codes[one["id"]], one) for one in outcomes if one["findings"] or one["reason"]), key=lambda pair: pair[0]
    )
    told = [_risk(name, outcome) for name, outcome in found if outcome["status"] not in ("passed", "skipped")]
    return "\n\n".join(told) if told else NO_RISKS


def _risk(name: str, outcome: Mapping[str, Any]) -> str:
    number, _, words = name.partition(" ")
    reason = [cell(outcome["reason"])] if outcome["reason"] else []
    told = f"{MARKS[outcome['status']]} {outcome['status']} by {code(outcome['id'])}"
    return "\n\n".join([f"### {cell(number)}: {cell(words)}", *reason, *map(finding, outcome["findings"]), told])


def finding(one: Mapping[str, Any]) -> str:
    """What was found, the fix, and every place with the text that stands there."""
    places = [at for at in (one["location"], *one["also"]) if at["quote"] or at["line"] is None]
    lines = [f"- {place(at)}{': ' + quoted(at['quote']) if at['quote'] else ''}" for at in places[:SHOWN]]
    more = [f"- and {len(places) - SHOWN} more"] if len(places) > SHOWN else []
    fix = [f"Fix: {code(one['fix'])}"] if one["fix"] else []
    signed = (
        [
            f"Signed for: {cell(one['waiver']['owner'])} until {cell(one['waiver']['expires'])}: {cell(one['waiver']['reason'])}"
        ]
        if one.get("waiver")
        else []
    )
    return "\n\n".join([cell(one["message"]) + ".", *fix, *signed, "\n".join([*lines, *more])]).rstrip()


def place(at: Mapping[str, Any]) -> str:
    end = f"-{at['x-end']}" if at.get("x-end") else ""
    return code(at["path"] + (f":{at['line']}{end}" if at["line"] else ""))


def quoted(text: str) -> str:
    return " ⏎ ".join(code(line) for line in text.split("\n") if line.strip())


def _numbers_read(predicate: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> str:
    told = [
        f"### {MARKS[outcome['status']]} {cell(outcome['title'])}\n\n"
        + "\n\n".join([*([cell(outcome["reason"])] if outcome["reason"] else []), *map(finding, outcome["findings"])])
        for outcome in outcomes
        if outcome["status"] not in ("passed", "skipped")
    ]
    untested = _untested(predicate["numbers"]["comparison"])
    return "\n\n".join([*([untested] if untested else []), *told]) or NO_NOTES


def _untested(comparison: Mapping[str, Any] | None) -> str | None:
    """That differences were not tested, and why, once for each reason."""
    if comparison is None:
        return None
    reasons: dict[str, list[str]] = {}
    for row in comparison["rows"]:
        if not row["tested"]:
            reasons.setdefault(row["why"], []).append(row["label"])
    return "\n".join(
        f"- Differences of {', '.join(cell(label) for label in dict.fromkeys(labels))} to {cell(comparison['reference'])}: {cell(why)}"
        for why, labels in reasons.items()
    )


def _broken(artifacts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The section of files that break their contract, cannot be read, or are promised and absent, where there are any."""
    rows = [
        f"- {MARKS[one['status']]} {code(one['id'])}: "
        + (
            cell(one["reason"])
            if one["reason"]
            else "; ".join(f"{place(f['location'])} {cell(f['message'])}" for f in one["findings"])
        )
        for one in artifacts
        if one["status"] != "passed"
    ]
    return ["## Files\n\n" + "\n".join(rows)] if rows else []


def _results(predicate: Mapping[str, Any]) -> str:
    numbers = predicate["numbers"]
    shown = [tabular.markdown(one) for one in numbers["tables"]]
    return "\n\n".join([*([] if numbers["comparison"] else [NOT_COMPARED]), *shown])


def _contrasts(contrasts: Iterable[Mapping[str, Any]]) -> str:
    names = {"pre_post": "before and after fine-tuning", "hard_negatives": "with and without hard negatives"}
    rows = [
        [
            names[one["name"]],
            "required" if one["required"] else "optional",
            f"{cell(', '.join(one['before']))} → {cell(', '.join(one['after']))}"
            if one["found"]
            else f"none: {cell(one['missing'])}",
            "" if one["found"] else "looked in " + ", ".join(map(code, one["looked"])),
        ]
        for one in contrasts
    ]
    return table(["contrast", "", "runs", ""], rows) if rows else "The layout names none."


def _models(predicate: Mapping[str, Any]) -> str:
    rows = [
        [
            cell(run["label"]),
            cell(run["mode"]["value"]) if run["mode"] else "",
            *(_named(run["model"][role]) for role in ROLES),
            code(run["model"]["weights"]) if run["model"]["weights"] else "",
            {True: "yes", False: "**no**", None: "loads none"}[run["model"]["agree"]],
        ]
        for run in predicate["runs"]
    ]
    return table(["run", "mode", "config", "override", "resolved", "loaded", "weights now", "agree"], rows)


def _named(said: Mapping[str, Any] | None) -> str:
    return f"{code(said['value'])} ({place(said['at'])})" if said else ""


def _training(one: Mapping[str, Any]) -> str:
    best, hard = one["best"], one["hard_negatives"]
    value = f" with {best['value']}" if best["value"] is not None else ""
    rows = [
        ["base", _named(one["base"])],
        ["commit, seed", f"{_named(one['commit']) or 'not recorded'}, {_named(one['seed']) or 'not recorded'}"],
        ["selected by", _named(one["selected_by"]) or "not told"],
        [
            "best",
            f"step {best['step']}{value}" + (f": {code(best['model'])}" if best["model"] else "")
            if best["step"] is not None
            else "not told",
        ],
        [
            "exported",
            ", ".join([*([_named(one["exported"])] if one["exported"] else []), *map(code, one["exports"])])
            or "nothing",
        ],
        ["checkpoints kept", ", ".join(map(code, one["checkpoints"])) or "none"],
        [
            "hard negatives",
            "; ".join(
                f"{by}: {_switch(hard[by])}" + (f" ({place(hard[by]['at'])})" if hard[by] else "")
                for by in ("config", "record", "log")
            ),
        ],
        ["loaded by", cell(", ".join(one["runs"]))],
    ]
    return f"### {cell(one['id'])}\n\n" + table(["", ""], rows)


def _switch(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "not told"
    return {True: "on", False: "off", None: cell(said["value"])}[switched(said["value"])]


def _no_training(predicate: Mapping[str, Any]) -> str:
    looked: list[str] = next((line["looked"] for line in predicate["lineage"] if line["role"] == "post-FT"), [])
    return "No training was found behind the runs; looked in " + ", ".join(map(code, looked)) + "."


def _lineage(predicate: Mapping[str, Any]) -> str:
    rows = []
    for line in predicate["lineage"]:
        if line["found"]:
            runs = cell(", ".join(line["runs"])) or "no run"
            made = f"made by {code(line['training'])}" if line["training"] else ""
            rows.append(
                [
                    line["role"],
                    code(line["name"]),
                    code(line["weights"]) if line["weights"] else "not here",
                    made,
                    runs,
                    place(line["at"]),
                ]
            )
        else:
            rows.append([line["role"], "none found", "", "", "", "looked in " + ", ".join(map(code, line["looked"]))])
    names: dict[str, list[str]] = {}
    for model in predicate["models"]:
        if model["weights"]:
            names.setdefault(model["weights"], []).append(model["path"])
    twice = [
        f"{' = '.join(map(code, paths))}: the same weights {code(weights)}"
        for weights, paths in names.items()
        if len(paths) > 1
    ]
    return table(["", "model", "weights", "", "loaded by", "where it stands"], rows) + (
        f"\n\n{bullets(twice)}" if twice else ""
    )


def _commands(predicate: Mapping[str, Any]) -> str:
    folder = predicate["matrix"]["folder"]
    comparison = predicate["numbers"]["comparison"]
    against = f" --reference {shlex.quote(comparison['reference'])}" if comparison else ""
    lines = [
        clean(f"toolkit seal {shlex.quote(folder)}{against}"),
        clean(f"toolkit verify {shlex.quote(folder)} --digest sha256:…    # the digest that `toolkit seal` printed"),
        "sha256sum -c seal/SHA256SUMS    # in the matrix folder, without sealkit",
    ]
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([fence, *lines, fence])
