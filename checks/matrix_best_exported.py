"""The model that a training exported, and that runs loaded, is its best checkpoint: by weights, and by its record where none are kept."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Location, Severity, View
from sealkit.trees.evidence import Evidence, Model, Statement
from sealkit.trees.lineage import Best, Lines, differ
from sealkit.trees.words import measure, step_of


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    untold: list[str] = []
    for training in lines.behind:
        best = lines.best(training)
        yield from best_is_best(training, best, evidence, lines)
        chosen, left = lines.best_checkpoint(training), lines.left(training)
        apart = [(model, differ(model, chosen)) for model in left if chosen]
        final = final_by_record(training, best, evidence, lines)
        if chosen and (wrong := [model for model, other in apart if other]):
            yield from not_best(training, best, wrong[0], chosen, evidence, lines)
        elif apart and all(other is False for _, other in apart):
            continue
        elif final:
            by = f" by {best.metric}" if best.metric else ""
            message = f"{training} says that it exported its final model, and that its best{by} was step {best.step}"
            yield Finding(message, final.at, also=places(best), fix=f"keep and export step {best.step}")
        elif chosen and apart:
            untold += [f"{model.path} with {chosen.path}" for model, other in apart if other is None]
        else:
            yield on_trust(training, best, left, evidence)
    if untold:
        fix = "keep both, in one format that can be read without running it (safetensors)"
        raise Blocked(f"the weights cannot be compared: {', '.join(untold)}", fix)


def best_is_best(training: str, best: Best, evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    """What a training calls its best checkpoint is the best of its history."""
    said = next(iter(lines.best_steps(training)), None)
    if said and best.value is not None and said.value != best.step:
        message = f"{training} says that step {said.value} was best; by {best.metric} it was step {best.step} with {best.value}"
        yield Finding(
            message, said.at, Severity.ERROR, places(best)[:1] + places(best)[-1:], f"export step {best.step}"
        )
    kept = lines.checkpoints(training)
    named = next((model for name, model in kept.items() if name.lower().startswith("best")), None)
    step = next((model for name, model in kept.items() if best.step is not None and step_of(name) == best.step), None)
    if named and step and differ(named, step):
        message = f"{named.path} does not have the weights of step {best.step}, the best by {best.metric}"
        yield Finding(message, Location(named.path), Severity.ERROR, places(best), f"export {step.path}")


def not_best(
    training: str, best: Best, wrong: Model, chosen: Model, evidence: Evidence, lines: Lines
) -> Iterator[Finding]:
    """The weights that left a training are not those of its best checkpoint."""
    steps = [step_of(name) for name, model in lines.checkpoints(training).items() if differ(model, wrong) is False]
    step = max((one for one in steps if one is not None), default=None)
    which = "weights of no checkpoint that it kept" if step is None else f"step {step}"
    which = f"its final model (step {step})" if step is not None and step == lines.last_step(training) else which
    value = value_at(step, training, best, evidence)
    values = f": {value} in place of {best.value}" if value is not None and best.value is not None else ""
    by = f" by {best.metric}" if best.metric else ""
    name = f"step {best.step}" if best.step is not None else chosen.path
    at = [one.at for one in exported(training, evidence)]
    also = (*at[1:], *places(best), *(one.at for one in evidence.all("training", training, "final_step")[:1]))
    message = f"{training} exported {which}, and not its best{by}, {name}{values}"
    yield Finding(message, at[0] if at else Location(wrong.path), also=also, fix=chosen.path)


def final_by_record(training: str, best: Best, evidence: Evidence, lines: Lines) -> Statement | None:
    """What says that the final model was exported, of a training whose best was another."""
    said = next((one for one in exported(training, evidence) if is_final(one)), None)
    return said if best.step not in (None, lines.last_step(training)) else None


def on_trust(training: str, best: Best, left: list[Model], evidence: Evidence) -> Finding:
    """Where neither weights nor a record tell."""
    said = exported(training, evidence)
    place = said[0].at if said else Location(left[0].path) if left else evidence.all("training", training)[0].file
    what = "kept no checkpoint of its best" if left else "left no model that is here"
    message = f"{training} {what}: that its best was exported is taken on trust"
    return Finding(
        message, place, also=places(best), fix="keep the checkpoint of every evaluated step, and what is exported"
    )


def exported(training: str, evidence: Evidence) -> list[Statement]:
    """What says which checkpoint was exported, what speaks of the final one first."""
    return sorted(evidence.all("training", training, "exported"), key=lambda one: not is_final(one))


def is_final(said: Statement) -> bool:
    return any(word in str(said.value).lower() for word in ("final", "last"))


def places(best: Best) -> tuple[Location, ...]:
    return tuple(one.at for one in best.at)


def value_at(step: int | None, training: str, best: Best, evidence: Evidence) -> object:
    """The value of the selection's measure at a step; None where nobody says it."""
    history = evidence.all("training", training, "metric")
    key = best.at[-1].key if best.at else None
    at_step = [
        one for one in history if step is not None and one.step == step and measure(one.key or "") == best.metric
    ]
    return next((one.value for one in at_step if one.key == key), at_step[0].value if at_step else None)


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
