"""SEAL.md: the seal for people, made from the predicate of seal.json and from report.json alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealkit.render.text import clean
from sealkit.significance import told

MARKS = {"passed": "✓", "warned": "!", "failed": "✗", "skipped": "–", "blocked": "?", "crashed": "?"}
SMOKE = "A smoke run: it shows that the pipeline works and is no evidence for a number."
NOT_COMPARED = "No reference run was given (`toolkit seal RUN_DIR --reference RUN_DIR`), so nothing is compared."
NOTHING_PROMISED = "Nothing was promised beforehand (the config has no `expect`)."
NOTHING_STANDS_OUT = "Nothing: every artifact keeps its contract, every check that could run has passed."


def render(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The Markdown of a seal."""
    run = predicate["run"]
    sections = [
        f"# Seal of {cell(run['name'])}: {predicate['verdict']}",
        _opening(predicate),
        "## Acceptance\n\n" + _acceptance(predicate),
        *_waivers(report),
        "## What stands out\n\n" + findings(report),
        "## Metrics\n\n"
        + table(
            ["metric", "value"],
            [[code(key), number(predicate["metrics"][key])] for key in sorted(predicate["metrics"], key=weight)],
        ),
        "## Before and after\n\n" + _deltas(predicate),
        "## Model lineage\n\n" + _lineage(predicate["lineage"]),
        "## Config and artifacts\n\n" + _artifacts(predicate),
        "## Checks\n\n" + checks(report),
        "## To do it again\n\n" + _commands(predicate),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _opening(predicate: Mapping[str, Any]) -> str:
    run, commits = predicate["run"], predicate["commits"]
    tree = ", with uncommitted changes" if commits["dirty"] else ""
    rows = [
        ["run", code(run["run_id"])],
        ["status", cell(run["status"])],
        ["purpose, seed", f"{cell(run['purpose'])}, {'not recorded' if run['seed'] is None else run['seed']}"],
        ["run commit", _commit(commits["run"]) + tree],
        ["audit commit", f"{_commit(commits['audit'])} (run commit: {commits['relation']})"],
        ["sealed", f"{predicate['sealed_at']} by sealkit {cell(predicate['sealkit'])}"],
    ]
    smoke = f"\n\n{SMOKE}" if run["purpose"] == "smoke" else ""
    return table(["", ""], rows) + smoke


def _acceptance(predicate: Mapping[str, Any]) -> str:
    promised = predicate.get("acceptance", [])
    if not promised:
        return NOTHING_PROMISED
    rows = [
        [MARKS[row["status"]] + " " + row["status"], cell(row["says"]), cell(row["found"] or "")] for row in promised
    ]
    return "Fixed before the first stage; judged by `expectations-met`.\n\n" + table(["", "promised", "found"], rows)


def _waivers(report: Mapping[str, Any]) -> list[str]:
    """The section of what was excused and by whom, where anything was."""
    rows = [
        [cell(waiver["owner"]), cell(waiver["expires"]), code(outcome["id"]), place(finding["location"]), cell(waiver["reason"])]
        for outcome in report["checks"]
        for finding in outcome["findings"]
        if (waiver := finding.get("waiver"))
    ]  # fmt: skip
    note = "Failures that somebody signed for. `seal/observed.json` holds the waivers and the digest of their file."
    heads = ["signed by", "until", "check", "finding", "reason"]
    return [f"## Waivers\n\n{note}\n\n{table(heads, rows)}"] if rows else []


def weight(key: str) -> tuple[bool, str]:
    """What was measured comes before what was observed on the way."""
    return key.startswith(("time/", "train/")), key


def _commit(commit: str | None) -> str:
    return code(commit) if commit else "none"


def findings(report: Mapping[str, Any]) -> str:
    lines = []
    for outcome in [*report["artifacts"], *report["checks"]]:
        if outcome["status"] in ("passed", "skipped"):
            continue
        told = [finding["message"] for finding in outcome["findings"]]
        if not told or (outcome["reason"] and not any(outcome["reason"].endswith(message) for message in told)):
            lines.append(f"- **{outcome['status']}** {code(outcome['id'])}: {cell(outcome['reason'] or '')}")
        for finding in outcome["findings"]:
            lines.append(
                f"- **{finding['severity']}** {code(outcome['id'])} {place(finding['location'])}: {cell(finding['message'])}"
            )
            lines += [
                f"  - evidence: {place(also)}" for also in [finding["location"], *finding["also"]] if also["quote"]
            ]
            if finding["fix"]:
                lines.append(f"  - smallest fix: {cell(finding['fix'])}")
        if outcome["fix"] and not any(finding["fix"] for finding in outcome["findings"]):
            lines.append(f"  - smallest fix: {cell(outcome['fix'])}")
    return "\n".join(lines) or NOTHING_STANDS_OUT


def place(location: Mapping[str, Any]) -> str:
    """`path:line`, and what stands there."""
    where = location["path"] if location["line"] is None else f"{location['path']}:{location['line']}"
    return code(where) + (f" {code(location['quote'])}" if location["quote"] else "")


def _deltas(predicate: Mapping[str, Any]) -> str:
    reference, deltas = predicate["reference"], predicate["deltas"]
    if reference is None:
        return NOT_COMPARED
    head = f"Against the reference {cell(reference['name'])} ({code(reference['run_id'])})."
    if deltas["differs"]:
        return f"{head}\n\nNot tested, since the two runs differ in what they were measured on:\n\n" + bullets(
            cell(reason) for reason in deltas["differs"]
        )
    rows = [
        [
            code(d["key"]), str(d["n"]), number(d["pre"]), number(d["post"]), f"{d['difference']:+.4f}",
            f"[{d['low']:+.4f}, {d['high']:+.4f}]", f"{d['p']:.4g}", "–" if d["effect"] is None else f"{d['effect']:.2f}",
            f"{d['wins']}/{d['ties']}/{d['losses']}", judgement(d),
        ]
        for d in deltas["rows"]
    ]  # fmt: skip
    heads = [
        "metric",
        items(deltas["rows"]),
        "pre",
        "post",
        "difference",
        "95 % interval",
        "p",
        "effect",
        "wins/ties/losses",
        "",
    ]
    worst = [
        f"{code(d['key'])}: "
        + "; ".join(f"{code(w['query_id'])} {number(w['pre'])} → {number(w['post'])}" for w in d["worst"])
        for d in deltas["rows"]
        if d["worst"]
    ]
    method = f"Method: {cell(deltas['method'])}; {deltas['resamples']} resamples, seed {deltas['seed']}. No correction for several metrics."
    hit = f"\n\n{items(deltas['rows']).capitalize()} that lost most:\n\n{bullets(worst)}" if worst else ""
    return f"{head}\n\n{table(heads, rows)}\n\n{method}{hit}"


def items(rows: Iterable[Mapping[str, Any]]) -> str:
    """What was compared one by one: queries, or the samples of a panel."""
    words = {"samples" if row["key"].startswith("genotype/") else "queries" for row in rows}
    return " or ".join(sorted(words))


def judgement(delta: Mapping[str, Any]) -> str:
    if not told(delta["p"], delta["low"], delta["high"]):
        return "not told from noise"
    return "higher" if delta["difference"] > 0 else "lower"


def _lineage(lines: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for line in lines:
        if line["found"]:
            trained = f"trained by {code(line['run_id'])}" if line["run_id"] else ""
            commit = f" at {code(line['commit'])}" if line["commit"] else ""
            rows.append(
                [line["role"], code(line["name"]), code(line["weights"]), trained + commit, code(line["place"])]
            )
        else:
            rows.append([line["role"], "none found", "", "", f"searched: {cell(', '.join(line['searched']))}"])
    return table(["", "model", "weights", "from", "where it stands"], rows)


def _artifacts(predicate: Mapping[str, Any]) -> str:
    rows = [[code(a["path"]), cell(a["contract"]), code(a["digest"])] for a in predicate["artifacts"]]
    return f"Digest of the resolved config: {code(predicate['run']['config'])}\n\n" + table(
        ["artifact", "contract", "digest"], rows
    )


def checks(report: Mapping[str, Any]) -> str:
    rows = [
        [MARKS[c["status"]] + " " + c["status"], code(c["id"]), cell(c["title"]), cell(c["reason"] or "")]
        for c in report["checks"]
    ]
    return table(["", "check", "", "why not"], rows)


def _commands(predicate: Mapping[str, Any]) -> str:
    lines = commands(predicate)
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([fence, *lines, fence])


def commands(predicate: Mapping[str, Any]) -> list[str]:
    """What to type to do it again, and to find out whether it still holds."""
    import shlex

    commit = predicate["commits"]["run"]
    return [
        *([f"git checkout {commit}"] if commit else []),
        clean(shlex.join(predicate["run"]["command"])),
        "toolkit verify RUN_DIR --digest sha256:…    # the digest that `toolkit seal` printed",
        "sha256sum -c seal/SHA256SUMS                # in the run directory, without sealkit",
    ]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def number(value: float) -> str:
    return f"{value:.4f}"


# A zero-width space ends a mention; an entity would not: mentions are looked for after entities are read.
_ESCAPED = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_{}[]()#+!|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "@&#8203;"}
)


def cell(text: Any) -> str:
    """Text that stays text wherever Markdown puts it: nothing in it is markup, HTML or a mention."""
    return clean(str(text)).translate(_ESCAPED)


def code(text: Any) -> str:
    """Text in code style. Backticks end it and bars split a table wherever they stand, so these are replaced."""
    shown = clean(str(text)).replace("`", "ˋ").replace("|", "¦")
    return f"`{shown}`" if shown.strip() else ""
