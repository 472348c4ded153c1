"""Layouts of trees for people: which there are, what one reads, and the draft of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sealkit.render.text import clean
from sealkit.trees.draft import Draft, Drafted
from sealkit.trees.guess import Guess
from sealkit.trees.layout import Promise, TreeLayout

NATIVE = ("native/v1", "Run directories of sealkit")


def listing(layouts: Iterable[TreeLayout]) -> str:
    """One line a layout: id, title."""
    rows = [NATIVE, *((layout.id, layout.title) for layout in layouts)]
    width = max(len(id) for id, _ in rows)
    return "".join(f"{id:{width}}  {clean(title)}\n" for id, title in rows)


def text(layout: TreeLayout) -> str:
    """How a tree is recognised, and a line for each of its files: what is promised, and what it says."""
    marks = " and ".join(map(str, layout.recognised_by))
    unless = f", and not {' nor '.join(map(str, layout.unless))}" if layout.unless else ""
    lines = [f"{layout.id}: {layout.title}", f"recognised by {marks}{unless}", f"root {layout.root}", ""]
    for source in layout.sources:
        lines.append(
            f"{source.path}  ({', '.join(filter(None, (source.media, source.contract, _promised(source.promised))))})"
        )
        said = dict.fromkeys(f"{one.of} {one.what}" + (f" by {one.by}" if one.by else "") for one in source.says)
        lines += [f"  says {', '.join(said)}"] if said else []
    return "\n".join(map(clean, lines)) + "\n"


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
    if any("{step}" in source.path for source in draft.sources):
        yield 'names: {step: "[0-9]+"}'


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
