"""Which layout a folder is of, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sealkit.finding import ReadError, UsageError, pointer
from sealkit.pack import Pack
from sealkit.read import yaml
from sealkit.trees.files import Found
from sealkit.trees.layout import Mark, TreeLayout, parse

NATIVE = "native"


@dataclass(frozen=True)
class Recognised:
    """A tree: its layout, the folder that was named, and its root. `why` are the places that told it, in words."""

    layout: TreeLayout
    folder: Path
    why: tuple[str, ...]

    @property
    def root(self) -> Path:
        return (self.folder / self.layout.root).resolve()

    @property
    def matrix(self) -> str:
        """The folder, by its path below the root."""
        return self.folder.relative_to(self.root).as_posix()

    @property
    def names(self) -> Mapping[str, str]:
        """The names that the folder gives to the patterns of its layout."""
        return {"matrix": self.matrix, "outputs": self.matrix.rpartition("/")[0] or "."}


def recognise(path: Path, pack: Pack, named: str | None = None) -> Recognised | None:
    """The layout of a folder: the one that is `named` (one of the pack's, or a file), else the only one whose marks it bears. None
    for a run directory of ours.

    Raises UsageError where there is no such folder, where no layout or more than one recognises it, and where the named one does not.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such run directory", "give the folder that `toolkit run` printed last")
    native = pack.layout().recognised_by
    if named == NATIVE or (named is None and (path / native).is_file()):
        return None
    layouts = [_named(named, pack)] if named else list(pack.tree_layouts.values())
    told = [(layout, why) for layout in layouts if (why := _marks(layout, path.resolve())) is not None]
    if len(told) == 1:
        ((layout, why),) = told
        return _within(Recognised(layout, path.resolve(), why), path)
    if told:
        names = ", ".join(layout.name for layout, _ in told)
        raise UsageError(f"{path}: several layouts recognise it: {names}", "name one of them with --layout")
    wanted = [f"{NATIVE}: {native}", *(f"{one.name}: {_wanted(one)}" for one in layouts)]
    inner = _trees_in(path, pack)
    raise UsageError(
        "\n  ".join([f"{path}: no layout recognises it; looked for", *(wanted if not named else wanted[1:])]),
        f"name one of the trees in it: {', '.join(inner)}"
        if inner
        else "toolkit layout draft DIR    writes a layout to begin with; give it with --layout FILE",
    )


def _named(name: str, pack: Pack) -> TreeLayout:
    """A layout by its name, or from a file. Raises UsageError."""
    if name in pack.tree_layouts:
        return pack.tree_layouts[name]
    path = Path(name)
    if not path.is_file():
        known = ", ".join([NATIVE, *pack.tree_layouts])
        raise UsageError(f"--layout {name}: no such layout, and no such file", f"known: {known}")
    try:
        return parse(yaml.read(path), name, pack.contracts["tree_layout/v1"])
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", error.fix) from error


def _within(found: Recognised, path: Path) -> Recognised:
    """Raise UsageError where a tree's own root does not hold it: of a folder at the top of the disk."""
    if found.root == found.folder and found.layout.root != ".":
        raise UsageError(f"{path}: lies at the top of the disk", f"its layout has the root {found.layout.root}")
    return found


def _wanted(layout: TreeLayout) -> str:
    unless = f", and not {' nor '.join(map(str, layout.unless))}" if layout.unless else ""
    return " and ".join(map(str, layout.recognised_by)) + unless


def _marks(layout: TreeLayout, folder: Path) -> tuple[str, ...] | None:
    """What tells that a folder is of a layout; None where a mark is missing, or one is there that may not be."""
    if any(_mark(mark, folder) for mark in layout.unless):
        return None
    found = [_mark(mark, folder) for mark in layout.recognised_by]
    return tuple(place for place in found if place) if all(found) else None


def _mark(mark: Mark, folder: Path) -> str | None:
    """The place of a mark in a folder, and what stands there; None where it does not."""
    place = folder / mark.file
    if mark.at is None:
        return mark.file if place.exists() else None
    if not place.is_file():
        return None
    import jsonpath

    file = Found(folder, mark.file, {})
    try:
        for part in file.parts("yaml" if place.suffix in (".yaml", ".yml") else place.suffix.lstrip(".")):
            for match in jsonpath.finditer(mark.at, part.data):
                if mark.matches is None or re.fullmatch(mark.matches, str(match.value)):
                    return f"{mark.file}:{part.line_of(pointer(*match.parts)) or 1} holds {mark.at}"
    except ReadError:
        return None
    return None


def _trees_in(path: Path, pack: Pack) -> list[str]:
    """The trees of known layouts, and the runs, one or two folders below."""
    folders = sorted(one for pattern in ("*", "*/*") for one in path.glob(pattern) if one.is_dir())[:1000]
    native = pack.layout().recognised_by
    inner = [
        str(one)
        for one in folders
        if (one / native).is_file()
        or any(_marks(layout, one.resolve()) is not None for layout in pack.tree_layouts.values())
    ]
    return [*inner[:5], *(["…"] if len(inner) > 5 else [])]
