"""What a user asks about, a path, a name or a digest, as the contents and runs that a ledger knows."""

from __future__ import annotations

import difflib
import os
import posixpath
import re
from dataclasses import replace
from pathlib import Path

from sealkit import digest
from sealkit.finding import Blocked, ReadError, UsageError
from sealkit.workspace import called
from sealkit.workspace.known import by_digest, by_name, telling
from sealkit.workspace.ledger import Ledger
from sealkit.workspace.question import Asked
from sealkit.workspace.survey import HELD
from sealkit.workspace.whereabouts import weights_in

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")
PARTS = 2  # folders above a file in which its model may begin
_MODEL = ("modules.json", "config.json", "model_manifest.json")


def resolve(text: str, ledger: Ledger) -> Asked:
    """What was asked about. Raises UsageError where nothing goes by that name, Blocked where records were not read that may."""
    path = _existing(text, ledger.root)
    if path is not None:
        return _at(text, path, ledger)
    if (match := _DIGEST.fullmatch(text)) and (found := by_digest(text, match[1], ledger)):
        return found
    if found := by_name(text, ledger):
        return found
    close = difflib.get_close_matches(text, sorted(called.names(ledger)), n=3, cutoff=0.5)
    hint = (
        f"close to it: {', '.join(close)}"
        if close
        else "check the name; --workspace DIR names the folder whose records are read"
    )
    message = f"{text}: no such file, and no record below {ledger.root} has that name or digest"
    if ledger.not_read:
        raise Blocked(f"{message}; but {_count(ledger)} not read, {ledger.not_read[0].path} the first of them", hint)
    raise UsageError(message, hint)


def _count(ledger: Ledger) -> str:
    return "1 was" if len(ledger.not_read) == 1 else f"{len(ledger.not_read)} were"


def _existing(text: str, root: Path) -> Path | None:
    """The file or folder that a text names: from the current directory, else from the workspace."""
    for base in (Path.cwd(), root):
        try:
            path = base / Path(text).expanduser()
            if path.exists():
                return path
        except (OSError, ValueError, RuntimeError):
            continue
    return None


def inside(path: Path, root: Path) -> str | None:
    """A path below the workspace, None where it lies elsewhere. Its last part is not followed where it is a link."""
    place = os.fspath(Path(os.path.realpath(path.parent), path.name))
    top = os.path.realpath(root)
    if os.path.realpath(path) == top:
        return ""
    return os.path.relpath(place, top).replace(os.sep, "/") if place.startswith(top.rstrip(os.sep) + os.sep) else None


def _at(text: str, path: Path, ledger: Ledger) -> Asked:
    place = inside(path, ledger.root)
    if path.is_dir():
        return _folder(text, path, place, ledger)
    try:
        now = digest.file(path)
    except ReadError as error:
        raise Blocked(f"{text}: {error.message}", error.fix) from error
    found = _known(text, "file", now, place, ledger)
    if part := _model_around(path, ledger):
        folder, weights = part
        contents, told = (*found.contents, (weights, "now")), f"is part of the model {folder}, {weights}"
        found = replace(found, contents=contents, remarks=(*found.remarks, told))
    return replace(found, records=(place,) if place in ledger.files else telling(now, ledger))


def _model_around(path: Path, ledger: Ledger) -> tuple[str, str] | None:
    """The model that a file is part of, where a record knows it: its folder, and its weights."""
    for folder in list(path.parents)[:PARTS]:
        try:
            weights = weights_in(folder) if _holds_model(folder) else None
        except (ReadError, OSError):
            continue
        if weights in ledger.weights():
            return inside(folder, ledger.root) or str(folder), str(weights)
    return None


def _holds_model(folder: Path) -> bool:
    """Whether weights lie in a folder itself, or in the modules that it lists: a `config.json` is at the top of many a project."""
    return (folder / "modules.json").is_file() or any(one.name.endswith(HELD) for one in folder.iterdir())


def _folder(text: str, path: Path, place: str | None, ledger: Ledger) -> Asked:
    if place is not None and place in ledger.runs:
        return Asked(text, "run", (), runs=(place,), folder=place)
    if place is not None and any(posixpath.dirname(matrix.at) == place for matrix in ledger.matrices):
        return Asked(text, "matrix", (), runs=_runs_below(place, ledger), folder=place)
    if any((path / marker).is_file() for marker in _MODEL):
        return _model(text, path, place, ledger)
    held = _held(place, ledger) if place is not None else []
    records = tuple(one for one in ledger.files if place == "" or one.startswith(f"{place}/"))
    if place is not None and (held or records or _runs_below(place, ledger)):
        contents = tuple((one, "recorded") for one in dict.fromkeys([*held, *(ledger.files[one] for one in records)]))
        return Asked(text, "folder", contents, _runs_below(place, ledger), place, records)
    try:
        now = digest.tree(path, follow=True)
    except ReadError as error:
        if found := by_name(text, ledger):
            return found
        raise UsageError(f"{text}: {error.at} {error.message}", error.fix) from error
    return replace(_known(text, "folder", now, place, ledger), folder=place)


def _known(text: str, kind: str, now: str, place: str | None, ledger: Ledger) -> Asked:
    """A file or folder by what lies there now, what records say lay there, and the outputs of runs that it is part of."""
    others = [found for found in called.recorded(text, place, ledger) if found != now]
    parts = [] if place is None else [one for one in called.holding(place, ledger) if one[1] not in (now, *others)]
    remarks = [f"records know it with another content: {found}" for found in others]
    remarks += [f"is part of {path}, {found}" for path, found in parts]
    contents = [(now, "now"), *((found, "recorded") for found in [*others, *(found for _, found in parts)])]
    return Asked(text, kind, tuple(contents), remarks=tuple(remarks))


def _model(text: str, path: Path, place: str | None, ledger: Ledger) -> Asked:
    recorded = list(called.recorded(text, place, ledger))
    try:
        now: str | None = weights_in(path)
        remarks = []
    except ReadError as error:
        now, remarks = None, [f"its weights cannot be told now: {error.at} {error.message}"]
    if now is None and not recorded:
        raise Blocked(f"{text}: {remarks[0]}")
    others = [found for found in recorded if found != now]
    remarks += [f"records know other weights by that name: {found}" for found in others]
    contents = [*([(now, "now")] if now else []), *((found, "recorded") for found in others)]
    return Asked(text, "model", tuple(contents), folder=place, remarks=tuple(dict.fromkeys(remarks)))


def _held(place: str, ledger: Ledger) -> list[str]:
    """The weights of the models that lie below a folder."""
    prefix = f"{place}/" if place else ""
    return list(dict.fromkeys(made.weights for made in ledger.made if f"{made.folder}/".startswith(prefix)))


def _runs_below(place: str, ledger: Ledger) -> tuple[str, ...]:
    return tuple(path for path in ledger.runs if not place or f"{path}/".startswith(f"{place}/"))
