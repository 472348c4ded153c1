"""Guesses what a file says, by the names of its keys and the form of its values: a start for who writes a layout, no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sealkit.finding import ReadError, pointer
from sealkit.trees.files import Found, Part

LEAVES = 5_000  # values of a document that are looked at
PATHS = 20  # values that are named one by one
LINES = 2_000  # lines of a text, and rows of a table
TELLS = re.compile(r"(?i)metric|result|score|eval|summary|history|state")
METRIC = re.compile(
    r"(?i)(?:.*[/_.-])?(?:loss|acc(?:uracy)?|recall|precision|f1|ndcg|map|mrr|auc|auroc|rouge\w*|bleu|perplexity|ppl|mae|mse|rmse)(?:[@_-]?\d+)?"
)
COUNTED = "(?i)(?:.*[/_. -])?(?:epochs?|steps?|iter(?:ation)?s?|batch|seed|index|rank|total|n_\\w+|num_\\w+|time\\w*|timestamp|runtime|duration\\w*|seconds)"
STEPS = ("step", "global_step", "steps", "trainer/global_step", "_step", "iteration")
FIELDS = {
    "seed": re.compile(r"(?:random_|rng_|manual_|np_)?seed"),
    "commit": re.compile(r".*"),
    "model": re.compile(
        r"_?(?:\w{1,20}_)?(?:model_name_or_path|name_or_path|model_name|model_path|model|encoder|encoder_name|encoder_path|checkpoint)"
    ),
    "label": re.compile(r"(?:run|exp|experiment)_(?:name|label)|label"),
}
LINE = {
    "seed": r"""(?i)\bseed['"]?\s*[:= ]\s*(?P<value>\d+)\b""",
    "commit": r"(?<![0-9a-f])(?P<value>[0-9a-f]{40})(?![0-9a-f])",
    "model": r"""(?i)\b(?:model(?:_name_or_path|_name|_path)['"]?\s*[:=]|load\w*\s+(?:\w+\s+){0,2}(?:model|encoder|SentenceTransformer)\b(?:\s+from)?\s*:?(?=[^/]{0,40}/))\s*['"]?(?P<value>[^\s'",;()\]}]+)""",
}
COMMIT = re.compile(r"[0-9a-f]{40}")
PROSE = ("log", "txt", "out", "err", "md", "py", "sh", "html", "rst", "tsv")
MACHINE = re.compile(r"(?i)gpus?|cpus?|host|device|hardware|machine")


@dataclass(frozen=True)
class Guess:
    """A field that a file seems to say; `fields` as in `tree_layout/v1`, without `of` and `id`; and the file and line
    that it was guessed from."""

    what: str
    line: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""


def guess(file: Found, media: str) -> list[Guess]:
    """What a file seems to say. Raises ReadError."""
    if media == "text":
        return list(_of_lines(file))
    first = next(iter(file.parts(media)), None)
    if first is None:
        return []
    return list(_of_row(first) if media in ("csv", "jsonl") else _of_document(file, first))


def _of_lines(file: Found) -> Iterator[Guess]:
    wanted = dict(LINE)
    for number, row in file.lines():
        for what in [what for what, pattern in wanted.items() if re.search(pattern, row[:1000])]:
            more: dict[str, Any] = (
                {"number": True} if what == "seed" else {"by": "mentioned"} if what == "model" else {}
            )
            yield Guess(what, number, {"line": wanted.pop(what), **more})
        if not wanted or number == LINES:
            return


def _of_row(part: Part) -> Iterator[Guess]:
    """Of a table each number is a measurement, but those that count."""
    columns = part.data if isinstance(part.data, dict) else {}
    if any(_is_number(value) and not re.fullmatch(COUNTED, name) for name, value in columns.items()):
        step = [jsonpath(name) for name in STEPS if name in columns]
        yield Guess("metric", part.line or 1, _metrics("$.*", step))


