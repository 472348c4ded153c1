"""What other tools write, as data: how a tree is recognised, which files it has, and what they say of what.

`spec/layouts/<tool>.yaml`, under the contract `tree_layout/v1`, which says what each field means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sealkit import digest
from sealkit.contract import Contract
from sealkit.finding import UsageError, pointer
from sealkit.read import yaml

EXPRESSIONS = ("line", "match", "through", "then", "named", "but")
ONE, ANY = "[^/]+", "[^/]*"
NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Mark:
    """What tells a tree: a file of its folder, and a place in that, whose text `matches` where that is given."""

    file: str
    at: str | None = None
    matches: str | None = None

    def __str__(self) -> str:
        return self.file + (f" with {self.at}" if self.at else "") + (f" like {self.matches}" if self.matches else "")


@dataclass(frozen=True)
class Says:
    """One field of one sort of things: where in a file it stands. See `tree_layout/v1`."""

    of: str
    what: str
    id: tuple[str, ...] = ("{path}",)
    by: str | None = None
    each: str | None = None
    at: tuple[str, ...] = ()
    line: tuple[str, ...] = ()
    through: str | None = None
    then: str | None = None
    match: str | None = None
    number: bool = False
    key: str | Mapping[str, Any] | None = None
    named: str | None = None
    but: str | None = None
    step: tuple[str, ...] = ()
    value: Any = None
    instead: str | None = None


@dataclass(frozen=True)
class Promise:
    """The files of a pattern are promised: for the tree, or for each thing of a sort, where a field of it has one of these values."""

    of: str | None = None
    what: str | None = None
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Source:
    """Files of a tree, and what they say. `media` is json, yaml, jsonl, csv, text; rankings: rows of `rankings/v1`; model: a
    folder that holds a model, with the names that are made to be moved (`pointers`); or run: a run directory of ours. A file that
    several `paths` find is one."""

    paths: tuple[str, ...]
    media: str
    contract: str | None
    promised: Promise | None
    says: tuple[Says, ...]
    pointers: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where such a file is promised."""
        return self.paths[0]


@dataclass(frozen=True)
class TreeLayout:
    """`root` leads from the recognised folder to the root of the tree, where no folder above tells it. `names` says what a captured name
    may be, as a regular expression; `contrasts` which comparisons a seal requires, and which are optional; `ended` by which words a
    record says that a run came to its end (a run of which it says nothing did)."""

    id: str
    title: str
    recognised_by: tuple[Mark, ...]
    unless: tuple[Mark, ...]
    root: str
    names: Mapping[str, str]
    sources: tuple[Source, ...]
    contrasts: Mapping[str, bool]
    ended: tuple[str, ...]
    digest: str

    @property
    def name(self) -> str:
        return self.id.partition("/")[0]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of artifact that such a tree can hold, and the evidence that is taken of it."""
        return frozenset({source.contract.split("/")[0] for source in self.sources if source.contract} | {"evidence"})

    @cached_property
    def fields(self) -> frozenset[str]:
        """What the files of such a tree can say: `run model`, …"""
        return frozenset(f"{says.of} {says.what}" for source in self.sources for says in source.says)

    @cached_property
    def tops(self) -> frozenset[str]:
        """The folders that the root of such a tree holds, by the paths of its sources: `models`, `configs`, …"""
        firsts = (path.split("/")[0] for source in self.sources for path in source.paths if "/" in path)
        return frozenset(first for first in firsts if "*" not in first and "{" not in first)

    def pattern(self, path: str, known: Mapping[str, str]) -> list[re.Pattern[str] | None]:
        """One expression for each part of a source's path; None for `**`, any number of folders. What a known name holds is a name,
        and no pattern."""
        found: list[re.Pattern[str] | None] = []
        for part in path.split("/"):
            whole = NAME.fullmatch(part)
            if whole and whole[1] in known:
                found += [re.compile(re.escape(folder)) for folder in known[whole[1]].split("/") if folder != "."]
            else:
                found.append(None if part == "**" else re.compile(self._part(part, known)))
        return found

    def _part(self, part: str, known: Mapping[str, str]) -> str:
        pieces = re.split(r"(\{\w+\}|\*)", part)
        return "".join(
            ANY if piece == "*" else self._group(piece[1:-1], known) if NAME.fullmatch(piece) else re.escape(piece)
            for piece in pieces
        )

    def _group(self, name: str, known: Mapping[str, str]) -> str:
        return re.escape(known[name]) if name in known else f"(?P<{name}>{self.names.get(name, ONE)})"


def fill(text: str, names: Mapping[str, str]) -> str:
    """A text with the names that are known in the places of `{name}`."""
    return NAME.sub(lambda match: names.get(match[1], match[0]), text)


def parse(document: yaml.Document, name: str, contract: Contract) -> TreeLayout:
    """A layout from its YAML file. Raises UsageError with the line of what is wrong."""
    for violation in contract.violations(document.data):
        raise UsageError(f"{name}:{_line(document, violation.pointer)}: {violation.message}", SHOW)
    data = document.data
    for pattern, where in _expressions(data):
        try:
            re.compile(pattern)
        except re.error as error:
            message = f"`{pattern}` is no regular expression: {error}"
            raise UsageError(f"{name}:{_line(document, where)}: {message}", SHOW) from None
    for path, where in _paths(data):
        _refuse_path(path, f"{name}:{_line(document, where)}")
    layout = TreeLayout(
        id=data["layout"],
        title=data["title"],
        recognised_by=tuple(_mark(mark) for mark in data["recognised_by"]),
        unless=tuple(_mark(mark) for mark in data.get("unless", [])),
        root=data.get("root", "."),
        names=data.get("names", {}),
        sources=tuple(_source(entry) for entry in data["files"]),
        contrasts=data.get("contrasts", {}),
        ended=tuple(data.get("ended", ())),
        digest=digest.of_value(data),
    )
    _refuse_patterns(layout, document, name)
    return layout


def _refuse_patterns(layout: TreeLayout, document: yaml.Document, name: str) -> None:
    """Raise UsageError for a path that finds nothing whatever a tree holds: with a name twice in one part, or with `**` at its end."""
    for i, path in ((i, path) for i, source in enumerate(layout.sources) for path in source.paths):
        at = f"{name}:{_line(document, f'/files/{i}/path')}"
        try:
            last = layout.pattern(path, {})[-1]
        except re.error as error:
            raise UsageError(f"{at}: `{path}` is no pattern: {error}", SHOW) from None
        if last is None:
            raise UsageError(f"{at}: `{path}` ends with `**`, which stands for folders", "name a file after it")


SHOW = "toolkit spec show tree_layout    tells what a layout holds"


def _line(document: yaml.Document, where: str) -> int:
    while where not in document.lines and where:
        where = where.rpartition("/")[0]
    return document.lines.get(where, 1)


def _expressions(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every regular expression of a layout, with its JSON pointer."""
    found = [(pattern, f"/names{pointer(name)}") for name, pattern in data.get("names", {}).items()]
    for mark, where in _marks(data):
        found += [(mark["matches"], f"{where}/matches")] if "matches" in mark else []
    for says, where in _all_says(data):
        found += [(one, f"{where}/{name}") for name in EXPRESSIONS for one in _many(says.get(name))]
    return found


