"""The numbers in a run's summary are those in its metrics file, and the means of its rows where it keeps them."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Evidence, Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.words import called, few, names

ROUNDED = 5e-4  # a mean, and the values of its rows, may have been rounded, to three digits at the least


def find(run: View) -> Iterator[Finding]:
    evidence, alone = run.evidence, list[Statement]()
    two_files = len(evidence.looked("run metric")) > 1  # a layout may have one place for the numbers of a run
    for one in Lines(evidence).runs:
        files = evidence.all("run", one, "metric", "metrics")
        for said in evidence.all("run", one, "metric", "summary"):
            others = counterparts(said, files)
            if not others:
                alone += [said] if two_files else []
            elif not any(agree(said, other) for other in others):
                message = f"{called(one, evidence)}: {said.key} is {said.value} in the summary, and {others[0].value} in the metrics"
                yield Finding(message, said.at, also=(others[0].at,), fix=f"{said.key}: {others[0].value}")
            yield from means(said, evidence)
    if alone:
        also, more = few([said.at for said in alone])
        who, keys = (
            names([said.id for said in alone], evidence),
            ", ".join(dict.fromkeys(str(said.key) for said in alone)),
        )
        message = f"{who}: {keys} of the summary stand in no metrics file: taken on trust{more}"
        yield Finding(message, also[0], Severity.WARNING, also[1:], "write every number of the summary to metrics.json")


def means(said: Statement, evidence: Evidence) -> Iterator[Finding]:
    """A number of the summary is the mean of its rows, where the run keeps them."""
    for mean in evidence.all("run", said.id, "metric", "per_query"):
        apart = min(abs(scale * float(mean.value or 0) - float(said.value or 0)) / scale for scale in (1, 100))
        if mean.key == said.key and apart > ROUNDED:
            message = (
                f"{called(said.id, evidence)}: {said.key} is {said.value} in the summary, and the mean of the rows "
                f"of {mean.at.path} is {float(mean.value or 0):.6g}"
            )
            yield Finding(message, said.at, also=(mean.at,), fix="find out which is right, and evaluate again")


def counterparts(said: Statement, files: list[Statement]) -> list[Statement]:
    """The same metric in the metrics file: its key with more or fewer folders before it."""
    key = str(said.key).removeprefix("metrics/").split("/")
    named = [(str(one.key).removeprefix("metrics/").split("/"), one) for one in files]
    exact = [one for other, one in named if other == key]
    return exact or [one for other, one in named if other[-1] == key[-1] and (within(key, other) or within(other, key))]


def within(short: list[str], long: list[str]) -> bool:
    """Whether the parts of a key stand in another, in their order."""
    parts = iter(long)
    return all(part in parts for part in short)


def agree(said: Statement, other: Statement) -> bool:
    """Whether two numbers are one: in all digits that the summary shows, also where it shows per cent."""
    digits = len(f"{said.value!r}".partition(".")[2]) if "e" not in f"{said.value!r}" else 17
    value, known = float(said.value or 0), float(other.value or 0)
    return value == known or any(round(scale * known, digits) == value for scale in (1, 100) if digits >= 2)


CHECK = Check(
    since="0.2.0",
    title="Summary and metrics say the same numbers",
    why="The number in the table was not the number in the file (wandb#3387, inspect_evals#1610).",
    fix="write the summary again from the metrics file",
    reads={"evidence": 1},
    needs=("run metric",),
    find=find,
)
