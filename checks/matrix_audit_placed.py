"""The audit stands in a repository, so that configs and scripts are known to be those that ran."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.lineage import Lines
from sealkit.trees.words import same_commit


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    repository = evidence.document["repository"]
    made = next((one for one in evidence.all("matrix", what="commit") if one.value), None)
    trained = [one.value for training in lines.trainings for one in evidence.all("training", training, "commit")[:1]]
    standing = [*lines.adrift, *(one for runs in lines.behind.values() for one in runs)]
    unbound = [one for one in standing if not evidence.text("run", one, "model_digest")]
    # Where training and matrix differ, matrix-commits-bound says what is known of all three.
    if unbound and repository["commit"] is None and made and same_commit(made.value, *trained):
        why = repository["reason"] or "it stands in no repository"
        message = f"the matrix was made at {made.value}, and at which commit it is audited is not known ({why}): that configs and scripts are those that ran is taken on trust"
        yield Finding(message, made.at, fix="audit it in its repository")


CHECK = Check(
    since="0.2.0",
    title="The audit knows the code that it reads",
    why="Exports lost their repository, and nobody could say which code had made the numbers (mlflow#1912).",
    fix="audit it in its repository",
    reads={"evidence": 1},
    needs=("matrix commit",),
    find=find,
    severity=Severity.WARNING,
)
