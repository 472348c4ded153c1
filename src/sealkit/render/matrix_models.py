"""What both pages of the seal of a matrix say of models: which one a run loaded, what is one model under several names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sealkit.trees.words import listed, switched

Document = Mapping[str, Any]

NO_MODELS = "No run says that it loads one."
ROLES = ("config", "override", "resolved", "loaded")
LEGEND = (
    "`=`: names that model. Weights: of the folder that is loaded, as it is now. Digest: what the run was recorded with, be it of the "
    "weights, of the folder or of one of its files. Both are cut to 12 digits; `seal/seal.json` has them whole."
)
AGREE = {True: "yes", False: "no", None: "loads none"}


def called(run: Document, runs: Sequence[Document]) -> str:
    """The label of a run, with its id where another run has the same label."""
    alike = [one for one in runs if one["label"] == run["label"]]
    return str(run["label"]) if len(alike) == 1 else f"{run['label']} ({run['id']})"


def with_models(runs: Sequence[Document]) -> bool:
    """Whether any of the runs says something of a model."""
    return any(run["model"][role] for run in runs for role in ROLES)


def loaded(run: Document) -> Document | None:
    """What a run says of its model, at the place that counts most: the log, else what it resolved to."""
    model = run["model"]
    return model["loaded"] or (
        None if model["agree"] is None else next(filter(None, (model[role] for role in ROLES[::-1])), None)
    )


def loaders(models: Sequence[Document]) -> str:
    """The runs that loaded one of some models, each once."""
    return listed(run for model in models for run in model["loaded_by"])


def hard_negatives(training: Document) -> list[tuple[str, Document | None]]:
    """What config, record and log of a training say of hard negatives."""
    return [(by, training["hard_negatives"][by]) for by in ("config", "record", "log")]


def copies(models: Sequence[Document]) -> list[tuple[str, list[Document]]]:
    """The models by the digest of their weights, in the order in which they are named first."""
    found: dict[str, list[Document]] = {}
    for model in models:
        if model["weights"]:
            found.setdefault(model["weights"], []).append(model)
    return list(found.items())


def same(path: str, training: Document, models: Sequence[Document]) -> list[str]:
    """The checkpoints of a training that have the weights of a model."""
    weights = {model["path"]: model["weights"] for model in models}
    return [
        one for one in by_number(training["checkpoints"]) if weights.get(path) and weights.get(one) == weights[path]
    ]


def absent(models: Sequence[Document]) -> list[Document]:
    return [model for model in models if not model["weights"]]


def by_number(paths: Sequence[str]) -> list[str]:
    """Paths in the order of the numbers in them: step_50 before step_100."""
    return sorted(paths, key=lambda path: re.sub("[0-9]+", lambda number: number[0].zfill(20), path))


def switch(said: Document | None) -> str:
    if said is None:
        return "not told"
    on = switched(said["value"])
    return str(said["value"]) if on is None else "on" if on else "off"


def searched(predicate: Document) -> list[str]:
    """Where the model of a training was looked for."""
    return next((list(line["looked"]) for line in predicate["lineage"] if line["role"] == "post-FT"), [])
