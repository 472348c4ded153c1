"""What a user asks about, a path, a name or a digest, as the contents and runs that a ledger knows."""

from __future__ import annotations

import difflib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sealkit import digest
from sealkit.finding import Blocked, ReadError, SealkitError, UsageError
from sealkit.workspace.ledger import Ledger, below, workspace_of

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")
_MODEL = ("modules.json", "config.json", "model_manifest.json")


@dataclass(frozen=True)
class Asked:
    """`contents` are the digests it comes to, each with where that is known from: `now` (what lies there), or `recorded`.

    `kind` is model, run, matrix, folder, file or content. `folder` is its path below the workspace where it is a folder there:
    what lies in it is part of the question. `remarks` are in words.
    """

    text: str
    kind: str
    contents: tuple[tuple[str, str], ...]
    runs: tuple[str, ...] = ()
    folder: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(found for found, _ in self.contents))


def resolve(text: str, ledger: Ledger) -> Asked:
    """What was asked about. Raises UsageError where nothing goes by that name, Blocked where records were not read that may."""
    path = _existing(text, ledger.root)
    if path is not None:
        return _at(text, path, ledger)
    if (match := _DIGEST.fullmatch(text)) and (found := _by_digest(text, match[1], ledger)):
        return found
    if found := _by_name(text, ledger):
        return found
    close = difflib.get_close_matches(text, sorted(_names(ledger)), n=3, cutoff=0.5)
    hint = f"close to it: {', '.join(close)}" if close else "toolkit lineage MODEL|RUN|FILE, --workspace DIR"
    message = f"{text}: no such file, and no record below {ledger.root} has that name or digest"
    if ledger.not_read:
        raise Blocked(f"{message}; but {_count(ledger)} not read, {ledger.not_read[0][0]} the first of them", hint)
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
    return _known(text, "file", now, place, ledger)


def _folder(text: str, path: Path, place: str | None, ledger: Ledger) -> Asked:
    if place is not None and place in ledger.runs:
        return Asked(text, "run", (), runs=(place,), folder=place)
    if place is not None and any(posixpath.dirname(matrix.at) == place for matrix in ledger.matrices):
        return Asked(text, "matrix", (), runs=_runs_below(place, ledger), folder=place)
    if any((path / marker).is_file() for marker in _MODEL):
        return _model(text, path, place, ledger)
    held = _held(place, ledger) if place is not None else []
    if place is not None and (held or _runs_below(place, ledger)):
        return Asked(text, "folder", tuple((one, "recorded") for one in held), _runs_below(place, ledger), place)
    try:
        now = digest.tree(path, follow=True)
    except ReadError as error:
        if found := _by_name(text, ledger):
            return found
        raise UsageError(f"{text}: {error.at} {error.message}", error.fix) from error
    return replace(_known(text, "folder", now, place, ledger), folder=place)


def _known(text: str, kind: str, now: str, place: str | None, ledger: Ledger) -> Asked:
    """A file or folder by what lies there now, what records say lay there, and the outputs of runs that it is part of."""
    others = [found for found in _recorded(text, place, ledger) if found != now]
    parts = [] if place is None else [one for one in _holding(place, ledger) if one[1] not in (now, *others)]
    remarks = [f"records know it with another content: {found}" for found in others]
    remarks += [f"is part of {path}, {found}" for path, found in parts]
    contents = [(now, "now"), *((found, "recorded") for found in [*others, *(found for _, found in parts)])]
    return Asked(text, kind, tuple(contents), remarks=tuple(remarks))


def _model(text: str, path: Path, place: str | None, ledger: Ledger) -> Asked:
    recorded = list(_recorded(text, place, ledger))
    try:
        now: str | None = digest.weights(path, follow=True).digest
        remarks = []
    except ReadError as error:
        now, remarks = None, [f"its weights cannot be told now: {error.at} {error.message}"]
    if now is None and not recorded:
        raise Blocked(f"{text}: {remarks[0]}")
    others = [found for found in recorded if found != now]
    remarks += [f"records know other weights by that name: {found}" for found in others]
    contents = [*([(now, "now")] if now else []), *((found, "recorded") for found in others)]
    return Asked(text, "model", tuple(contents), folder=place, remarks=tuple(dict.fromkeys(remarks)))


