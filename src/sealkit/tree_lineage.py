"""Which training made which model of a tree, and which run loaded it: by content, and by name only where no content is here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sealkit.evidence import Evidence, Model, Statement, normal, same_name

PLACES = ("loaded", "resolved", "override", "config")  # of a model's name, the most telling first
WITHOUT_MODEL = ("bm25", "sparse", "lexical", "tfidf")  # modes that load none


@dataclass(frozen=True)
class Best:
    """The best checkpoint of a training: by which metric, at which step, with which value; None for what nobody says. `at` are the
    statements that say it."""

    metric: str | None
    step: int | None
    value: float | None
    at: tuple[Statement, ...]


@dataclass(frozen=True)
class Lines:
    """The lines of a tree: trainings, the models that they left, the runs that loaded these."""

    evidence: Evidence

    def named(self, run: str) -> Statement | None:
        """What tells best which model a run loaded; None for one that loads none."""
        if (self.evidence.text("run", run, "mode") or "").lower() in WITHOUT_MODEL:
            return None
        return next(
            (said for by in PLACES if (said := self.evidence.one("run", run, "model", by)) and said.value), None
        )

    def model_of(self, run: str) -> Model | None:
        """The model folder that a run loaded, where it is here."""
        said = self.named(run)
        return self.evidence.model(str(said.value)) if said else None

    def checkpoints(self, training: str) -> dict[str, Model]:
        """The checkpoints that a training kept, by the name of their folder."""
        found = (
            self.evidence.models.get(str(one.value)) for one in self.evidence.all("training", training, "checkpoint")
        )
        return {model.path.rpartition("/")[2]: model for model in found if model}

    def exports(self, training: str) -> list[Model]:
        """What a training put outside of itself: the folders that bear its name, or that it says it wrote."""
        names = {training, str(self.evidence.text("training", training, "run_id"))}
        said = {normal(str(one.value)) for one in self.evidence.all("training", training, "export")}
        inside = {model.path for model in self.checkpoints(training).values()}
        return [
            model
            for path, model in self.evidence.models.items()
            if path not in inside and not model.pointer and (path.rpartition("/")[2] in names or path in said)
        ]

    @cached_property
    def makers(self) -> Mapping[str, list[str]]:
        """Path of a model → the trainings that made it: whose export or checkpoint has its weights, or its very folder."""
        left = {
            training: [*self.exports(training), *self.checkpoints(training).values()]
            for training in self.evidence.ids("training")
        }
        return {
            path: [
                training
                for training, models in left.items()
                if any(one.path == path or (one.weights is not None and one.weights == model.weights) for one in models)
            ]
            for path, model in self.evidence.models.items()
        }

    def maker(self, run: str) -> str | None:
        """The training that made the model which a run loaded; by its name in the path where the model is not here."""
        said, model = self.named(run), self.model_of(run)
        if model is not None and (made := self.makers[model.path]):
            return made[0]
        parts = normal(str(said.value)).split("/") if said else []
        return next((one for one in self.evidence.ids("training") if one in parts), None)

    @cached_property
    def behind(self) -> dict[str, list[str]]:
        """Each training that a run stands on → its runs."""
        found: dict[str, list[str]] = {}
        for run in self.evidence.ids("run"):
            if training := self.maker(run):
                found.setdefault(training, []).append(run)
        return found

    def twins(self, model: Model) -> list[Model]:
        """The models under names of their own that have the weights of this one; exports before checkpoints."""
        same = [
            other
            for other in self.evidence.models.values()
            if other.path != model.path and not other.pointer and other.weights and other.weights == model.weights
        ]
        checkpoints = {
            one.path for training in self.evidence.ids("training") for one in self.checkpoints(training).values()
        }
        return sorted(same, key=lambda other: (other.path in checkpoints, other.path))

    def best(self, training: str) -> Best:
        """The best checkpoint of a training: the best value of its history, else what its record says."""
        said = [one for one in self.evidence.all("training", training, "selected_by") if one.value]
        metric = measure(str(said[0].value)) if said else None
        steps = self.evidence.all("training", training, "best_step")
        history = [
            one
            for one in self.evidence.all("training", training, "metric")
            if metric
            and one.step is not None
            and measure(one.key or "") == metric
            and isinstance(one.value, int | float)
        ]
        if history:
            sign = -1 if re.search(r"loss|error|perplexity", metric or "") else 1
            top = max(history, key=lambda one: (sign * float(one.value or 0), -(one.step or 0)))
            return Best(metric, top.step, float(top.value or 0), (*said[:1], *steps[:1], top))
        step = int(steps[0].value) if steps and isinstance(steps[0].value, int | float) else None
        return Best(metric, step, None, (*said[:1], *steps[:1]))

    def best_checkpoint(self, training: str) -> Model | None:
        """The folder of the best checkpoint: the one of its step, else the one that is called best."""
        kept, step = self.checkpoints(training), self.best(training).step
        by_step = next((kept[name] for name in kept if step is not None and step_of(name) == step), None)
        return by_step or next((kept[name] for name in kept if name.lower().startswith("best")), None)

    def hard(self, training: str) -> bool | None:
        """Whether a training had hard negatives: by its log, else its record, else its config; None where nothing says so."""
        for by in ("log", "record", "config"):
            said = self.evidence.all("training", training, "hard_negatives", by)
            if said and (value := switched(said[-1])) is not None:
                return value
        return None


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
    bases = [str(one.value) for one in evidence.all("training", what="base")]
    untrained = {run: str(said.value) for run in evidence.ids("run") if run not in made and (said := lines.named(run))}
    before = [run for run, name in untrained.items() if not bases or any(same_name(name, base) for base in bases)]
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


def step_of(name: str) -> int | None:
    """The step in the name of a checkpoint's folder: step_50, checkpoint-50."""
    match = re.fullmatch(r"(?i)(?:global[_-]?)?(?:steps?|checkpoint|ckpt|iter)[_-]?0*(\d+)", name)
    return int(match[1]) if match else None


def measure(key: str) -> str:
    """The measure of a metric's key: recall@5 of dev/recall@5."""
    return re.split(r"[/.]", key)[-1].lower() if "@" in key or "/" in key else key.lower()


def switched(said: Statement) -> bool | None:
    """What a switch is said to be."""
    words = {"true": True, "on": True, "yes": True, "1": True, "enabled": True}
    words |= {"false": False, "off": False, "no": False, "0": False, "disabled": False, "none": False}
    return words.get(str(said.value).strip().lower())


def disagree(one: Statement, other: Statement, evidence: Evidence) -> bool:
    """Whether two statements name different models: other names, and no folders here that have the same weights."""
    if same_name(str(one.value), str(other.value)):
        return False
    models = [evidence.model(str(said.value)) for said in (one, other)]
    weights = [model.weights if model else None for model in models]
    return None in weights or weights[0] != weights[1]


def names(runs: list[str], evidence: Evidence) -> str:
    """Runs by their labels: `m02 and m05–m10` where they follow each other in the matrix."""
    order = list(evidence.ids("run"))
    pieces = list(_ranges(sorted(order.index(run) for run in runs)))
    shown = [
        piece
        for first, last in pieces
        for piece in (
            [f"{evidence.label(order[first])}–{evidence.label(order[last])}"]
            if last - first > 1
            else [evidence.label(order[i]) for i in range(first, last + 1)]
        )
    ]
    return ", ".join(shown[:-1]) + (" and " if shown[1:] else "") + shown[-1]


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
