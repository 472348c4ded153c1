"""A layout to begin with, drawn from a tree that no layout is known of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealkit.finding import ReadError, UsageError
from sealkit.trees.files import Found, find
from sealkit.trees.guess import Guess, guess, jsonpath, media
from sealkit.trees.layout import Mark

EVERYTHING = [None, re.compile(r"[\s\S]+")]
MODEL = {"modules.json", "model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "model_manifest.json"}
POINTERS = ("latest", "current", "newest", "last")
ABOUT = re.compile(
    r"(?i)(?:readme|license|licence|source|changelog|citation|requirements)\b.*|.*\.(?:md|py|ipynb|html|rst)"
)
ALIKE = 0.5  # of the files of two folders that are both runs, say
KEPT = ("log", "txt", "out", "err")


@dataclass(frozen=True)
class Drafted:
    """Files that are alike: the pattern that finds them, how they are read, and what they seem to say. `wrong` is why they are not
    read as their names say."""

    path: str
    media: str
    files: tuple[str, ...]
    guesses: tuple[Guess, ...] = ()
    wrong: ReadError | None = None

    @property
    def names(self) -> list[str]:
        """The names that the pattern captures of folders."""
        return re.findall(r"\{(\w+)\}", self.path.rpartition("/")[0])


@dataclass(frozen=True)
class Draft:
    """What a layout of a tree may be; `left` are the files that it does not speak of."""

    name: str
    mark: Mark
    sources: tuple[Drafted, ...]
    left: tuple[str, ...]
    unread: tuple[ReadError, ...]


def draft(folder: Path) -> Draft:
    """Raises UsageError for a folder that is none, or that holds nothing a layout could speak of."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", "give the folder that the tool wrote")
    root = folder.resolve()
    found, unread = find(root, EVERYTHING)
    models = _models(found)
    plain = [file for file in found if not any(file.path.startswith(f"{model}/") for model in models)]
    sources = [Drafted(path, "model", tuple(one)) for path, one in _patterns({model: model for model in models})]
    left: list[str] = []
    by_path = {file.path: file for file in plain}
    together: dict[str, list[str]] = {}
    for path, names in _patterns({file.path: file.path for file in plain}):
        together.setdefault(path, []).extend(names)
    for path, names in together.items():
        files = [by_path[name] for name in names]
        drafted = _drafted(path, files)
        if drafted is None:
            left += names
        else:
            sources.append(drafted)
    if not sources:
        raise UsageError(f"{folder}: holds nothing that a layout could speak of", "give the folder that the tool wrote")
    name = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-").lstrip("0123456789-") or "my-tool"
    return Draft(name, _mark(by_path, sources), tuple(sources), tuple(left), tuple(unread))


def _models(found: Sequence[Found]) -> list[str]:
    """The folders that hold a model, but for those inside of another."""
    folders = sorted({file.path.rpartition("/")[0] for file in found if file.path.rpartition("/")[2] in MODEL} - {""})
    return [one for one in folders if not any(one.startswith(f"{other}/") for other in folders)]


def _drafted(path: str, files: Sequence[Found]) -> Drafted | None:
    """How files that are alike are read, by the first that holds anything; None where a layout has nothing to say of them."""
    name = path.rpartition("/")[2]
    telling = next((file for file in files if _size(file) > 2), files[0])
    kind, wrong = media(replace(telling))
    if kind is None or (ABOUT.fullmatch(name) and kind == "text"):
        return None
    guesses = tuple(guess(replace(telling), kind))
    if kind == "text" and not guesses and wrong is None and name.rpartition(".")[2].lower() not in KEPT:
        return None
    at = [replace(one, file=telling.path) for one in guesses]
    return Drafted(path, kind, tuple(file.path for file in files), tuple(at), wrong)


def _size(file: Found) -> int:
    try:
        return file.place.lstat().st_size
    except OSError:
        return 0


