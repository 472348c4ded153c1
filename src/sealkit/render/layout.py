"""Layouts of trees for people: which there are, what one reads, and the draft of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sealkit.render.text import clean
from sealkit.trees.draft import Draft, Drafted
from sealkit.trees.guess import Guess
from sealkit.trees.layout import Promise, Says, TreeLayout

NATIVE = ("native/v1", "Run directories of sealkit")


def listing(layouts: Iterable[TreeLayout]) -> str:
    """One line a layout: id, title."""
    rows = [NATIVE, *((layout.id, layout.title) for layout in layouts)]
    width = max(len(id) for id, _ in rows)
    return "".join(f"{id:{width}}  {clean(title)}\n" for id, title in rows)


def text(layout: TreeLayout) -> str:
    """How a tree is recognised, its files, what is promised, and for each field where in a file it is read."""
    marks = " and ".join(map(str, layout.recognised_by))
    unless = f", and not {' nor '.join(map(str, layout.unless))}" if layout.unless else ""
    tops = ", ".join(sorted(layout.tops))
    root = (
        f"root the nearest folder above that holds most of {tops}; else {layout.root}"
        if tops
        else f"root {layout.root}"
    )
    lines = [f"{layout.id}: {layout.title}", f"recognised by {marks}{unless}", root, ""]
    for source in layout.sources:
        about = ", ".join(filter(None, (source.media, source.contract, _promised(source.promised))))
        lines.append(f"{' or '.join(source.paths)}  ({about})")
        for one in source.says:
            lines.append(f"  {one.of} {one.what}" + (f" by {one.by}" if one.by else ""))
            lines += [f"    {where}" for where in _where(one)]
    return "\n".join(map(clean, lines)) + "\n"


def _where(says: Says) -> Iterator[str]:
    """Where a field is read, a line each."""
    each = f"{says.each} → " if says.each else ""
    yield from (f"at {each}{path}" for path in says.at)
    yield from (f"line {pattern}" for pattern in says.line)
    words = {"through": says.through, "then": says.then, "key": says.named, "value": says.match, "but not": says.but}
    yield from (f"{word} {pattern}" for word, pattern in words.items() if pattern)
    if not says.at and not says.line:
        yield "by being there"


def _promised(promise: Promise | None) -> str | None:
    if promise is None:
        return None
    if promise.of is None:
        return "promised"
    values = f" whose {promise.what} is {' or '.join(map(str, promise.values))}" if promise.what else ""
    return f"promised of each {promise.of}{values}"


# The draft


def yaml(draft: Draft) -> str:
    """A draft as the file that `--layout` takes."""
    at = f", at: {_quoted(draft.mark.at)}" if draft.mark.at else ""
    lines = [
        "# Drawn from a tree. Check what was guessed, take out what is wrong, and say what the tool promises.",
        "# What each field means: toolkit spec show tree_layout",
        f"layout: {draft.name}/v1",
        f"title: {_quoted(f'What {draft.name} writes')}  # say it in words",
        "recognised_by:  # check: is this there in every such tree, and in no other?",
        f"  - {{file: {_quoted(draft.mark.file)}{at}}}",
        *_names(draft),
        "files:",
        *(line for source in draft.sources for line in _source(source)),
        *_left(draft),
    ]
    return "\n".join(lines) + "\n"


def _names(draft: Draft) -> Iterator[str]:
    """What captured names may be: a step is a number, and a folder whose name goes on with the end of another pattern is of that."""
    names = {"step": "[0-9]+"} if any("{step}" in source.path for source in draft.sources) else {}
    ends: dict[str, dict[str, None]] = {}
    for name, end in (found for one in draft.sources for found in re.findall(r"\{(run|part\d+)\}([^/]+)/", one.path)):
        ends.setdefault(name, {})[end] = None
    names |= {name: f"(?:(?!(?:{'|'.join(map(re.escape, those))})$)[^/])+" for name, those in ends.items()}
    if names:
        yield f"names: {_flow(names)}"


def _source(source: Drafted) -> Iterator[str]:
    several = f"  # {len(source.files)} such: {', '.join(source.files[:2])}{', …' if len(source.files) > 2 else ''}"
    yield f"  - path: {_quoted(source.path)}{clean(several) if len(source.files) > 1 else ''}"
    wrong = f"  # and not as its name says: {source.wrong.at}: {source.wrong.message}" if source.wrong else ""
    yield f"    media: {source.media}{clean(wrong)}"
    if source.media == "model":
        yield "    pointers: [latest, current, newest, last]  # names that are made to be moved to another model"
    if source.guesses:
        yield "    says:"
        for guess in source.guesses:
            yield from _says(source, guess)


def _says(source: Drafted, guess: Guess) -> Iterator[str]:
    id = "/".join(f"{{{name}}}" for name in source.names) or "run"
    step = (
        {"step": "{step}"} if guess.what == "metric" and "{step}" in source.path and "step" not in guess.fields else {}
    )
    yield f"      # guessed from {clean(f'{guess.file}:{guess.line}')}"
    yield f"      - {_flow({'of': 'run', 'id': id, 'what': guess.what, **guess.fields, **step})}"


def _left(draft: Draft) -> Iterator[str]:
    for error in draft.unread:
        yield f"# not looked at: {clean(f'{error.at} {error.message}')}"
    if draft.left:
        yield f"# left out, {len(draft.left)} {'file' if len(draft.left) == 1 else 'files'} of which nothing could be guessed:"
        yield from (f"#   {clean(name)}" for name in draft.left[:20])
        if len(draft.left) > 20:
            yield "#   …"


def _flow(fields: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_value(value)}" for name, value in fields.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _flow(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    """A text as YAML reads it back, whatever it holds."""
    if text.isidentifier() and text.isascii() and text.lower() not in ("true", "false", "null"):
        return text
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in shown)
