"""The measure that chose the checkpoint is the one that the runs report."""

import re
from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View
from sealkit.trees import selection
from sealkit.trees.lineage import Lines
from sealkit.trees.words import measure, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    for training, linked in lines.trainings.items():
        best, title, runs = selection.best(lines, training), lines.title(training), linked or lines.adrift
        reported = [one for run_ in runs for one in evidence.all("run", run_, "metric", "summary")]
        measures = {measure(str(one.key)): one for one in reversed(reported)}
        history = evidence.all("training", training, "metric")
        if best.metric is None and (linked or history):
            looked = ", ".join(evidence.looked("training selected_by"))
            message = f"{title}: nothing says by which measure its checkpoint was selected; looked in {looked}"
            place = [*history, *evidence.all("training", training)][0].at
            yield Finding(message, place, fix="write it to the training's record")
        if best.metric is None or not measures:
            continue
        evaluated = {measure(one.key or "") for one in history if one.step is not None}
        head = headline(best.metric, list(reversed(measures)), evaluated)
        tops = selection.tops(lines, training, head)
        same = next((one for one in tops if one.step == best.step), None)
        # To choose by a loss and report a measure is usual; by one cutoff, to report another is told whatever it would have chosen.
        if head == best.metric or (same and head.partition("@")[0] != best.metric.partition("@")[0]):
            continue
        other = same or next(iter(tops), None)
        untold = ", and no evaluation tells which step that would have chosen"
        step = "the same step" if same else f"step {other.step}" if other else ""
        instead = f", by which {step} would have been chosen" if other else untold
        report = "reports" if len(runs) == 1 else "report"
        message = (
            f"{title}: its checkpoint was selected by {best.metric}; {names(runs, evidence)} {report} {head}{instead}"
        )
        also = (measures[head].at, *([other.at] if other else []))
        yield Finding(message, best.at[0].at, also=also, fix=f"select by {head}")
    if why := lines.unrecorded("selected_by"):
        raise Blocked(why, "put the folder of the training back")


def headline(selected: str, measures: list[str], evaluated: set[str]) -> str:
    """What a reader takes for the result: of the measures of the selection's own kind the one with the largest cutoff. Where runs
    report none of that kind, of those that the training was evaluated by, the first with the largest cutoff."""
    alike = [one for one in measures if one.partition("@")[0] == selected.partition("@")[0]]
    among = alike or [one for one in measures if one in evaluated] or measures
    return max(among, key=lambda one: int(re.sub(r"\D", "", one.partition("@")[2]) or 0))


CHECK = Check(
    since="0.2.0",
    title="The selection measure is the reported one",
    why="Checkpoints were chosen by one metric and reported by another (transformers#31450, #22027, LlamaFactory#7906).",
    fix="select by the measure that is reported",
    reads={"evidence": 1},
    needs=("training selected_by", "run metric"),
    find=find,
    severity=Severity.WARNING,
)
