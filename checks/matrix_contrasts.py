"""The comparisons that the layout requires can be made: before and after fine-tuning, with and without hard negatives."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, View
from sealkit.trees.contrasts import contrasts
from sealkit.trees.lineage import Lines


def find(run: View) -> Iterator[Finding]:
    absent = {name: one for name, one in contrasts(Lines(run.evidence)).items() if one.required and not one.found}
    if absent:
        told = "; ".join(f"{name} is required, and {one.missing}" for name, one in absent.items())
        looked = ", ".join(dict.fromkeys(place for one in absent.values() for place in one.looked))
        raise Blocked(f"{told}; looked in {looked}", "run both sides in one matrix")
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
