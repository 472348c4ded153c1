"""The model that a training exported, and that runs loaded, is its best checkpoint: by weights, and by its record where none are kept."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Location, Severity, View
from sealkit.trees import selection
from sealkit.trees.evidence import Evidence, Model, Statement
from sealkit.trees.lineage import Lines, differ, is_final
from sealkit.trees.words import step_of


def find(run: View) -> Iterator[Finding]:
    lines = Lines(run.evidence)
    untold: list[str] = []
    for training in lines.trainings:
        best = selection.best(lines, training)
        yield from best_is_best(training, best, lines)
        chosen, left = selection.best_checkpoint(lines, training), lines.left(training)
        apart = [(model, differ(model, chosen)) for model in left if chosen]
        wrong = [model for model, other in apart if other and not as_good(model, training, best, lines)]
        if chosen and wrong:
            yield not_best(training, best, wrong[0], chosen, lines)
        elif apart and all(other is not None for _, other in apart):
            continue
        elif final := final_by_record(training, best, lines):
            by = f" by {best.metric}" if best.metric else ""
            message = f"{lines.title(training)} says that it exported its final model, and that its best{by} was step {best.step}"
            yield Finding(message, final.at, also=places(best), fix=f"keep and export step {best.step}")
        elif chosen and apart:
            untold += [f"{model.path} with {chosen.path}" for model, other in apart if other is None]
        else:
            yield on_trust(training, best, left, lines)
    if untold:
        fix = "keep both, in one format that can be read without running it (safetensors)"
        raise Blocked(f"the weights cannot be compared: {', '.join(untold)}", fix)
    if why := lines.unrecorded("exported"):
        raise Blocked(why, "put the folder of the training back")


def best_is_best(training: str, best: selection.Best, lines: Lines) -> Iterator[Finding]:
    """What a training calls its best checkpoint is the best of its history."""
    said = next(iter(selection.best_steps(lines, training)), None)
    severity = Severity.ERROR if lines.behind.get(training) else None
    if said and best.value is not None and said.value != best.step:
        message = f"{lines.title(training)} says that step {said.value} was best; by {best.metric} it was step {best.step} with {best.value}"
        yield Finding(message, said.at, severity, places(best)[:1] + places(best)[-1:], f"export step {best.step}")
    kept = lines.checkpoints(training)
    named = next((model for name, model in kept.items() if name.lower().startswith("best")), None)
    step = next((model for name, model in kept.items() if best.step is not None and step_of(name) == best.step), None)
    if named and step and differ(named, step) and not as_good(named, training, best, lines):
        message = f"{named.path} does not have the weights of step {best.step}, the best by {best.metric}"
        yield Finding(message, Location(named.path), severity, places(best), f"export {step.path}")


def as_good(model: Model, training: str, best: selection.Best, lines: Lines) -> bool:
    """Whether a model is another checkpoint with the value of the best: one of several that are equal."""
    value = selection.value_at(lines, selection.step_of_weights(lines, model, training), training)
    return best.value is not None and value == best.value


def not_best(training: str, best: selection.Best, wrong: Model, chosen: Model, lines: Lines) -> Finding:
    """The weights that left a training are not those of its best checkpoint. What says that they are is no evidence of it."""
    step = selection.step_of_weights(lines, wrong, training)
    final = step is not None and step == selection.last_step(lines, training)
    which = "weights of no checkpoint that it kept" if step is None else f"step {step}"
    which = f"its final model (step {step})" if final else which
    value = selection.value_at(lines, step, training)
    values = f": {value} in place of {best.value}" if value is not None and best.value is not None else ""
    by = f" by {best.metric}" if best.metric else ""
    name = f"step {best.step}" if best.step is not None else chosen.path
    said = [one.at for one in exported(training, lines.evidence) if not final or is_final(one)]
    at = said or [Location(wrong.path)]
    also = (*at[1:], *places(best), *(one.at for one in lines.evidence.all("training", training, "final_step")[:1]))
    message = f"{lines.title(training)} exported {which}, and not its best{by}, {name}{values}"
    return Finding(message, at[0], also=also, fix=f"export {chosen.path}")


def final_by_record(training: str, best: selection.Best, lines: Lines) -> Statement | None:
    """What says that the final model was exported, of a training whose best was another."""
    said = next((one for one in exported(training, lines.evidence) if is_final(one)), None)
    last = selection.last_step(lines, training)
    tied = best.value is not None and selection.value_at(lines, last, training) == best.value
    return said if best.step not in (None, last) and not tied else None


def on_trust(training: str, best: selection.Best, left: list[Model], lines: Lines) -> Finding:
    """Where neither weights nor a record tell."""
    said = exported(training, lines.evidence)
    place = said[0].at if said else Location(left[0].path) if left else lines.evidence.all("training", training)[0].file
    what = "kept no checkpoint of its best" if left else "left no model that is here"
    message = f"{lines.title(training)} {what}: that its best was exported is taken on trust"
    fix = "keep the checkpoint of every evaluated step, and what is exported"
    return Finding(message, place, also=places(best), fix=fix)


def exported(training: str, evidence: Evidence) -> list[Statement]:
    """What says which checkpoint was exported, what speaks of the final one first."""
    return sorted(evidence.all("training", training, "exported"), key=lambda one: not is_final(one))


def places(best: selection.Best) -> tuple[Location, ...]:
    return tuple(one.at for one in best.at)


CHECK = Check(
    since="0.2.0",
    title="What was exported and loaded is the best checkpoint",
    why="The final model was exported and the best ignored, or a failed load of the best was one log line "
    "(transformers#28500, GLiNER#159, Lightning#16979).",
    fix="export the best checkpoint under a name of its own, and run the matrix again on it",
    reads={"evidence": 1},
    needs=("training checkpoint",),
    find=find,
    severity=Severity.WARNING,
    risk="R2 the exported model is not the best",
)
