"""What records call by a name: models, exports, files that were named, and the outputs of runs, each with its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sealkit.workspace.ledger import Ledger
from sealkit.workspace.run import below, workspace_of


def recorded(text: str, place: str | None, ledger: Ledger) -> Iterator[str]:
    """The digests by which records know a path: as a model's name, an export, a file that was named, an output of a run."""
    found: list[str] = []
    names = {one for one in (place, below("", text)) if one}
    for name, where, content in contents(ledger):
        if {below("", name), below(where, name)} & names:
            found.append(content)
    if place is not None:
        found += [output for path, output in outputs(place, ledger) if path == place]
    yield from dict.fromkeys(found)


def holding(place: str, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """(path, digest) of the outputs of runs that hold a file or folder."""
    return ((path, output) for path, output in outputs(place, ledger) if path != place)


def outputs(place: str, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """(path, digest) of the outputs that a path is, or lies in."""
    for run in ledger.runs.values():
        if place.startswith(f"{run.path}/") or not run.path:
            for stage in run.stages:
                for output in stage.outputs:
                    path = below(run.path, output.path)
                    if f"{place}/".startswith(f"{path}/"):
                        yield path, output.digest


def contents(ledger: Ledger) -> Iterator[tuple[str, str, str]]:
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
    for seal in ledger.seals:
        for file in seal.outside:
            yield file.name, "", file.digest


def names(ledger: Ledger) -> Iterable[str]:
    """Every name by which something can be asked for."""
    found = {name for name, _, _ in contents(ledger)}
    for path, run in ledger.runs.items():
        found |= {path, run.name, *([run.run_id] if run.run_id else [])}
    return found
