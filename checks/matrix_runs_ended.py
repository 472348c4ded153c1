"""Every run that the matrix lists came to its end and has a summary, or its record says why not."""

import re
from collections.abc import Iterator

from sealkit import Check, Finding, Location, Severity, View
from sealkit.trees.words import called

NOT_ENDED = re.compile(
    r"(?i).*(?:fail|error|crash|kill|abort|cancel|timeout|timed|running|pending|queued|skip|incomplete|partial|oom).*"
)


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    for one in evidence.ids("run"):
        listed, status = evidence.one("run", one, "label"), evidence.one("run", one, "status")
        ended, who = evidence.one("run", one, "ended"), called(one, evidence)
        word = f"is {status.value}" if status and status.value else "says nothing of how it ended"
        if listed is None and ended is not None:
            message = f"{one} has a summary, and the matrix does not list it: its numbers stand in no row"
            yield Finding(message, Location(ended.at.path), fix="list it, or move it away")
        elif listed is not None and ended is None:
            message = f"{who} {word}, and no summary says that it ended: it does not count"
            yield Finding(message, (status or listed).at, fix="run it again, or take its row out")
        elif status is not None and ended is not None and NOT_ENDED.fullmatch(str(status.value)):
            message = f"{who} {word}, and has a summary: its numbers may be of another attempt, or of a part"
            yield Finding(message, status.at, also=(Location(ended.at.path),), fix="run it again, or take its row out")


CHECK = Check(
    since="0.2.0",
    title="The rows of the matrix are runs that ended",
    why="Outputs of killed jobs were taken for complete, and failed rows fell out of tables unseen (snakemake#627, #3808).",
    fix="run again what did not end",
    reads={"evidence": 1},
    needs=("run label", "run ended"),
    find=find,
    severity=Severity.WARNING,
)
