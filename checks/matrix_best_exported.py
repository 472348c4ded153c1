"""The model that a training exported, and that runs loaded, is its best checkpoint: by weights, and by its record where none are kept."""

from collections.abc import Iterator

from sealkit import Check, Finding, Location, Severity, View
from sealkit.evidence import Evidence
from sealkit.tree_lineage import Best, Lines, step_of


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    for training in lines.behind:
        best = lines.best(training)
        yield from best_is_best(training, best, evidence, lines)
        yield from exported_is_best(training, best, evidence, lines)


def best_is_best(training: str, best: Best, evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    """What a training calls its best checkpoint is the best of its history."""
    said = evidence.one("training", training, "best_step")
    if said and best.value is not None and said.value != best.step:
        message = f"{training} says that step {said.value} was best; by {best.metric} it was step {best.step} with {best.value}"
        yield Finding(message, said.at, Severity.ERROR, tuple(one.at for one in best.at), f"export step {best.step}")
    kept = lines.checkpoints(training)
    named = next((model for name, model in kept.items() if name.lower().startswith("best")), None)
    step = next((model for name, model in kept.items() if best.step is not None and step_of(name) == best.step), None)
    if named and step and named.weights != step.weights:
        message = f"{named.path} does not have the weights of step {best.step}, the best by {best.metric}"
        yield Finding(message, Location(named.path), Severity.ERROR, evidence_of(best), f"export {step.path}")


def exported_is_best(training: str, best: Best, evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    """The weights that runs loaded are those of the best checkpoint."""
    exports, chosen = lines.exports(training), lines.best_checkpoint(training)
    said = evidence.all("training", training, "exported")
    at = [one.at for one in said if str(one.value).lower() != "best"] or [one.at for one in said]
    wrong = [model for model in exports if chosen and chosen.weights and model.weights != chosen.weights]
    by = f" by {best.metric}" if best.metric else ""
    if chosen and wrong:
        which = like(wrong[0].path, training, lines)
        values = worse(training, which, best, evidence)
        message = f"{training} exported {which}, and not its best{by}, {name_of(best, chosen.path)}{values}"
        also = (*at[1:], *evidence_of(best), *(one.at for one in final(training, evidence)))
        yield Finding(message, at[0] if at else Location(wrong[0].path), also=also, fix=chosen.path)
    elif exports and chosen is None:
        last = next((one for one in said if str(one.value).lower() in ("final", "last")), None)
        ended = next((one.value for one in evidence.all("training", training, "final_step")), None)
        if last and best.step is not None and best.step != ended:
            message = f"{training} says that it exported its final model, and that its best{by} was step {best.step}"
            yield Finding(
                message, last.at, also=evidence_of(best), fix=f"train again, and keep and export step {best.step}"
            )
        else:
            message = f"{training} kept no checkpoint: that its best was exported is taken on trust"
            fix = "keep the checkpoint of every evaluated step"
            yield Finding(message, Location(exports[0].path), also=evidence_of(best), fix=fix)


def evidence_of(best: Best) -> tuple[Location, ...]:
    return tuple(one.at for one in best.at)


def final(training: str, evidence: Evidence) -> list:
    return evidence.all("training", training, "final_step")[:1]


def name_of(best: Best, path: str) -> str:
    return f"step {best.step}" if best.step is not None else path


def like(path: str, training: str, lines: Lines) -> str:
    """The checkpoint whose weights an export has, in words."""
    exported = lines.evidence.models[path]
    steps = [step_of(name) for name, model in lines.checkpoints(training).items() if model.weights == exported.weights]
    known = sorted(step for step in steps if step is not None)
    last = max((step_of(name) or 0 for name in lines.checkpoints(training)), default=0)
    if not known:
        return "weights of no checkpoint that it kept"
    return f"its final model (step {known[-1]})" if known[-1] == last else f"step {known[-1]}"


def worse(training: str, which: str, best: Best, evidence: Evidence) -> str:
    """The value of what was exported beside that of the best, where both are known."""
    step = "".join(character for character in which if character.isdigit())
    values = [
        one.value
        for one in evidence.all("training", training, "metric")
        if best.metric and (one.key or "").lower().endswith(best.metric) and str(one.step) == step
    ]
    return f": {values[0]} in place of {best.value}" if values and best.value is not None else ""


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
    risk="R2",
)
