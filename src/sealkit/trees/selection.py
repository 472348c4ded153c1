"""By what a training chose its checkpoint: the best of its history, the steps that it names, and the folders that it kept of them."""

from __future__ import annotations

from dataclasses import dataclass

from sealkit.trees.evidence import Model, Statement, Value
from sealkit.trees.lineage import Lines, differ
from sealkit.trees.words import lower_is_better, measure, step_of


@dataclass(frozen=True)
class Best:
    """The best checkpoint of a training: by which metric, at which step, with which value; None for what nobody says. `at` are the
    statements that say it."""

    metric: str | None
    step: int | None
    value: float | None
    at: tuple[Statement, ...]


def best(lines: Lines, training: str) -> Best:
    """The best checkpoint of a training: the best value of its history, else what its record says. Of equal values, and of
    subsets that tell of several, it is the one that the record names, else the earliest."""
    said = [one for one in lines.evidence.all("training", training, "selected_by") if one.value]
    metric = measure(str(said[0].value)) if said else None
    found, steps = tops(lines, training, metric), best_steps(lines, training)
    recorded = next((int(one.value) for one in steps if isinstance(one.value, int | float)), None)
    if found:
        top = next((one for one in found if one.step == recorded), found[0])
        return Best(metric, top.step, float(top.value or 0), (*said[:1], *steps, top))
    return Best(metric, recorded, None, (*said[:1], *steps))


def best_steps(lines: Lines, training: str) -> list[Statement]:
    """What says which step was best: the record, else the last line of the log that says so."""
    said = lines.evidence.all("training", training, "best_step")
    return [one for one in said if one.by == "record"][:1] or said[-1:]


def tops(lines: Lines, training: str, metric: str | None) -> list[Statement]:
    """The best values of a measure in the history of a training, of each of its subsets; of equal ones the earliest first."""
    by_key: dict[str | None, list[Statement]] = {}
    for one in lines.evidence.all("training", training, "metric"):
        if metric and one.step is not None and measure(one.key or "") == metric and _is_number(one.value):
            by_key.setdefault(one.key, []).append(one)
    extreme = min if lower_is_better(metric or "") else max
    return [
        one
        for values in by_key.values()
        for one in sorted(values, key=lambda one: one.step or 0)
        if one.value == extreme(float(other.value or 0) for other in values)
    ]


def value_at(lines: Lines, step: int | None, training: str) -> Value:
    """The value of the selection's measure at a step: of the subset that tells of the best, else of the first that has one; None
    where nobody says it."""
    chosen = best(lines, training)
    history = lines.evidence.all("training", training, "metric")
    at_step = [
        one for one in history if step is not None and one.step == step and measure(one.key or "") == chosen.metric
    ]
    key = chosen.at[-1].key if chosen.at else None
    return next((one.value for one in (*(one for one in at_step if one.key == key), *at_step)), None)


def step_of_weights(lines: Lines, model: Model, training: str) -> int | None:
    """The step of the checkpoint of a training that has the weights of a model, the last of several; None for none."""
    steps = (step_of(name) for name, one in lines.checkpoints(training).items() if differ(one, model) is False)
    return max((step for step in steps if step is not None), default=None)


def last_step(lines: Lines, training: str) -> int | None:
    """The step at which a training ended: by its record, else the last that was evaluated or kept."""
    said = (one.value for one in lines.evidence.all("training", training, "final_step"))
    recorded = next((int(value) for value in said if isinstance(value, int | float)), None)
    steps = [one.step for one in lines.evidence.all("training", training, "metric")]
    steps += [step_of(name) for name in lines.checkpoints(training)]
    return recorded or max((step for step in steps if step is not None), default=None)


def best_checkpoint(lines: Lines, training: str) -> Model | None:
    """The folder of the best checkpoint: the one of its step, else the one that is called best."""
    kept, step = lines.checkpoints(training), best(lines, training).step
    by_step = next((kept[name] for name in kept if step is not None and step_of(name) == step), None)
    return by_step or next((kept[name] for name in kept if name.lower().startswith("best")), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
