"""What a user's own script says of itself: its config, where that was written, and whether this process is the one that writes."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import enum
import math
import numbers
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from sealkit import digest
from sealkit.finding import ReadError, UsageError, pointer
from sealkit.provenance import Config, Origin, Source, nodes
from sealkit.read import yaml
from sealkit.read.source import read_text

SECTION = "script"
LIBRARIES = ("sealkit", "transformers", "sentence_transformers", "accelerate", "contextlib")
Given = Mapping[str, Any] | argparse.Namespace | str | os.PathLike[str] | None


def writes() -> bool:
    """Whether this process is the writer of its run: the first of those that a launcher (torchrun, accelerate) started."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def called_from() -> Origin:
    """The line of the script that is being run: the nearest call that is neither ours nor a trainer's."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in LIBRARIES:
        frame = frame.f_back
    assert frame is not None
    path = Path(frame.f_code.co_filename)
    return Origin(path.name, str(path), frame.f_lineno)


def place(origin: Origin) -> dict[str, str] | None:
    """The script and its digest, None where it is no file (a prompt, a notebook)."""
    try:
        return {"path": origin.source, "digest": digest.file(Path(origin.typed))}
    except ReadError:
        return None


def config(given: Given | object, run: Mapping[str, Any], origin: Origin) -> Config:
    """The config of a recorded run: its `run` section, no stages yet, and what the script gave under `script`.

    `given` is a mapping, a dataclass, an argparse Namespace, an object with `to_dict`, or the path of a YAML or JSON file, whose
    values know their lines; all others were written where `record` was called. Raises UsageError.
    """
    found = Config({"run": dict(run), "stages": {}}, {"/run": origin, "/stages": origin}, [], [])
    if given is None:
        return found
    if isinstance(given, str | os.PathLike):
        _read(found, Path(given))
    else:
        add(found, SECTION, given, origin)
    return found


def add(config: Config, section: str, values: object, origin: Origin) -> None:
    """Put a section into a config, as JSON can hold it."""
    held = plain(_mapping(values))
    config.data[section] = held
    config.origins |= {pointer(section): origin, **{where: origin for where, _ in nodes(held, pointer(section))}}


def seed(config: Config) -> int | None:
    """The seed that a script's config names at its top."""
    value = config.data.get(SECTION, {}).get("seed")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def plain(value: Any) -> Any:
    """A value as JSON can hold it. Numbers that are not finite become text, and objects the name of their type: never an address."""
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(inner) for inner in value), key=str)
    if isinstance(value, os.PathLike | datetime.date | datetime.timedelta):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(_mapping(value))
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _mapping(values: object) -> Mapping[str, Any]:
    if isinstance(values, Mapping):
        return values
    if dataclasses.is_dataclass(values) and not isinstance(values, type):
        return {field.name: getattr(values, field.name) for field in dataclasses.fields(values)}
    if isinstance(values, argparse.Namespace):
        return vars(values)
    raise UsageError(
        f"config: expected a mapping, a dataclass, a Namespace or the path of a file, found {type(values).__name__}",
        "record(…, config=vars(it))",
    )


def _read(found: Config, path: Path) -> None:
    try:
        text = read_text(path, limit=yaml.LIMIT)
        document = yaml.parse(text, str(path))
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", error.fix) from error
    if not isinstance(document.data, dict):
        raise UsageError(f"{path}:1: expected a mapping, found {type(document.data).__name__}", "record(…, config={…})")
    source = Source(f"sources/{path.name}", path, text, document)
    found.sources.append(source)
    found.data[SECTION] = document.data
    for where in ("", *(where for where, _ in nodes(document.data, ""))):
        found.origins[pointer(SECTION) + where] = Origin(source.name, str(path), document.lines.get(where))


def command() -> list[str]:
    """The command line as the system was given it, the interpreter by its name alone."""
    interpreter, *words = sys.orig_argv
    return [Path(interpreter).name, *words]
