"""Every model of the tree that a run loaded is here, and a training that recorded its config made it."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Evidence, Statement, normal
from sealkit.trees.lineage import Lines
from sealkit.trees.words import few, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    loaded: dict[str, list[Statement]] = {}
    for one in lines.runs:
        if (said := lines.named(one)) and (name := in_tree(str(said.value), evidence)):
            loaded.setdefault(name, []).append(said)
    for name, statements in loaded.items():
        runs = [one.id for one in statements]
        also, more = few([one.at for one in statements])
        who, model, training = names(runs, evidence), evidence.model(name), lines.maker(runs[0])
        if model is None or model.state != "here":
            why = f": {model.reason}" if model and model.reason else ""
            message = f"{name}, which {who} loaded, is not here{why}: nothing tells what it was{more}"
            yield Finding(message, also[0], also=also[1:], fix="put it back, or run again on a model that is kept")
        elif training is None:
            where = ", ".join(evidence.looked("training run_id"))
            message = f"no training that is recorded here made {name}, which {who} loaded; looked in {where}{more}"
            yield Finding(message, also[0], also=also[1:], fix="put the folder of its training back")
        elif not any(evidence.text("training", training, what) for what in ("run_id", "commit")):
            place = evidence.all("training", training)[0].file
            message = f"{training}, which made {name}, recorded neither its id nor its commit{more}"
            yield Finding(message, place, also=also, fix="put its train_config.yaml back")


def in_tree(name: str, evidence: Evidence) -> str | None:
    """The path below the root of a model that is in the tree, or should be; None for one from elsewhere."""
    if model := evidence.model(name):
        return model.path
    tops = {path.partition("/")[0] for path in evidence.models if "/" in path} | {"models"}
    parts = normal(name).split("/")
    first = next((i for i, part in enumerate(parts) if part in tops), None)
    absolute = normal(name).startswith("/")
    return "/".join(parts[first:]) if first == 0 or (first and absolute) else None


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
