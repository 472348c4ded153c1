"""What the files of a tree say, each thing with its place, and the models that they speak of, by content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sealkit.finding import Location

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Statement:
    """What a file says of something: `of` (matrix, run, training, config, code) and `id` tell of what, `what` is the field, `by`
    which of several places that say it.

    `key` is the dotted key or the metric that it stands under, `step` that of a value measured in training, `instead` the key
    of today for an old one.
    """

    of: str
    id: str
    what: str
    by: str | None
    key: str | None
    value: Value
    step: int | None
    instead: str | None
    at: Location

    @property
    def file(self) -> Location:
        """The file that says it, as a whole."""
        return Location(self.at.path, digest=self.at.digest)


@dataclass(frozen=True)
class Model:
    """A model folder as it was found. `pointer`: its name is made to be moved (`latest`, a link).

    `weights` is the digest of its tensors, or of the bytes of its weight files where these are no safetensors; None where it
    holds none. `files` are the digests of its files, by name.
    """

    path: str
    state: str
    reason: str | None
    pointer: bool
    weights: str | None
    tree: str | None
    files: Mapping[str, str]

    def is_named_by(self, digest: str) -> bool:
        """Whether a digest is that of its weights, of its folder, or of one of its files; with or without `sha256:`."""
        value = digest.removeprefix("sha256:")
        known = (one for one in (self.weights, self.tree, *self.files.values()) if one)
        return any(one.removeprefix("sha256:") == value for one in known)


@dataclass(frozen=True)
class Evidence:
    """An `evidence/v1` document, to be asked."""

    document: Mapping[str, Any]

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(_statement(entry) for entry in self.document["statements"])

    @cached_property
    def models(self) -> dict[str, Model]:
        """The model folders that were looked at, by path below the root of the tree."""
        return {entry["path"]: Model(**entry) for entry in self.document["models"]}

    @cached_property
    def _by_subject(self) -> dict[tuple[str, str], list[Statement]]:
        found: dict[tuple[str, str], list[Statement]] = {}
        for one in self.statements:
            found.setdefault((one.of, one.id), []).append(one)
        return found

    def ids(self, of: str) -> list[str]:
        """The things of a sort, in the order in which the tree first speaks of them."""
        return [id for kind, id in self._by_subject if kind == of]

    def all(self, of: str, id: str | None = None, what: str | None = None, by: str | None = None) -> list[Statement]:
        """Everything that is said of a sort of things, or of one of them, or of one field of it."""
        subjects = [id] if id is not None else self.ids(of)
        return [
            one
            for subject in subjects
            for one in self._by_subject.get((of, subject), ())
            if what in (None, one.what) and by in (None, one.by)
        ]

    def one(self, of: str, id: str, what: str, by: str | None = None) -> Statement | None:
        """The first thing that is said of a field."""
        return next(iter(self.all(of, id, what, by)), None)

    def text(self, of: str, id: str, what: str, by: str | None = None) -> str | None:
        """The first thing that is said of a field, as text."""
        found = self.one(of, id, what, by)
        return None if found is None or found.value is None else str(found.value)

    def model(self, name: str) -> Model | None:
        """The model folder of the tree that a name leads to: the path itself, or one that ends with it."""
        plain = normal(name)
        if plain in self.models:
            return self.models[plain]
        return next((model for path, model in self.models.items() if plain.endswith(f"/{path}")), None)

    def label(self, run: str) -> str:
        """What a run is called in tables."""
        return self.text("run", run, "label") or run

    def looked(self, what: str) -> list[str]:
        """Where something was looked for."""
        return [place for entry in self.document["looked"] if entry["for"] == what for place in entry["in"]]


def normal(name: str) -> str:
    """A path as it is compared: `./models/x/`, `models\\x` and the file of weights in it are models/x."""
    path = re.sub(r"^(?:\./)+", "", re.sub(r"/+", "/", name.replace("\\", "/"))).rstrip("/")
    return path.removesuffix("/model.safetensors").removesuffix("/pytorch_model.bin")


def same_name(one: str, other: str) -> bool:
    """Whether two names are one model's: the same path, one of them with the folders before it, or the same model of the Hub: by its
    page, by its folder in the cache, with and without the organisation that is the default of sentence-transformers."""
    left, right = (_on_hub(normal(name)).removeprefix("sentence-transformers/") for name in (one, other))
    shorter, longer = sorted((left, right), key=len)
    absolute = re.match(r"/|[A-Za-z]:/", longer)
    same = left == right or ("/" not in left + right and left.lower() == right.lower())
    return same or (bool(absolute) and longer.endswith(f"/{shorter}"))


def _on_hub(name: str) -> str:
    """The name on the Hub that its address, or a folder of its cache, stands for; other names as they are."""
    cached = re.fullmatch(r"(?:.*/)?models--([^/]+?)--([^/]+)(?:/snapshots/[^/]+)?", name)
    page = re.fullmatch(r"(?:https?:/|hf:/)/?(?:huggingface\.co/)?([^/]+/[^/]+)", name)
    return f"{cached[1]}/{cached[2]}" if cached else page[1] if page else name


def _statement(entry: Mapping[str, Any]) -> Statement:
    place = entry["at"]
    at = Location(place["path"], place["pointer"], place["line"], place["quote"], place["digest"], place["end"])
    fields = ("of", "id", "what", "by", "key", "value", "step", "instead")
    return Statement(**{name: entry[name] for name in fields}, at=at)
