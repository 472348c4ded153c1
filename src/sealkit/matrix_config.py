"""A matrix document to its experiments: one for each run, with the line that it stands on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sealkit import consumer, digest
from sealkit.consumer import Consumer
from sealkit.contract import Contract
from sealkit.finding import ReadError, UsageError, dotted, pointer
from sealkit.read import yaml
from sealkit.read.source import read_text

DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # that Windows takes for no file
NAME = "matrix.name="  # the one override that is the matrix's own
OURS = ("run", "run.name", "run.output_dir")  # what the matrix sets itself


@dataclass(frozen=True)
class Experiment:
    """One run of a matrix: `label` is its row in the table, `name` that of its run.

    `overrides` are all that are laid over `base`, the command line's last; `repeat` is the one of them that tells the runs
    of a label apart. `places` are the places of the experiment (first) and of each of its own overrides, as path:line.
    """

    index: int
    label: str
    tag: str | None
    name: str
    base: Path
    repeat: Mapping[str, Any] | None
    overrides: tuple[str, ...]
    places: tuple[str, ...]

    def error(self, message: str, fix: str | None = None) -> UsageError:
        """A UsageError that names the experiment, on the line of the override that the message speaks of."""
        heads = [(f"override {text}:", f"override {text!r}:") for text in self.overrides[: len(self.places) - 1]]
        own = (
            place for head, place in zip(heads, self.places[1:], strict=True) if any(part in message for part in head)
        )
        at = next(own, self.places[0])
        return UsageError(f"{at}: experiment {self.label}: {message}", fix)


@dataclass(frozen=True)
class MatrixConfig:
    """A matrix document as it was read. `base` is that of the experiments which name none of their own."""

    path: Path
    digest: str
    name: str
    output_dir: str | None
    base: Path | None
    experiments: tuple[Experiment, ...]
    consumers: tuple[Consumer, ...] = ()


def is_matrix(path: Path) -> bool:
    """Whether a document says of itself that it is a matrix's; what cannot be read is none."""
    try:
        data = yaml.read(path).data
    except ReadError:
        return False
    return isinstance(data, dict) and str(data.get("schema")).startswith("matrix")


def read(path: Path, contract: Contract, overrides: tuple[str, ...] = ()) -> MatrixConfig:
    """Read a matrix document; `overrides` are laid over every experiment, last, but for `matrix.name=NAME`. No base config is read.

    Raises UsageError with the line of what is wrong.
    """
    try:
        text = read_text(path, limit=yaml.LIMIT)
        document = yaml.parse(text, str(path))
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", error.fix) from error
    for violation in contract.violations(document.data):
        said = f"{dotted(violation.pointer)}: " if violation.pointer and "unknown key" not in violation.message else ""
        raise UsageError(f"{_place(path, document, violation.pointer)}: {said}{violation.message}")
    data = document.data
    for override in (one for one in overrides if one.startswith(NAME)):
        data["matrix"]["name"] = override.removeprefix(NAME)
        for violation in contract.violations(data):
            raise UsageError(f"override {override!r}: {violation.message}")
    overrides = tuple(override for override in overrides if not override.startswith(NAME))
    for override in overrides:
        if override.partition("=")[0] in OURS:
            raise UsageError(f"override {override!r}: the matrix names its runs", "choose their folder with --out")
    experiments = tuple(_experiments(path, document, overrides))
    _refuse_names_in_use(experiments)
    base = _base(path, document, "/base", data["base"]) if "base" in data else None
    section = data["matrix"]
    consumers = consumer.read(data, partial(_place, path, document))
    return MatrixConfig(
        path, digest.of_bytes(text.encode()), section["name"], section.get("output_dir"), base, experiments, consumers
    )


def _experiments(path: Path, document: yaml.Document, more: tuple[str, ...]) -> Iterator[Experiment]:
    data = document.data
    ((key, values),) = data.get("repeat", {"": [None]}).items()
    if key in OURS:
        raise UsageError(
            f"{_place(path, document, '/repeat')}: repeat: the matrix sets {key} itself", "name another key"
        )
    index = 0
    for number, entry in enumerate(data["experiments"]):
        where, label = pointer("experiments", number), entry["label"]
        own = entry.get("overrides", [])
        places = [_place(path, document, f"{where}/overrides/{i}") for i in range(len(own))]
        for override, place in zip(own, places, strict=True):
            if override.partition("=")[0] in (*OURS, key):
                who = "`repeat` sets that" if override.partition("=")[0] == key else "the label names the run"
                raise UsageError(f"{place}: experiment {label}: override {override!r}: {who}", "remove it")
        at = _place(path, document, where)
        if "base" in entry:
            base = _base(path, document, f"{where}/base", entry["base"])
        elif "base" in data:
            base = path.parent / data["base"]
        else:
            raise UsageError(
                f"{at}: experiment {label}: has no base", "add `base: CONFIG.yaml` to it, or to the matrix"
            )
        for value in values:
            index += 1
            repeat = {key: value} if key else None
            yield Experiment(
                index,
                label,
                entry.get("tag"),
                f"{label}-{key.rpartition('.')[2]}{value}" if key else label,
                base,
                repeat,
                (*own, *([f"{key}={json.dumps(value)}"] if key else []), *more),
                (at, *places),
            )


def _base(path: Path, document: yaml.Document, where: str, named: str) -> Path:
    if not (path.parent / named).is_file():
        message = f"{dotted(where)}: there is no file {named}"
        raise UsageError(f"{_place(path, document, where)}: {message}", "paths begin beside this document")
    return path.parent / named


def _refuse_names_in_use(experiments: tuple[Experiment, ...]) -> None:
    """Raise UsageError for a label that is there twice, or is a device of Windows. Letters count once, small or capital, as on
    some file systems."""
    seen: dict[str, Experiment] = {}
    for experiment in experiments:
        if DEVICES.fullmatch(experiment.name):
            raise experiment.error(f"its run would be {experiment.name}, a device on Windows", "give it another label")
        other = seen.setdefault(experiment.name.casefold(), experiment)
        if other is not experiment:
            raise experiment.error(
                f"its run would be {experiment.name}, as that of {other.places[0]}", "give it another label"
            )


def _place(path: Path, document: yaml.Document, where: str) -> str:
    while where not in document.lines and where:
        where = where.rpartition("/")[0]
    return f"{path}:{document.lines.get(where, 1)}"
