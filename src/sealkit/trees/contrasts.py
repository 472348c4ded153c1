"""The comparisons that the layout of a tree speaks of: before and after fine-tuning, with and without hard negatives."""

from __future__ import annotations

from dataclasses import dataclass

from sealkit.trees.evidence import normal
from sealkit.trees.lineage import Lines


@dataclass(frozen=True)
class Contrast:
    """A comparison of two sorts of runs. `missing` says which side no run is on, and `looked` where sides were looked for."""

    required: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    missing: str | None
    looked: tuple[str, ...]

    @property
    def found(self) -> bool:
        return self.missing is None


def contrasts(lines: Lines) -> dict[str, Contrast]:
    """The comparisons that the layout of a tree speaks of, by name: pre_post, hard_negatives."""
    evidence = lines.evidence
    made = {run: training for training, runs in lines.behind.items() for run in runs}
    untrained = {run: str(said.value) for run in lines.runs if run not in made and (said := lines.named(run))}
    before = [run for run, name in untrained.items() if _is_base(name, lines)]
    plain = [run for run, training in made.items() if not lines.hard(training)]
    hard = [run for run, training in made.items() if lines.hard(training)]
    sides = {"pre_post": (before, [*plain, *hard]), "hard_negatives": (plain, hard)}
    words = {
        "pre_post": ("no run loaded a base model", "no run loaded a model that a recorded training made"),
        "hard_negatives": (
            "no run loaded a model trained without",
            "no run loaded a model trained with hard negatives",
        ),
    }
    fields = {"pre_post": ("run model", "training base"), "hard_negatives": ("training hard_negatives", "run model")}
    found = {}
    for name, required in evidence.document["contrasts"].items():
        missing = next((word for side, word in zip(sides[name], words[name], strict=True) if not side), None)
        looked = dict.fromkeys(where for field in fields[name] for where in evidence.looked(field))
        order = evidence.ids("run")
        one, other = (tuple(sorted(side, key=order.index)) for side in sides[name])
        found[name] = Contrast(required, one, other, missing, tuple(looked))
    return found


def _is_base(name: str, lines: Lines) -> bool:
    """Whether a name is that of a model that was there before: one that a training says it began with; where none says so, any that
    does not lie in the tree."""
    return lines.is_base(name) if lines.bases else lines.evidence.model(name) is None and not _below(name)


def _below(name: str) -> bool:
    return normal(name).startswith(("models/", "outputs/", "/"))
