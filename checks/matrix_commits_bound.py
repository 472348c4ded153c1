"""Training, matrix and audit stand at one commit, or a model digest in the matrix binds them; all runs of it at one commit."""

import re
from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Location, Severity, View
from sealkit.trees.evidence import Evidence, Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.pointers import moved
from sealkit.trees.words import few, names, same_commit


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    matrix = next((one for one in evidence.all("matrix", what="commit") if one.value), None)
    yield from apart(matrix, evidence, lines)
    for training, linked in lines.trainings.items():
        unbound = [one for one in linked or lines.adrift if not evidence.text("run", one, "model_digest")]
        trained = next((one for one in evidence.all("training", training, "commit") if one.value), None)
        commits = {
            "training": said(trained),
            "matrix": said(matrix),
            "audit": evidence.document["repository"]["commit"],
        }
        if unbound and (differ := misfit(commits)):
            told = ", ".join(f"{who} {commit or 'not recorded'}" for who, commit in commits.items())
            rows = [one.at for run_ in unbound for one in evidence.all("run", run_, "run_id")[:1]]
            also, more = few(
                [*(one.at for one in (matrix, trained) if one), *rows] or [Location(evidence.document["matrix"])]
            )
            who, to = names(unbound, evidence), lines.title(training)
            message = f"{differ} ({told}), and no model digest in the matrix binds {who} to {to}{more}"
            yield Finding(message, also[0], also=also[1:], fix=digest_to_write(unbound, lines))
    if why := lines.unrecorded("commit"):
        raise Blocked(why, "put the folder of the training back")


def misfit(commits: dict[str, str | None]) -> str | None:
    """What is wrong with the commits of training, matrix and audit; None where they are one, or the audit's alone is not known."""
    known = {who: commit for who, commit in commits.items() if commit and re.match("[0-9a-f]{7}", commit)}
    if len(known) > 1 and not same_commit(*known.values()):
        return "commits differ"
    lost = [who for who in ("training", "matrix") if who not in known]
    return f"the commit of the {' and the '.join(lost)} is not told" if lost else None


def apart(matrix: Statement | None, evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    """Runs that were made at another commit than the matrix; than the first of them where that records none."""
    made = [one for one in evidence.all("run", what="commit") if one.value and one.id in lines.runs]
    meant = matrix or next(iter(made), None)
    others = [one for one in made if meant and not same_commit(one.value, meant.value)]
    if meant and others:
        whose = "the matrix" if matrix else names([meant.id], evidence)
        values = ", ".join(dict.fromkeys(str(one.value) for one in others))
        also, more = few([others[0].at, meant.at, *(one.at for one in others[1:])])
        message = f"{names([one.id for one in others], evidence)}: made at {values}, {whose} at {meant.value}{more}"
        yield Finding(message, also[0], also=also[1:], fix="run them again at one commit")


def said(one: Statement | None) -> str | None:
    return str(one.value).strip().lower() if one else None


def digest_to_write(runs: list[str], lines: Lines) -> str:
    """What to write into the record of the runs, where their model is here."""
    models = {model.path: model for run in runs if (model := lines.model_of(run))}.values()
    elsewhere = any(model.pointer and moved(model, runs, lines) for model in models)
    whole = not elsewhere and all(lines.model_of(run) for run in runs)
    weights = {model.weights if whole else None for model in models}
    value = weights.pop() if len(weights) == 1 else None
    return (
        f'"model_sha256": "{value}"' if value else "write the digest of the model that each run loaded as model_sha256"
    )


CHECK = Check(
    since="0.2.0",
    title="Training, matrix and audit are bound to each other",
    why="The audit stood at another commit than the training, and no model hash said that it was the same model (mlflow#1912, #7017).",
    fix="write the digest of the loaded model into the record of each run",
    reads={"evidence": 1},
    needs=("training commit", "matrix commit"),
    find=find,
    severity=Severity.WARNING,
    risk="R4 commits differ, and no digest binds them",
)
