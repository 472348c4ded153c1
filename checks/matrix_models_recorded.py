"""Every model of the tree that a run loaded is here, and a training that recorded its config made it."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Model, Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.words import LISTED, few, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    loaded: dict[str, list[Statement]] = {}
    for one in lines.runs:
        if (said := lines.named(one)) and (name := lines.below(str(said.value))):
            loaded.setdefault(name, []).append(said)
    for name, statements in loaded.items():
        runs = [one.id for one in statements]
        also, more = few([one.at for one in statements])
        who, model, training = names(runs, evidence), evidence.model(name), lines.maker(runs[0])
        if model is None or model.state != "here":
            why = f": {model.reason}" if model and model.reason else ""
            message = f"{name}, which {who} loaded, is not here{why}: nothing tells what it was{more}"
            yield Finding(message, also[0], also=also[1:], fix="put it back, or run again on a model that is kept")
        elif training is None and not lines.is_base(name):
            message = f"{unmade(name, who, model, lines)}{more}"
            yield Finding(message, also[0], also=also[1:], fix="put the folder of its training back")
        elif training and model.weights is None:
            message = (
                f"{name}, which {who} loaded, holds no weights: that {training} made it is told by its name alone{more}"
            )
            yield Finding(message, also[0], also=also[1:], fix="put its weights back")
        elif training and not any(evidence.text("training", training, what) for what in ("run_id", "commit")):
            place = evidence.all("training", training)[0].file
            message = f"{training}, which made {name}, recorded neither its id nor its commit{more}"
            yield Finding(message, place, also=also, fix="put its train_config.yaml back")


def unmade(name: str, who: str, model: Model, lines: Lines) -> str:
    """That no training is known to be the maker of a model, and why not."""
    if not lines.trainings:
        looked = ", ".join(lines.evidence.looked("training run_id"))
        return f"no training that is recorded here made {name}, which {who} loaded; looked in {looked}"
    why = "it holds no weights" if model.weights is None else "none of them left these weights"
    found = ", ".join(list(lines.trainings)[:LISTED])
    return f"nothing links {name}, which {who} loaded, to a training that is recorded here ({found}: {why})"


CHECK = Check(
    since="0.2.0",
    title="Loaded models are here, and their trainings are recorded",
    why="Signing and tables told of models whose training nobody recorded (ossf/ai-ml-security#40, CoSAI ws1#4).",
    fix="keep the models that runs loaded, and the folders of their trainings",
    reads={"evidence": 1},
    needs=("run model", "training run_id"),
    find=find,
    severity=Severity.WARNING,
    risk="R7 a model or its training is not recorded",
)