def _mark(files: dict[str, Found], sources: Sequence[Drafted]) -> Mark:
    """The most telling of what the tree holds: the document at its top with the most unusual key; else the folder of its runs, a name
    that other trees may have too; else a document below, or any file."""
    documents = sorted((one for one in sources if _is_document(one)), key=lambda one: one.path.count("/"))
    marks = [mark for one in documents if (mark := _key(files[one.files[0]], one.media))]
    at_top = [mark for mark in marks if "/" not in mark.file]
    captured = [one for one in sources if "{" in one.path.rpartition("/")[0] and not one.path.startswith("{")]
    if at_top or not captured:
        return next(iter([*at_top, *marks]), Mark(sources[0].files[0]))
    most = max(captured, key=lambda one: len(one.files))
    above = re.split(r"/[^/]*\{", most.path)[0].split("/")
    lasting = list(itertools.takewhile(lambda part: not re.search(r"\d{3}", part), above))
    return Mark("/".join(lasting or above))


def _is_document(one: Drafted) -> bool:
    return one.path.endswith((".json", ".yaml", ".yml")) and one.media in ("json", "yaml")


def _key(file: Found, media: str) -> Mark | None:
    """The most unusual key of a document, as a mark; None for one that has no keys."""
    part = next(iter(replace(file).parts(media)))
    return Mark(file.path, jsonpath(max(part.data, key=len))) if isinstance(part.data, dict) and part.data else None


def _patterns(paths: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """(pattern, what it finds) of paths: folders that hold much the same are one pattern, and so are names that differ in numbers."""
    split = {tuple(path.split("/")): path for path in paths}
    for parts, found in _grouped(split, 0):
        yield "/".join(parts), sorted(found)


def _grouped(paths: dict[tuple[str, ...], str], captured: int) -> Iterator[tuple[list[str], list[str]]]:
    names = {parts[0]: path for parts, path in paths.items() if len(parts) == 1}
    for pattern, members in _numbered(list(names)):
        yield [pattern], [names[one] for one in members]
    folders: dict[str, dict[tuple[str, ...], str]] = {}
    for parts, path in paths.items():
        if len(parts) > 1:
            folders.setdefault(parts[0], {})[parts[1:]] = path
    groups = list(_alike(folders))
    several = sum(len(members) > 1 for members in groups) > 1
    for members in groups:
        if len(members) == 1:
            for rest, found in _grouped(folders[members[0]], captured):
                yield [_literal(members[0]), *rest], found
            continue
        together: dict[tuple[str, ...], list[str]] = {}
        for member in members:
            for parts, path in folders[member].items():
                together.setdefault(parts, []).append(path)
        name = "run" if captured == 0 else f"part{captured}"
        end = _literal(_end(members)) if several else ""
        for rest, found in _grouped({parts: "\0".join(all) for parts, all in together.items()}, captured + 1):
            yield [f"{{{name}}}{end}", *rest], [path for joined in found for path in joined.split("\0")]


def _end(names: Sequence[str]) -> str:
    """What the names of folders all end with, from a `_`, `-` or `.` on: `_retrieval_full`."""
    same = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*(name[::-1] for name in names), strict=False))
    shared = "".join(column[0] for column in same)[::-1]
    begin = re.search(r"[_.-]", shared)
    return shared[begin.start() :] if begin else ""


def _alike(folders: dict[str, dict[tuple[str, ...], str]]) -> list[list[str]]:
    """Folders, together where they hold much the same."""
    groups: list[tuple[list[str], set[str]]] = []
    for name, inner in sorted(folders.items()):
        held = {re.sub(r"\d+", "#", "/".join(parts)) for parts in inner}
        for members, known in groups:
            if len(held & known) >= ALIKE * len(held | known):
                members.append(name)
                known |= held
                break
        else:
            groups.append(([name], held))
    return [members for members, _ in groups]


def _numbered(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """(pattern, names) of file names, together where they differ in numbers alone; a number that follows the word step is captured."""
    shapes: dict[str, list[str]] = {}
    for name in names:
        shapes.setdefault(re.sub(r"\d+", "#", name), []).append(name)
    for members in shapes.values():
        numbers = list(zip(*(re.findall(r"\d+", name) for name in members), strict=True))
        varies = iter([len(set(column)) > 1 for column in numbers])
        pattern = re.sub(r"\d+", lambda match: "\0" if next(varies) else match[0], members[0])  # noqa: B023
        pattern = re.sub(r"(?i)(?<=step)(s?[_-]?)\0", r"\1{step}", _literal(pattern), count=1)
        yield pattern.replace("\0", "*"), members


def _literal(name: str) -> str:
    """A name as a part of a pattern that finds it: what a pattern cannot say stands for anything."""
    return re.sub(r"\*+|\{\w+\}|[\r\n]", "*", name)