def _of_document(file: Found, part: Part) -> Iterator[Guess]:
    history = list(_of_history(part))
    yield from history
    measured: list[tuple[tuple[str | int, ...], int]] = []
    once: set[str] = set()
    for names, value in _leaves(part.data, ()):
        key = str(names[-1]) if names else ""
        line = part.line_of(pointer(*names)) or 1
        if _is_number(value) and not isinstance(value, str) and METRIC.fullmatch(key):
            measured.append((names, line))
        above = str(names[-2]) if len(names) > 1 else ""
        what = next((name for name, keys in FIELDS.items() if keys.fullmatch(key) and _is(name, value)), None)
        if what is None and key in ("path", "name") and FIELDS["model"].fullmatch(above) and _is("model", value):
            what = "model"
        if what == "model" and any(MACHINE.fullmatch(str(name)) for name in names):
            continue
        if what and what not in once:
            once.add(what)
            by = {"by": "resolved" if "resolved" in file.path else "config"} if what == "model" else {}
            yield Guess(what, line, {**by, "at": jsonpath(*names)})
    if history:
        return
    counted = re.compile(COUNTED)
    numbers = (names for names, value in _leaves(part.data, ()) if _is_number(value) and names)
    first = next((names for names in numbers if not counted.fullmatch(str(names[-1]))), None)
    if first is not None and TELLS.search(file.path.rpartition("/")[2]):
        yield Guess("metric", part.line_of(pointer(*first)) or 1, _metrics("$..*", []))
    elif measured:
        at = [jsonpath(*names) for names, _ in measured]
        if len(at) > PATHS and len(tops := {names[0] for names, _ in measured}) == 1:
            at = [f"{jsonpath(*tops)}..*"]
        at = at[:PATHS]
        yield Guess("metric", measured[0][1], {**_metrics("", []), "at": at})


def _of_history(part: Part) -> Iterator[Guess]:
    """Of lists of rows with a step and numbers: how each went on."""
    for name, rows in part.data.items() if isinstance(part.data, dict) else ():
        first = rows[0] if isinstance(rows, list) and rows else None
        if isinstance(first, dict) and (step := [jsonpath(one) for one in STEPS if one in first]):
            line = part.line_of(pointer(name, 0)) or 1
            yield Guess("metric", line, {"by": "history", "each": f"{jsonpath(name)}[*]", **_metrics("$.*", step)})


def _metrics(at: str, step: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"at": at, "key": {"join": "/"}, "number": True, "but": COUNTED}
    return {**fields, "step": step} if step else fields


def _is(what: str, value: Any) -> bool:
    if what == "seed":
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        return False
    return bool(COMMIT.fullmatch(value)) if what == "commit" else True


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*", value, re.ASCII))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(data: Any, names: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(names on the way, value) of the first values of a document that hold no others."""
    stack, seen = [(names, data)], 0
    while stack and seen < LEAVES:
        at, value = stack.pop()
        if isinstance(value, dict | list):
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            stack += reversed([((*at, name), one) for name, one in inner])
        else:
            seen += 1
            yield at, value


def jsonpath(*names: str | int) -> str:
    """The JSONPath (RFC 9535) of a value."""
    return "$" + "".join(
        f"[{name}]"
        if isinstance(name, int)
        else f".{name}"
        if re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)
        else f"[{json.dumps(name)}]"
        for name in names
    )


def media(file: Found) -> tuple[str | None, ReadError | None]:
    """How a file is to be read, by what it holds; None for one that is no text. And why it is not read as its name says."""
    suffix = file.path.rpartition("/")[2].rpartition(".")[2].lower()
    named = {"json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "yaml": "yaml", "yml": "yaml", "csv": "csv"}.get(
        suffix
    )
    if named:
        try:
            for _ in file.parts(named):
                pass
            return named, None
        except ReadError as error:
            return _text(file, error)
    kind, wrong = _text(file, None)
    return ("yaml" if kind and suffix not in PROSE and _is_mapping(file) else kind), wrong


def _text(file: Found, wrong: ReadError | None) -> tuple[str | None, ReadError | None]:
    try:
        for number, _ in file.lines():
            if number == LINES:
                break
    except ReadError as error:
        return None, error
    return "text", wrong


def _is_mapping(file: Found) -> bool:
    """Whether a file without a telling name is YAML: names and values."""
    try:
        part = next(file.parts("yaml"))
    except ReadError:
        return False
    return isinstance(part.data, dict) and all(re.fullmatch(r"[\w.-]+", str(key)) for key in part.data)
