"""Config, record and log of a training agree on whether it had hard negatives."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.tree_lineage import Lines, switched


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    for training in Lines(evidence).behind:
        said = {
            by: found[-1]
            for by in ("config", "record", "log")
            if (found := evidence.all("training", training, "hard_negatives", by)) and switched(found[-1]) is not None
        }
        values = {by: switched(one) for by, one in said.items()}
        if len(set(values.values())) > 1:
            told = ", ".join(f"{by} {'on' if value else 'off'}" for by, value in values.items())
            first, *others = (said[by] for by in ("log", "record", "config") if by in said)
            message = f"{training}: whether it had hard negatives is told in several ways: {told}"
            yield Finding(message, first.at, also=tuple(one.at for one in others), fix=way_out(values))
        elif list(said) == ["config"]:
            message = f"{training}: that hard negatives were {'on' if values['config'] else 'off'} is told by its config alone"
            where = ", ".join(evidence.looked("training hard_negatives"))
            yield Finding(
                message, said["config"].at, Severity.WARNING, fix=f"keep its record and log; looked in {where}"
            )


def way_out(values: dict[str, bool | None]) -> str:
    if values.get("config") and not values.get("log", True):
        return "the switch does nothing: correct the code, and train again"
    return "train again, and log what is used"


CHECK = Check(
    since="0.2.0",
    title="The hard-negative switch does what the config says",
    why="Wrong counts of hard negatives were printed, and a switch that was set did nothing (sentence-transformers#3504, Soup#627).",
    fix="train again, and log what is used",
    reads={"evidence": 1},
    needs=("training hard_negatives",),
    find=find,
    risk="R6",
)
