"""Which training made which model of a tree, and which run loaded it: by content, and by name only where no content is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sealkit.trees.evidence import Evidence, Model, Statement, normal, same_name
from sealkit.trees.words import lower_is_better, measure, step_of, switched

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

    @cached_property
    def runs(self) -> list[str]:
        """The runs that count: those with a summary, where the layout can tell which have one."""
        found = self.evidence.ids("run")
        if not self.evidence.looked("run ended"):
            return found
        return [run for run in found if self.evidence.one("run", run, "ended")]

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
        names = {training, self.evidence.text("training", training, "run_id")}
        said = {normal(str(one.value)) for one in self.evidence.all("training", training, "export")}
        inside = {model.path for model in self.checkpoints(training).values()}
        return [
            model
            for path, model in self.evidence.models.items()
            if path not in inside and not model.pointer and (path.rpartition("/")[2] in names or path in said)
        ]

    def left(self, training: str) -> list[Model]:
        """The models that left a training: its exports, and what its runs loaded that is no checkpoint of it."""
        loaded = [self.model_of(run) for run in self.behind.get(training, [])]
        kept = {model.path for model in self.checkpoints(training).values()}
        found = {one.path: one for one in (*self.exports(training), *loaded) if one and one.path not in kept}
        return list(found.values())

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
        parts = normal(str(said.value)).split("/") if said else []
        named = [one for one in self.evidence.ids("training") if one in parts]
        made = self.makers[model.path] if model is not None else []
        return next(iter([one for one in made if one in named] or made or named), None)

    @cached_property
    def behind(self) -> dict[str, list[str]]:
        """Each training that a run stands on → its runs."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
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
        """The best checkpoint of a training: the best value of its history, else what its record says. Of equal values, and of
        subsets that tell of several, it is the one that the record names, else the earliest."""
        said = [one for one in self.evidence.all("training", training, "selected_by") if one.value]
        metric = measure(str(said[0].value)) if said else None
        tops, steps = self.tops(training, metric), self.best_steps(training)
        recorded = next((int(one.value) for one in steps if isinstance(one.value, int | float)), None)
        if tops:
            top = next((one for one in tops if one.step == recorded), tops[0])
            return Best(metric, top.step, float(top.value or 0), (*said[:1], *steps, top))
        return Best(metric, recorded, None, (*said[:1], *steps))

    def best_steps(self, training: str) -> list[Statement]:
        """What says which step was best: the record, else the last line of the log that says so."""
        said = self.evidence.all("training", training, "best_step")
        return [one for one in said if one.by == "record"][:1] or said[-1:]

    def tops(self, training: str, metric: str | None) -> list[Statement]:
        """The best values of a measure in the history of a training, of each of its subsets; of equal ones the earliest first."""
        by_key: dict[str | None, list[Statement]] = {}
        for one in self.evidence.all("training", training, "metric"):
            if metric and one.step is not None and measure(one.key or "") == metric and _is_number(one.value):
                by_key.setdefault(one.key, []).append(one)
        best = min if lower_is_better(metric or "") else max
        return [
            one
            for values in by_key.values()
            for one in sorted(values, key=lambda one: one.step or 0)
            if one.value == best(float(other.value or 0) for other in values)
        ]

    def last_step(self, training: str) -> int | None:
        """The step at which a training ended: by its record, else the last that was evaluated or kept."""
        said = (one.value for one in self.evidence.all("training", training, "final_step"))
        recorded = next((int(value) for value in said if isinstance(value, int | float)), None)
        steps = [one.step for one in self.evidence.all("training", training, "metric")]
        steps += [step_of(name) for name in self.checkpoints(training)]
        return recorded or max((step for step in steps if step is not None), default=None)

    def best_checkpoint(self, training: str) -> Model | None:
        """The folder of the best checkpoint: the one of its step, else the one that is called best."""
        kept, step = self.checkpoints(training), self.best(training).step
        by_step = next((kept[name] for name in kept if step is not None and step_of(name) == step), None)
        return by_step or next((kept[name] for name in kept if name.lower().startswith("best")), None)

    def hard(self, training: str) -> bool | None:
        """Whether a training had hard negatives: by its log, else its record, else its config; None where nothing says so."""
        for by in ("log", "record", "config"):
            said = self.evidence.all("training", training, "hard_negatives", by)
            if said and (value := switched(said[-1].value)) is not None:
                return value
        return None


def disagree(one: Statement, other: Statement, evidence: Evidence) -> bool:
    """Whether two statements name different models: other names, and no folders here that have the same weights."""
    if same_name(str(one.value), str(other.value)):
        return False
    models = [evidence.model(str(said.value)) for said in (one, other)]
    weights = [model.weights if model else None for model in models]
    return None in weights or weights[0] != weights[1]


def differ(one: Model, other: Model) -> bool | None:
    """Whether two models have other weights; None where that cannot be told: one could not be read, or they are in two formats."""
    if one.weights is None or other.weights is None:
        return None
    return False if one.weights == other.weights else True if _format(one) == _format(other) else None


def _format(model: Model) -> str:
    """What the digest of a model's weights is of: its tensors, or files of these kinds."""
    suffixes = sorted({name.rpartition(".")[2] for name in model.files} & {"safetensors", "bin", "pt", "ckpt"})
    return "safetensors" if "safetensors" in suffixes else " ".join(suffixes)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
