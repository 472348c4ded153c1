"""Which training made which model of a tree, and which run loaded it: by content, and by name only where no content is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sealkit.trees.evidence import POINTERS, Evidence, Model, Statement, normal, same_name
from sealkit.trees.words import names, switched

PLACES = ("loaded", "resolved", "override", "config")  # of a model's name, the most telling first
WITHOUT_MODEL = ("bm25", "sparse", "lexical", "tfidf")  # modes that load none
RECORDED = (
    "run_id",
    "commit",
    "seed",
    "base",
    "checkpoint",
    "export",
    "exported",
)  # what a training says, and no other folder


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

    def lexical(self, run: str) -> bool:
        """Whether a run searches by words alone and loads no model: by its mode, else by an override that is such a word, of a run of
        which nothing names a model that was loaded or asked for."""
        if mode := self.evidence.text("run", run, "mode"):
            return mode.lower() in WITHOUT_MODEL
        if any(self.evidence.named_models(run, by) for by in ("loaded", "mentioned", "override")):
            return False
        return any(str(one.value).lower() in WITHOUT_MODEL for one in self.evidence.all("run", run, "override"))

    def loads(self, run: str) -> bool:
        """Whether a run loads a model, be it named or not. Runs of ours record every model that they load."""
        return not self.lexical(run) and bool(self.named(run) or not self.evidence.ours)

    def named(self, run: str) -> Statement | None:
        """What tells best which model a run loaded; None for one that loads none, and where nothing tells."""
        if self.lexical(run):
            return None
        return next((said[0] for by in PLACES if (said := self.evidence.named_models(run, by))), None)

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
        called, said = self.names_of(training), self._said_exports(training)
        inside = {model.path for model in self.checkpoints(training).values()}
        return [
            model
            for path, model in self.evidence.models.items()
            if path not in inside and not model.pointer and (path.rpartition("/")[2] in called or path in said)
        ]

    def names_of(self, training: str) -> set[str]:
        """What a training is called: its folder's name, and the id that it recorded."""
        return {training, self.evidence.text("training", training, "run_id") or training}

    def _said_exports(self, training: str) -> set[str]:
        return {normal(str(one.value)) for one in self.evidence.all("training", training, "export")}

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
        """The training that made the model which a run loaded: by its weights, else by its name in the path, or as the one that says
        that it exported to there. Where a pointer leads nobody can tell once it is gone."""
        said = self.named(run)
        return self._maker(str(said.value)) if said else None

    def _maker(self, name: str) -> str | None:
        if name not in self._makers_of_names:
            model, path = self.evidence.model(name), normal(name)
            named = [one for one in self.evidence.ids("training") if self._is_named(one, path)]
            made = self.makers[model.path] if model is not None else []
            one_of = [one for one in made if one in named] or made or named
            self._makers_of_names[name] = next(iter(one_of), None)
        return self._makers_of_names[name]

    def _is_named(self, training: str, path: str) -> bool:
        parts = path.split("/")
        return bool(self.names_of(training) & set(parts)) or (
            parts[-1] not in POINTERS and path in self._said_exports(training)
        )

    @cached_property
    def _makers_of_names(self) -> dict[str, str | None]:
        return {}

    @cached_property
    def behind(self) -> dict[str, list[str]]:
        """Each training that a run stands on → its runs."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            if training := self.maker(run):
                found.setdefault(training, []).append(run)
        return found

    @cached_property
    def trainings(self) -> dict[str, list[str]]:
        """Each recorded training → the runs that stand on it. Those that no run is linked to come last; copies of a training that one
        is linked to are none of them."""
        models = (self.model_of(run) for run in self.runs)
        copies = {training for model in models if model for training in self.makers[model.path]}
        others = [one for one in self.evidence.ids("training") if one not in {*self.behind, *copies}]
        recorded = [one for one in others if any(self.evidence.one("training", one, what) for what in RECORDED)]
        return {**self.behind, **{one: [] for one in recorded}}

    def title(self, training: str) -> str:
        """A training as one speaks of it: with a word where no run is linked to it."""
        return training if self.behind.get(training) else f"{training} (no run is linked to it)"

    @cached_property
    def adrift(self) -> list[str]:
        """The runs that load a model of this tree, or one that nothing names, of which no training is known to be the maker."""
        return [run for run in self.runs if self.loads(run) and not self.maker(run) and self._of_tree(run)]

    def _of_tree(self, run: str) -> bool:
        said = self.named(run)
        return said is None or (self.below(str(said.value)) is not None and not self.is_base(str(said.value)))

    def below(self, name: str) -> str | None:
        """The path below the root of a model that is in the tree, or should be; None for one from elsewhere."""
        if model := self.evidence.model(name):
            return model.path
        tops = {path.partition("/")[0] for path in self.evidence.models if "/" in path} | {"models"}
        parts = normal(name).split("/")
        first = next((i for i, part in enumerate(parts) if part in tops), None)
        return "/".join(parts[first:]) if first == 0 or (first and normal(name).startswith("/")) else None

    @cached_property
    def bases(self) -> list[str]:
        """The models that the trainings began with, by their names."""
        return [str(one.value) for one in self.evidence.all("training", what="base") if one.value]

    def is_base(self, name: str) -> bool:
        """Whether a name is that of a model that a training says it began with."""
        return any(same_name(name, base) for base in self.bases)

    def unrecorded(self, what: str) -> str | None:
        """Why nothing can be judged of the trainings, where runs need one and none is recorded: `what` is what they would say."""
        if not self.adrift or self.trainings:
            return None
        looked = ", ".join(self.evidence.looked(f"training {what}"))
        return (
            f"no training is recorded here that {names(self.adrift, self.evidence)} could stand on; looked in {looked}"
        )

    def twins(self, model: Model) -> list[Model]:
        """The models under names of their own that have the weights of this one; exports before checkpoints."""
        others = (other for other in self.evidence.models.values() if other.path != model.path and not other.pointer)
        return sorted((one for one in others if one.weights and one.weights == model.weights), key=self._rank)

    def recorded(self, digest: str) -> Model | None:
        """The model that a recorded digest is of: under a name of its own before a pointer, an export before a checkpoint."""
        found = [model for model in self.evidence.models.values() if model.is_named_by(digest)]
        return min(found, key=lambda model: (model.pointer, *self._rank(model)), default=None)

    def _rank(self, model: Model) -> tuple[bool, str]:
        trainings = self.evidence.ids("training")
        return any(model.path == one.path for name in trainings for one in self.checkpoints(name).values()), model.path

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


def is_final(said: Statement) -> bool:
    """Whether what says which checkpoint was exported speaks of the last one."""
    return any(word in str(said.value).lower() for word in ("final", "last"))


def _format(model: Model) -> str:
    """What the digest of a model's weights is of: its tensors, or files of these kinds."""
    suffixes = sorted({name.rpartition(".")[2] for name in model.files} & {"safetensors", "bin", "pt", "ckpt"})
    return "safetensors" if "safetensors" in suffixes else " ".join(suffixes)
