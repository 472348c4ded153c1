"""Config, record and log of a training agree on whether it had hard negatives."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.words import few, switched

PLACES = ("log", "record", "config")  # the last word of each is the one that held


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    places = evidence.looked("training hard_negatives")
    looked = ", ".join(places)
    for training in Lines(evidence).behind:
        told = {
            by: [
                one
                for one in evidence.all("training", training, "hard_negatives", by)
                if switched(one.value) is not None
            ]
            for by in PLACES
        }
        said = {by: lines for by, lines in told.items() if lines}
        last = {by: switched(lines[-1].value) for by, lines in said.items()}
        several = [by for by, lines in said.items() if len({switched(one.value) for one in lines}) > 1]
        also, more = few([one.at for lines in said.values() for one in [lines[-1], *lines[:-1]]])
        if len(set(last.values())) > 1:
            words = ", ".join(f"{by} {word(lines[-1])}" for by, lines in reversed(said.items()))
            message = f"{training}: whether it had hard negatives is told in several ways: {words}{more}"
            yield Finding(message, also[0], also=also[1:], fix=way_out(last))
        elif several:
            message = f"{training}: both on and off is said of hard negatives, by its {' and its '.join(several)}{more}"
            yield Finding(message, also[0], Severity.WARNING, also[1:], "say it once: what was used")
        elif len(said) == 1 < len(places):
            by = next(iter(said))
            message = (
                f"{training}: that hard negatives were {word(said[by][-1])} is told by its {by} alone: taken on trust"
            )
            yield Finding(message, also[0], Severity.WARNING, fix=f"keep the others too; looked in {looked}")
        elif not said:
            place = evidence.all("training", training)[0].file
            message = f"{training}: nothing tells whether it had hard negatives; looked in {looked}"
            yield Finding(
                message, place, Severity.WARNING, fix="write hard_negatives.enabled to its config, and log what is used"
            )


def word(said: Statement) -> str:
    return "on" if switched(said.value) else "off"


def way_out(last: dict[str, bool | None]) -> str:
    if last.get("config") and not last.get("log", True):
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
    risk="R6 hard negatives are told in several ways",
)
