"""Training, matrix and audit stand at one commit, or a model digest in the matrix binds them; all runs of it at one commit."""

from collections.abc import Iterator

from sealkit import Check, Finding, Location, Severity, View
from sealkit.evidence import Evidence, Statement
from sealkit.tree_lineage import Lines, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    matrix = next(iter(evidence.all("matrix", what="commit")), None)
    yield from apart(matrix, evidence)
    for training, runs in lines.behind.items():
        unbound = [one for one in runs if evidence.one("run", one, "model_digest") is None]
        trained = evidence.one("training", training, "commit")
        commits = [str(one.value) if one else None for one in (trained, matrix)]
        commits.append(evidence.document["repository"]["commit"])
        if unbound and (None in commits or not same(*(str(commit) for commit in commits))):
            told = ", ".join(
                f"{who} {commit or 'not recorded'}"
                for who, commit in zip(("training", "matrix", "audit"), commits, strict=True)
            )
            message = f"commits differ ({told}), and no model digest in the matrix binds {names(unbound, evidence)} to {training}"
            places = [one.at for one in (matrix, trained) if one]
            labels = [one.at for run_ in unbound for one in evidence.all("run", run_, "run_id")]
            where = [*places, *labels] or [Location(evidence.document["matrix"])]
            yield Finding(message, where[0], also=tuple(where[1:]), fix=digest_to_write(unbound, lines))


def apart(matrix: Statement | None, evidence: Evidence) -> Iterator[Finding]:
    """Runs that were made at another commit than the matrix."""
    others = [
        one
        for one in evidence.all("run", what="commit")
        if matrix and one.value and not same(str(one.value), str(matrix.value))
    ]
    if matrix and others:
        who = names([one.id for one in others], evidence)
        message = f"{who}: made at {others[0].value}, the matrix at {matrix.value}"
        also = (*(one.at for one in others[1:]), matrix.at)
        yield Finding(message, others[0].at, also=also, fix="run them again at one commit")


def same(*commits: str) -> bool:
    """Whether commits are one; a shortened one is the beginning of the other."""
    longest = max(commits, key=len)
    return all(longest.startswith(commit) for commit in commits)


def digest_to_write(runs: list[str], lines: Lines) -> str:
    """What to write into the record of the runs, where their model is here."""
    weights = {model.weights for run in runs if (model := lines.model_of(run))}
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
    risk="R4",
)
