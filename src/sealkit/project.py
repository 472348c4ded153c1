"""A project's settings: `[tool.sealkit]` of the nearest `pyproject.toml`, or a `sealkit.toml`, upward from a folder.

Settings name packs, whose code is imported. So none are read from within a run directory, which anybody may have written.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sealkit.contract import did_you_mean
from sealkit.finding import ReadError, Severity, UsageError
from sealkit.pack import BUILT_IN, Pack, find
from sealkit.read.source import MEBIBYTE, read_text

OWN, SHARED = "sealkit.toml", "pyproject.toml"
MARKS = ("run_metadata.json", "resolved_config.json", "seal/seal.json")  # any of them makes a folder a run directory


class _Document(BaseModel):
    """What may stand in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    packs: list[str] = Field(default=[])
    metric_keys: str | None = None
    severities: dict[str, Severity] = Field(default={})
    waivers: str | None = None
    runs: str | None = None
    models: str | None = None
    legacy_keys: str | None = None


@dataclass(frozen=True)
class Settings:
    """What a project settled for all its runs; paths are whole ones. `source` is the file that says so, if there is one.

    `severities` maps check ids to how hard their findings are. `runs` and `models` are the places of run directories and of
    exported models, where the project names any.
    """

    root: Path
    source: Path | None = None
    packs: tuple[str, ...] = ()
    metric_keys: Path | None = None
    severities: Mapping[str, Severity] = field(default_factory=dict)
    waivers: Path | None = None
    runs: Path | None = None
    models: Path | None = None
    legacy_keys: Path | None = None

    @cached_property
    def pack(self) -> Pack:
        """Ours with the project's packs and tables. Raises UsageError for a pack that is not there, and for collisions."""
        if self.packs and str(self.root) not in sys.path:
            sys.path.append(str(self.root))  # last, so that it hides nothing that is installed
        pack = replace(
            BUILT_IN,
            more=tuple(find(name) for name in self.packs),
            metric_keys_files=tuple(path for path in [self.metric_keys] if path),
            legacy_keys_files=tuple(path for path in [self.legacy_keys] if path),
        )
        if self.packs:
            _ = (
                pack.contracts,
                pack.checks,
                pack.stage_names,
                pack.metric_keys,
                pack.legacy_keys,
            )  # what collides is said now
        return pack


def load(folder: Path, run: Path | None = None) -> Settings:
    """The settings for work in a folder; the defaults where no file says anything. None are read from within `run`.

    Raises UsageError with the line of an unknown key, a value that does not fit, a file that is not there.
    """
    for place in outside_runs(folder.absolute(), run):
        for name, within in ((OWN, ()), (SHARED, ("tool", "sealkit"))):
            path = place / name
            if path.is_file() and (found := _section(path, within)) is not None:
                return _settings(path, *found)
    return Settings(folder.absolute())


def outside_runs(folder: Path, run: Path | None = None) -> list[Path]:
    """The folder and those around it, from the outermost run directory outward where the folder lies in one.

    `run` counts as a run directory, whatever it holds.
    """
    places, named = [folder, *folder.parents], run.resolve() if run else None
    inside = [
        i
        for i, place in enumerate(places)
        if place.resolve() == named or any(os.path.lexists(place / mark) for mark in MARKS)
    ]
    return places[inside[-1] + 1 :] if inside else places


def _section(path: Path, within: tuple[str, ...]) -> tuple[Any, str] | None:
    """The settings in a file as they are written, with the file's text; None where it says nothing of us."""
    try:
        text = read_text(path, limit=MEBIBYTE)
        data: Any = tomllib.loads(text)
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", error.fix) from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise UsageError(f"{path}:{line[1] if line else 1}: is not TOML: {error}", "correct the line") from error
    for key in within:
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    return data, text


def _settings(path: Path, data: Any, text: str) -> Settings:
    def wrong(keys: tuple[str, ...], message: str, fix: str | None = None) -> UsageError:
        return UsageError(f"{path}:{_line(text, keys)}: {message}", fix)

    try:
        document = _Document.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        keys = tuple(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = list(_Document.model_fields)
            message = f"unknown key `{keys[-1]}`{did_you_mean(keys[-1], known)}"
            raise wrong(keys, message, f"known: {', '.join(known)}") from None
        raise wrong(keys, f"{'.'.join(keys)}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    files: dict[str, Path] = {}
    for name in ("metric_keys", "waivers", "legacy_keys"):
        if (named := getattr(document, name)) is not None:
            files[name] = path.parent / named
            if not files[name].is_file():
                raise wrong((name,), f"{name}: there is no file {named}", "paths begin beside this file")
    places = {
        name: path.parent / named for name in ("runs", "models") if (named := getattr(document, name)) is not None
    }
    settings = Settings(path.parent, path, tuple(document.packs), severities=document.severities, **files, **places)
    for check in document.severities:
        if check not in (checks := settings.pack.checks):
            message = f"severities: unknown check `{check}`{did_you_mean(check, checks)}"
            raise wrong(("severities", check), message, f"known: {', '.join(checks)}")
    return settings


def _line(text: str, keys: tuple[str, ...]) -> int:
    """The line of a TOML key, as near as can be told: that of its last part, after those of the parts before it."""
    rows, at = text.split("\n"), 0
    start = next((i for i, row in enumerate(rows) if re.match(r"\s*\[tool\.sealkit", row)), 0)
    at = start
    for key in keys:
        pattern = re.compile(rf"(?:^|[\s.\[{{,\"']){re.escape(key)}(?:[\s.\]\"'=]|$)")
        at = next((i for i in range(at, len(rows)) if pattern.search(rows[i])), at)
    return at + 1
