"""The numbers in a run's summary are those in its metrics file."""

import re
from collections.abc import Iterator

from sealkit import Check, Finding, View
from sealkit.evidence import Statement


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    for one in evidence.ids("run"):
        files = list(evidence.all("run", one, "metric", "metrics"))
        for said in evidence.all("run", one, "metric", "summary"):
            other = counterpart(said, files)
            if other is not None and other.value != said.value:
                message = f"{evidence.label(one)}: {said.key} is {said.value} in the summary, and {other.value} in the metrics"
                yield Finding(message, said.at, also=(other.at,))


def counterpart(said: Statement, files: list[Statement]) -> Statement | None:
    """The same metric in the metrics file: its key with more or fewer folders before it."""
    return next((one for one in files if same_key(str(one.key), str(said.key))), None)


def same_key(one: str, other: str) -> bool:
    left, right = (re.sub(r"^metrics/", "", key) for key in (one, other))
    return left == right or left.endswith(f"/{right}")


CHECK = Check(
    since="0.2.0",
    title="Summary and metrics say the same numbers",
    why="The number in the table was not the number in the file (wandb#3387, inspect_evals#1610).",
    fix="write the summary again from the metrics file",
    reads={"evidence": 1},
    needs=("run metric",),
    find=find,
)
