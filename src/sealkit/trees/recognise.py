"""Which layout a folder is of, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sealkit.finding import ReadError, UsageError, pointer
from sealkit.pack import Pack
from sealkit.read import json, yaml
from sealkit.trees.files import Found, Part
from sealkit.trees.layout import Mark, TreeLayout, parse

NATIVE = "native"
ABOVE = 5  # folders above a tree's that may be its root


@dataclass(frozen=True)
class Recognised:
    """A tree: its layout, the folder that was named, and its root. `why` are the places that told it, in words."""

    layout: TreeLayout
    folder: Path
    root: Path
    why: tuple[str, ...]

    @property
    def matrix(self) -> str:
        """The folder, by its path below the root."""
        return self.folder.relative_to(self.root).as_posix()

    @property
    def names(self) -> Mapping[str, str]:
        """The names that the folder gives to the patterns of its layout."""
        return {"matrix": self.matrix, "outputs": self.matrix.rpartition("/")[0] or "."}


def recognise(path: Path, pack: Pack, named: str | None = None, root: Path | None = None) -> Recognised | None:
    """The layout of a folder: the one that is `named` (one of the pack's, or a file), else the only one whose marks it bears; and the
    root of its tree: the given one, else the one that `find_root` finds. None for a run directory of ours.

    Raises UsageError where there is no such folder, where no layout or more than one recognises it, where the named one does not, and
    where the folder does not lie below the given root.
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
        folder = path.resolve()
        place = root.resolve() if root else find_root(folder, layout)
        return _within(Recognised(layout, folder, place, why), path)
    if told:
        names = ", ".join(layout.name for layout, _ in told)
        raise UsageError(f"{path}: several layouts recognise it: {names}", "name one of them with --layout")
    for mark in (mark for layout in layouts for mark in layout.recognised_by):
        _refuse_broken(path, mark)
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


def find_root(folder: Path, layout: TreeLayout) -> Path:
    """The root of a tree: of the folders above it the nearest that holds most of what the layout has at its root; where none holds any
    of it, or the layout has nothing there, the one that its `root` leads to."""
    told = (folder / layout.root).resolve()
    if layout.root == ".":
        return told
    held = {above: sum((above / top).is_dir() for top in layout.tops) for above in folder.parents[:ABOVE]}
    most = max(held.values(), default=0)
    if not most or held.get(told) == most:
        return told
    return next(above for above, number in held.items() if number == most)


def sealed_root(folder: Path, evidence: Path) -> Path | None:
    """The root that a sealed tree had, by the path of its folder in the evidence of its seal; None where that does not tell it, and for
    a folder that was renamed since."""
    try:
        document = json.read(evidence, evidence.name, follow=False)
    except ReadError:
        return None
    matrix = document.get("matrix") if isinstance(document, dict) else None
    place = folder.resolve()
    above = [place, *place.parents]
    return next((one for one in above if isinstance(matrix, str) and (one / matrix) == place and one != place), None)


def _within(found: Recognised, path: Path) -> Recognised:
    """Raise UsageError where a tree's root does not hold it: another folder, or at the top of the disk none."""
    if not found.folder.is_relative_to(found.root):
        raise UsageError(f"{path}: does not lie below {found.root}", "give as --root a folder above it")
    if found.root == found.folder != found.folder.parent and found.layout.root != ".":
        raise UsageError(f"{path}: is no root of itself by its layout", "give as --root a folder above it")
    if found.root == found.folder and found.layout.root != ".":
        raise UsageError(f"{path}: lies at the top of the disk", f"its layout has the root {found.layout.root}")
    return found


def _refuse_broken(path: Path, mark: Mark) -> None:
    """Raise UsageError for a folder that has the file of a mark, which cannot be read: with its line."""
    place = path / mark.file
    if mark.at is None or not place.is_file():
        return
    try:
        for _ in _parts(Found(path, mark.file, {})):
            pass
    except ReadError as error:
        raise UsageError(f"{path}/{error.at}: {error.message}", error.fix or "correct it") from None


def _parts(file: Found) -> Iterator[Part]:
    suffix = file.place.suffix.lstrip(".")
    return file.parts("yaml" if suffix == "yml" else suffix)


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
        for part in _parts(file):
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
