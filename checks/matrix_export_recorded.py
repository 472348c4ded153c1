"""What a training says that it exported is what the weights of its export are."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees import selection
from sealkit.trees.evidence import Statement
from sealkit.trees.lineage import Lines, differ, is_final
from sealkit.trees.words import few


def find(run: View) -> Iterator[Finding]:
    lines = Lines(run.evidence)
    for training in lines.trainings:
        said = [last(training, by, lines) for by in ("record", "log")]
        wrong = [one for one in said if one and holds(one, training, lines) is False]
        left = lines.left(training)
        if wrong:
            step = selection.step_of_weights(lines, left[0], training)
            weights = "weights of no checkpoint that it kept" if step is None else f"the weights of step {step}"
            told = " and ".join(f"its {one.by} says {one.value}" for one in wrong)
            also, more = few([one.at for one in wrong])
            message = f"{lines.title(training)}: {left[0].path} has {weights}, and of what was exported {told}{more}"
            yield Finding(message, also[0], also=also[1:], fix="write what was exported to the training's record")


def last(training: str, by: str, lines: Lines) -> Statement | None:
    """The last word of a place: a model may be exported again."""
    said = [one for one in lines.evidence.all("training", training, "exported", by) if is_final(one) or is_best(one)]
    return said[-1] if said else None


def is_best(said: Statement) -> bool:
    return "best" in str(said.value).lower()


def holds(said: Statement, training: str, lines: Lines) -> bool | None:
    """Whether all that left a training is what was said; None where that cannot be told."""
    left, last_step = lines.left(training), selection.last_step(lines, training)
    kept = {
        step: model
        for model in lines.checkpoints(training).values()
        if (step := selection.step_of_weights(lines, model, training))
    }
    meant = kept.get(last_step or -1) if is_final(said) else selection.best_checkpoint(lines, training)
    if meant is None or not left:
        return None
    apart = [differ(model, meant) for model in left]
    return False if all(apart) else None if None in apart else True


CHECK = Check(
    since="0.2.0",
    title="What was exported is what the record says",
    why="A table named the best checkpoint, and the folder held the last one: the record was written before the copy (transformers#28500, GLiNER#159).",
    fix="write what was exported to the training's record",
    reads={"evidence": 1},
    needs=("training exported", "training checkpoint"),
    find=find,
    severity=Severity.WARNING,
)