def _recorded(text: str, place: str | None, ledger: Ledger) -> Iterator[str]:
    """The digests by which records know a path: as a model's name, an export, a file that was named, an output of a run."""
    found: list[str] = []
    names = {one for one in (place, below("", text)) if one}
    for name, where, content in _called(ledger):
        if {below("", name), below(where, name)} & names:
            found.append(content)
    if place is not None:
        found += [output for path, output in _outputs(place, ledger) if path == place]
    yield from dict.fromkeys(found)


def _holding(place: str, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """(path, digest) of the outputs of runs that hold a file or folder."""
    return ((path, output) for path, output in _outputs(place, ledger) if path != place)


def _outputs(place: str, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """(path, digest) of the outputs that a path is, or lies in."""
    for run in ledger.runs.values():
        if place.startswith(f"{run.path}/") or not run.path:
            for stage in run.stages:
                for output in stage.outputs:
                    path = below(run.path, output.path)
                    if f"{place}/".startswith(f"{path}/"):
                        yield path, output.digest


def _called(ledger: Ledger) -> Iterator[tuple[str, str, str]]:
    """(name, the workspace that it may begin at, digest) of everything that records call by a name."""
    for run in ledger.runs.values():
        where = workspace_of(run.path)
        for model in run.models:
            if model.weights:
                yield model.name, where, model.weights
        for file in run.files:
            yield file.name, where, file.digest
    for made in ledger.made:
        where = workspace_of(made.run) if made.run is not None else ""
        yield made.folder, "", made.weights
        if made.exported_to:
            yield made.exported_to, where, made.weights
        if made.base:
            yield made.base[0], where, made.base[1]


def _held(place: str, ledger: Ledger) -> list[str]:
    """The weights of the models that lie below a folder."""
    prefix = f"{place}/" if place else ""
    return list(dict.fromkeys(made.weights for made in ledger.made if f"{made.folder}/".startswith(prefix)))


def _runs_below(place: str, ledger: Ledger) -> tuple[str, ...]:
    return tuple(path for path in ledger.runs if not place or f"{path}/".startswith(f"{place}/"))


def _by_digest(text: str, value: str, ledger: Ledger) -> Asked | None:
    hits = sorted(one for one in ledger.contents() if one.startswith(f"sha256:{value}"))
    if len(hits) > 1:
        raise UsageError(f"{text}: begins {len(hits)} digests: {', '.join(hits[:4])}", "write more of it")
    if not hits:
        return None
    if hits[0] in ledger.weights():
        return Asked(text, "model", ((hits[0], "recorded"),))
    if models := sorted(ledger.weights_of_tree(hits[0])):
        told = tuple(f"the digest of a model folder with the weights {one}" for one in models)
        return Asked(text, "model", ((hits[0], "recorded"), *((one, "recorded") for one in models)), remarks=told)
    return Asked(text, "content", ((hits[0], "recorded"),))


def _by_name(text: str, ledger: Ledger) -> Asked | None:
    runs = tuple(
        path
        for path, run in ledger.runs.items()
        if text.rstrip("/") in (run.run_id, run.name, path, posixpath.basename(path))
    )
    if runs:
        told = f"{len(runs)} runs go by that name: {', '.join(runs[:4])}"
        folder = runs[0] if len(runs) == 1 else None
        return Asked(text, "run", (), runs, folder, (told,) if len(runs) > 1 else ())
    names = {text, below("", text)}
    hits = [content for name, where, content in _called(ledger) if {name, below(where, name)} & names]
    found = tuple((content, "recorded") for content in dict.fromkeys(hits))
    if not found:
        return None
    kind = "model" if {content for content, _ in found} & ledger.weights() else "file"
    remarks = (f"records know {len(found)} contents by that name",) if len(found) > 1 else ()
    try:
        weights = _package(text)
    except SealkitError:
        return Asked(text, kind, found, remarks=remarks)
    if weights and weights not in {content for content, _ in found}:
        remarks = (*remarks, *(f"records know other weights by that name: {one}" for one, _ in found))
        found = ((weights, "now"), *found)
    elif weights:
        found = ((weights, "now"), *((one, how) for one, how in found if one != weights))
    return Asked(text, kind, found, remarks=remarks)


def _package(text: str) -> str | None:
    """The weights of a model that a package carries, as they are now."""
    from sealkit import named

    return named.model(text, fetch=False).weights.digest if text.startswith("package:") else None


def _names(ledger: Ledger) -> Iterable[str]:
    """Every name by which something can be asked for."""
    names = {name for name, _, _ in _called(ledger)}
    for path, run in ledger.runs.items():
        names |= {path, run.name, *([run.run_id] if run.run_id else [])}
    return names
