"""Every model of the tree that a run loaded is here, and a training that recorded its config made it."""

from collections.abc import Iterator

from sealkit import Check, Finding, Location, Severity, View
from sealkit.evidence import Statement, normal
from sealkit.tree_lineage import Lines, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    loaded: dict[str, list[Statement]] = {}
    for one in evidence.ids("run"):
        if (said := lines.named(one)) and normal(str(said.value)).startswith(tuple(folders(run))):
            loaded.setdefault(normal(str(said.value)), []).append(said)
    for name, said in loaded.items():
        runs, also = [one.id for one in said], tuple(one.at for one in said[1:])
        model, training = evidence.model(name), lines.maker(runs[0])
        if model is None or model.state != "here":
            why = f": {model.reason}" if model and model.reason else ""
            message = f"{name}, which {names(runs, evidence)} loaded, is not here{why}: nothing tells what it was"
            yield Finding(message, said[0].at, also=also, fix="put it back, or run again on a model that is kept")
        elif training is None:
            where = ", ".join(evidence.looked("training run_id"))
            message = f"no training that is recorded here made {name}, which {names(runs, evidence)} loaded; looked in {where}"
            yield Finding(message, said[0].at, also=also, fix="put the folder of its training back")
        elif (
            evidence.one("training", training, "run_id") is None
            and evidence.one("training", training, "commit") is None
        ):
            place = Location(evidence.all("training", training)[0].at.path)
            message = f"{training}, which made {name}, recorded neither its config nor its commit"
            yield Finding(message, place, also=(said[0].at, *also), fix="put its config back")


def folders(run: View) -> set[str]:
    """The folders that hold the models of the tree: `models/`, say."""
    tops = {path.partition("/")[0] for path, model in run.evidence.models.items() if "/" in path}
    return {f"{top}/" for top in tops | {"models"}}


CHECK = Check(
    since="0.2.0",
    title="Loaded models are here, and their trainings are recorded",
    why="Signing and tables told of models whose training nobody recorded (ossf/ai-ml-security#40, CoSAI ws1#4).",
    fix="keep the models that runs loaded, and the folders of their trainings",
    reads={"evidence": 1},
    needs=("run model", "training run_id"),
    find=find,
    severity=Severity.WARNING,
    risk="R7",
)
