"""The comparisons that the layout requires can be made: before and after fine-tuning, with and without hard negatives."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, View
from sealkit.tree_lineage import Lines, contrasts


def find(run: View) -> Iterator[Finding]:
    lines = Lines(run.evidence)
    for name, contrast in contrasts(lines).items():
        if contrast.required and not contrast.found:
            fix = "run both sides in one matrix"
            raise Blocked(f"{name} is required, and {contrast.missing}; looked in {', '.join(contrast.looked)}", fix)
    return iter(())


CHECK = Check(
    since="0.2.0",
    title="The comparisons that are required can be made",
    why="Gains were claimed over a run that was not in the matrix (evalscope#1496, mteb#5228).",
    fix="run both sides in one matrix",
    reads={"evidence": 1},
    needs=("run model", "training base"),
    find=find,
)
