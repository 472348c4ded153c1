"""What both pages of the seal of a matrix say (SEAL.md and SEAL.html): what of it, in which order, and in which words."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealkit.finding import Status
from sealkit.render.text import clean
from sealkit.table_document import judged
from sealkit.trees.words import listed

Document = Mapping[str, Any]

NOT_COMPARED = "No reference row was named (`toolkit seal MATRIX_DIR --reference LABEL`), so nothing is compared."
NO_RISKS = "None: what the runs stand on is named, kept and bound."
NO_NOTES = "Nothing that was looked for."
NO_CONTRASTS = "The layout names none."
CONTRASTS = {"pre_post": "before and after fine-tuning", "hard_negatives": "with and without hard negatives"}
MATRIX = {"created_at": "made", "base_config": "base config", "matrix_config": "matrix config"}
OUTSIDE = "The seal binds every file of the folder. These lie outside of it; so they were when it was sealed."
ABOVE = "…/"  # stands for the matrix folder, where many of its files are named


def risks(predicate: Document, report: Document) -> list[tuple[str, str, Document]]:
    """The code, the words and the outcome of each risk that was found, by code."""
    told = [
        (*predicate["risks"][one["id"]].partition(" ")[::2], one)
        for one in _told(report)
        if one["id"] in predicate["risks"]
    ]
    return sorted(told, key=lambda risk: (len(risk[0]), risk[0]))


def beside(predicate: Document, report: Document) -> list[Document]:
    """The outcomes that are no risk and did not pass."""
    return [one for one in _told(report) if one["id"] not in predicate["risks"]]


def heading(outcome: Document) -> str:
    """What a check holds, and how it stands with that."""
    word = {"warned": "In doubt", "failed": "Does not hold"}.get(outcome["status"], "Not judged")
    return f"{word}: {outcome['title'][:1].lower()}{outcome['title'][1:]}"


def _told(report: Document) -> list[Document]:
    return [one for one in report["checks"] if one["status"] not in ("passed", "skipped")]


def checks(report: Document) -> list[Document]:
    """The outcomes of all checks, what did not pass first."""
    calm = ("passed", "skipped")
    return sorted(report["checks"], key=lambda one: calm.index(one["status"]) + 1 if one["status"] in calm else 0)


def risk(predicate: Document, outcome: Document) -> str:
    """The code of the risk that a check looks for, and that it is none where the check passed."""
    number = str(predicate["risks"].get(outcome["id"], "")).partition(" ")[0]
    return f"no {number}" if number and outcome["status"] == "passed" else number


def counts(outcomes: Sequence[Document]) -> str:
    """How files or checks came out: `6 passed, 6 warned`."""
    counted = Counter(one["status"] for one in outcomes)
    return ", ".join(f"{counted[status]} {status}" for status in Status if counted[status]) or "none"


def audit(commit: Document) -> str:
    """What is to be known of the commit at which a matrix was sealed."""
    if commit["commit"] is not None and commit["dirty"]:
        return "with uncommitted changes"
    return "" if commit["state"] == "ok" else str(commit["reason"] or commit["state"])


def ended(runs: Sequence[Document]) -> str:
    """How many of the runs came to their end."""
    whole = sum(run["ended"] for run in runs)
    return f"{'all' if whole == len(runs) else whole or 'none'} came to {'its' if whole == 1 else 'their'} end"


def tested(comparison: Document) -> str:
    """How many differences to the reference were tested."""
    rows = comparison["rows"]
    whole = sum(row["tested"] for row in rows)
    return f"{whole or 'none'} of {len(rows)} to {comparison['reference']} {'was' if whole < 2 else 'were'} tested"


def untested(comparison: Document) -> list[tuple[str, str]]:
    """The rows whose differences were not tested, and why; once for each reason."""
    reasons: dict[str, list[str]] = {}
    for row in comparison["rows"]:
        if not row["tested"]:
            reasons.setdefault(row["why"], []).append(row["label"])
    return [(listed(labels), why) for why, labels in reasons.items()]


def differences(comparison: Document) -> list[tuple[str, list[Document]]]:
    """What was compared of each row: its label, and one difference for each metric."""
    rows: dict[str, list[Document]] = {}
    for row in comparison["rows"]:
        rows.setdefault(row["label"], []).append(row)
    return list(rows.items())


def judgements(row: Sequence[Document]) -> str:
    """What the differences of one row show, each word once."""
    return "; ".join(dict.fromkeys(judged(one) for one in row))


def items(one: Document) -> str:
    """A difference as a number of queries, where it is a whole one: ` (+31 of 570)`."""
    return f" ({one['in_items']:+d} of {one['n']})".replace("-", "−") if one["in_items"] is not None else ""


def results(predicate: Document) -> list[Document]:
    """The sealed tables, the differences first, and only where they say more than is said above. A column of the number of runs is
    left out where each row is one run."""
    tables = sorted(predicate["numbers"]["tables"], key=lambda one: one["name"] != "differences")
    return [_plain(one) for one in tables if one["name"] != "differences" or statistics(predicate)]


def statistics(predicate: Document) -> bool:
    """Whether anything was tested: only then the table of all statistics says more than the differences."""
    comparison = predicate["numbers"]["comparison"]
    return bool(comparison and comparison["family"]["size"])


def _plain(table: Document) -> Document:
    kept = [
        i
        for i, column in enumerate(table["columns"])
        if column["name"] != "runs" or any(row[i] != {"value": 1} for row in table["rows"])
    ]
    return {
        **table,
        "columns": [table["columns"][i] for i in kept],
        "rows": [[row[i] for i in kept] for row in table["rows"]],
    }


def places(finding: Document) -> list[Document]:
    """The places of a finding, each once. One that has a quote stands for those of its line that have none."""
    found = [finding["location"], *finding["also"]]
    quoted = {(at["path"], at["line"]) for at in found if at["quote"]}
    kept = {
        (at["path"], at["line"], at.get("x-end"), at["quote"]): at
        for at in found
        if at["quote"] or (at["path"], at["line"]) not in quoted
    }
    return list(kept.values())


def where(at: Document) -> str:
    """A place as `path:line`, or `path:first-last`."""
    end = f"-{at['x-end']}" if at.get("x-end") else ""
    return f"{at['path']}:{at['line']}{end}" if at["line"] else str(at["path"])


def shortened(path: str, folder: str) -> str:
    """A path of the matrix folder with `…/` in that folder's place; another as it is."""
    return ABOVE + path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else path


def value(said: Document | None) -> str:
    """What is said, or nothing where it is not, or said to be nothing."""
    return "" if said is None or said["value"] is None else str(said["value"])


def commands(predicate: Document) -> Iterator[str]:
    """What to type to seal it again, and to find out whether the seal still holds."""
    folder, comparison = shlex.quote(predicate["matrix"]["folder"]), predicate["numbers"]["comparison"]
    against = f" --reference {shlex.quote(comparison['reference'])}" if comparison else ""
    yield clean(f"toolkit seal {folder}{against}")
    yield clean(f"toolkit verify {folder} --digest sha256:…    # the digest that `toolkit seal` printed")
    yield "sha256sum -c seal/SHA256SUMS    # in the matrix folder, without sealkit"