def _paths(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every JSONPath of a layout, with its JSON pointer."""
    found = [(mark["at"], f"{where}/at") for mark, where in _marks(data) if "at" in mark]
    for says, where in _all_says(data):
        found += [(one, f"{where}/{name}") for name in ("at", "each") for one in _many(says.get(name))]
        templates = ((one, name) for name in ("id", "step") for one in _many(says.get(name)))
        found += [(one, f"{where}/{name}") for one, name in templates if one.startswith("$")]
    return found


def _marks(data: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    lists = ("recognised_by", "unless")
    return [(mark, f"/{name}/{i}") for name in lists for i, mark in enumerate(data.get(name, []))]


def _all_says(data: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    return [
        (says, f"/files/{i}/says/{j}")
        for i, entry in enumerate(data["files"])
        for j, says in enumerate(entry.get("says", []))
    ]


def _refuse_path(path: str, at: str) -> None:
    """Raise UsageError for a JSONPath that cannot be read."""
    import jsonpath

    try:
        jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        message = f"`{path}` is no JSONPath: {str(error).splitlines()[0]}"
        raise UsageError(f"{at}: {message}", SHOW) from None


def _mark(entry: Mapping[str, Any]) -> Mark:
    return Mark(entry["file"], entry.get("at"), entry.get("matches"))


def _source(entry: Mapping[str, Any]) -> Source:
    promised = entry.get("promised")
    promise: Promise | None
    if isinstance(promised, dict):
        promise = Promise(promised["of"], promised.get("what"), tuple(promised.get("values", ())))
    else:
        promise = Promise() if promised == "always" else None
    says = tuple(_says(one) for one in entry.get("says", []))
    paths, pointers = _many(entry["path"]), tuple(entry.get("pointers", ()))
    return Source(paths, entry["media"], entry.get("contract"), promise, says, pointers)


def _says(entry: Mapping[str, Any]) -> Says:
    lists = {name: _many(entry[name]) for name in ("id", "at", "line", "step") if name in entry}
    said = {name: value for name, value in entry.items() if not name.startswith("x-")}
    return Says(**{**said, **lists})


def _many(value: str | list[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)
