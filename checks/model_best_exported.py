"""The exported model is the checkpoint that the config names, and `best` is the best of the history: by weights."""

from collections.abc import Iterator
from typing import Any

from sealkit import Artifact, Check, Finding, Severity, View


def find(run: View) -> Iterator[Finding]:
    stages = dict(run.wired())
    recorded = {name for name, stage in stages.items() if stage["uses"] == "record"}
    manifests = run.all("model_manifest")
    checkpoints = [m for m in manifests if m.document["training"] and is_checkpoint(m, recorded)]
    for best in (m for m in checkpoints if "best" in (m.document["role"], name_of(m))):
        yield from best_is_best(run, best, made_by(training_of(best, recorded), checkpoints, recorded), recorded)
    for exported in (m for m in manifests if not is_checkpoint(m, recorded)):
        if training_of(exported, recorded) == RECORDED:
            role = exported.document["role"]
            yield from exported_is(
                exported, made_by(RECORDED, checkpoints, recorded), "best" if role == "best" else None
            )
            continue
        stage = stages.get(exported.path.split("/")[1], {"in": {}, "with": {}})
        source = stage["in"].get("model", "").partition(".")[0]
        yield from exported_is(exported, made_by(source, checkpoints, recorded), stage["with"].get("which"))


RECORDED = "(script)"  # the one training of a script, whose models and history are handed over one by one


def is_checkpoint(manifest: Artifact, recorded: set[str]) -> bool:
    """A model that training itself left: inside the run, or handed over by its step or with the choice that it won."""
    said = manifest.document
    if manifest.path.split("/")[1] in recorded:
        return said["role"] == "step" or said["selection"] is not None
    return said["exported_to"] is None


def training_of(artifact: Artifact, recorded: set[str]) -> str:
    stage = artifact.path.split("/")[1]
    return RECORDED if stage in recorded else stage


def name_of(manifest: Artifact) -> str:
    """`best`, `final` or `step_3`: the folder of a checkpoint in the run, else what its manifest says."""
    said = manifest.document
    if said["exported_to"] is None:
        return manifest.path.split("/")[-2]
    return f"step_{said['step']}" if said["role"] == "step" else str(said["role"])


def made_by(training: str, checkpoints: list[Artifact], recorded: set[str]) -> dict[str, Artifact]:
    """Checkpoint name (`best`, `step_3`, …) → manifest, of one training."""
    return {name_of(m): m for m in checkpoints if training_of(m, recorded) == training}


def best_is_best(run: View, best: Artifact, checkpoints: dict[str, Artifact], recorded: set[str]) -> Iterator[Finding]:
    selection = best.document["selection"]
    if selection is None:
        yield Finding(
            "does not say by what it was chosen",
            best.at("selection"),
            severity=Severity.WARNING,
            fix="keep metric, direction, step and value of the choice",
        )
        return
    rows = [
        (row, history.at(line=line))
        for history in run.all("metric_history")
        if training_of(history, recorded) == training_of(best, recorded)
        for line, row in history.rows()
        if row["key"] == selection["metric"]
    ]
    if not rows:
        yield Finding(
            f"no history of {selection['metric']} is kept, by which it was chosen",
            best.at("selection", "metric"),
            fix=f"keep the rows of {selection['metric']} in metric_history.jsonl",
        )
        return
    sign = 1 if selection["direction"] == "higher" else -1
    top, place = max(rows, key=lambda pair: (sign * pair[0]["value"], -pair[0]["step"]))
    name = f"step_{top['step']}"
    if (selection["step"], selection["value"]) != (top["step"], top["value"]):
        chosen = f"chosen at step {selection['step']} with {selection['value']!r}"
        message = f"{chosen}; the best was step {top['step']} with {top['value']!r}"
        yield Finding(
            message,
            best.at("selection", "step"),
            also=(place,),
            fix=f"choose {name} and export it, under another run name",
        )
    if best.document["step"] != selection["step"]:
        message = f"is the model of step {best.document['step']}, and was chosen at step {selection['step']}"
        yield Finding(message, best.at("step"), also=(best.at("selection", "step"),))
    step = checkpoints.get(name)
    if step is None:
        message = f"its weights are taken on trust: step {top['step']}, the best, was not kept"
        fix = "keep the checkpoint of every evaluated step"
        yield Finding(message, best.at("weights"), severity=Severity.WARNING, also=(place,), fix=fix)
    elif step.document["weights"] != best.document["weights"]:
        message = f"its weights are not those of step {top['step']}, the best"
        yield Finding(message, best.at("weights"), also=(step.at("weights"), place))


def exported_is(exported: Artifact, checkpoints: dict[str, Artifact], which: Any) -> Iterator[Finding]:
    if not checkpoints:
        message = "its weights are taken on trust: no stage of this run made the model that was exported"
        fix = "export it in the run that trained it"
        yield Finding(message, exported.at("weights"), severity=Severity.WARNING, fix=fix)
        return
    wanted = checkpoints.get(which or "best")
    if wanted is None:
        if which:
            message = f"{which} was promised, and the run holds no such checkpoint to compare with"
            yield Finding(message, exported.at("weights"))
        return
    weights = exported.document["weights"]
    if wanted.document["weights"] == weights:
        return
    like = sorted(name for name, checkpoint in checkpoints.items() if checkpoint.document["weights"] == weights)
    found = f"those of {' and '.join(like)}" if like else "of no checkpoint that the run kept"
    yield Finding(
        f"its weights are {found}, expected those of {which or 'best'}",
        exported.at("weights"),
        # Where the config promised nothing, to export another one is unusual and no breach.
        severity=None if which else Severity.WARNING,
        also=(wanted.at("weights"),),
        fix=f"export {which or 'best'}, under another run name",
    )


CHECK = Check(
    since="0.1.0",
    title="The exported model is the one that was promised",
    why="The final model was exported and the best ignored, or a failed load of the best was one log line "
    "(transformers#28500, GLiNER#159, Lightning#16979).",
    fix="export the promised checkpoint again, under another run name",
    reads={"model_manifest": 1, "resolved_config": 1, "metric_history?": 1},
    find=find,
)
