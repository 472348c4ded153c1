"""Config, record and log of a training agree on whether it had hard negatives."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View
from sealkit.trees.evidence import Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.words import few, switched

PLACES = ("log", "record", "config")  # the last word of each is the one that held


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    places = evidence.looked("training hard_negatives")
    looked = ", ".join(places)
    for training, runs in lines.trainings.items():
        title = lines.title(training)
        told = {
            by: [
                one
                for one in evidence.all("training", training, "hard_negatives", by)
                if switched(one.value) is not None
            ]
            for by in PLACES
        }
        said = {by: those for by, those in told.items() if those}
        last = {by: switched(those[-1].value) for by, those in said.items()}
        several = [by for by, those in said.items() if len({switched(one.value) for one in those}) > 1]
        also, more = few([one.at for those in said.values() for one in [those[-1], *those[:-1]]])
        if len(set(last.values())) > 1:
            words = ", ".join(f"{by} {word(those[-1])}" for by, those in reversed(said.items()))
            message = f"{title}: whether it had hard negatives is told in several ways: {words}{more}"
            severity = None if runs else Severity.WARNING
            yield Finding(message, also[0], severity, also[1:], way_out(last))
        elif several:
            message = f"{title}: both on and off is said of hard negatives, by its {' and its '.join(several)}{more}"
            yield Finding(message, also[0], Severity.WARNING, also[1:], "say it once: what was used")
        elif len(said) == 1 < len(places):
            by = next(iter(said))
            message = (
                f"{title}: that hard negatives were {word(said[by][-1])} is told by its {by} alone: taken on trust"
            )
            yield Finding(message, also[0], Severity.WARNING, fix=f"keep the others too; looked in {looked}")
        elif not said:
            place = evidence.all("training", training)[0].file
            message = f"{title}: nothing tells whether it had hard negatives; looked in {looked}"
            yield Finding(
                message, place, Severity.WARNING, fix="write hard_negatives.enabled to its config, and log what is used"
            )
    if why := lines.unrecorded("hard_negatives"):
        raise Blocked(why, "put the folder of the training back")


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
