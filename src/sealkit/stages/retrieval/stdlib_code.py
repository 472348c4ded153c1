"""A real retrieval data set out of the running Python's own standard library.

The query is the first sentence of a public function's docstring, of four words or more; its document is the function's
source without the docstring, of three lines or more. Sources are parsed, never imported. Each Python version gives its own data set: its name begins every id.
"""

from __future__ import annotations

import ast
import platform
import random
import re
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from sealkit.finding import UsageError
from sealkit.stage import Context, Input, Out, Params, Stage

_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3", "turtledemo"}
SPLITS = ("train", "dev", "test")
MIN_WORDS, MIN_LINES = 4, 3


class StdlibCode(Params):
    """`dev` and `test` are the shares of the pairs, taken by whole modules."""

    max_documents: int | None = Field(default=None, ge=3)
    dev: float = Field(default=0.15, gt=0, lt=1)
    test: float = Field(default=0.3, gt=0, lt=1)


class Pair(NamedTuple):
    module: str
    name: str
    query: str
    document: str


def run(inputs: Mapping[str, Input], params: StdlibCode, out: Out, ctx: Context) -> None:
    dataset = f"stdlib-{platform.python_version()}"
    pairs = list(_distinct(_pairs(Path(sysconfig.get_paths()["stdlib"]))))
    if not pairs:
        raise UsageError(
            "this Python's standard library has no sources to read", "use a Python that ships its .py files"
        )
    splits = _split(pairs, params, ctx.seed)
    for split in SPLITS:
        chosen = splits[split]
        if params.max_documents is not None:
            chosen = chosen[: max(1, params.max_documents * len(chosen) // len(pairs))]
        if ctx.limit is not None:
            chosen = chosen[: ctx.limit]
        if not chosen:
            raise UsageError(f"the {split} split is empty", "give it a larger share, or raise max_documents")
        ids = [f"{dataset}/{pair.module}::{pair.name}" for pair in chosen]
        both = list(zip(ids, chosen, strict=True))
        ctx.counters[f"{split}_pairs"] = out.rows(
            f"{split}_corpus", ({"doc_id": i, "text": p.document} for i, p in both)
        )
        out.rows(f"{split}_queries", ({"query_id": i, "text": p.query} for i, p in both))
        out.rows(f"{split}_qrels", ({"query_id": i, "doc_id": i, "relevance": 1} for i, p in both))
    ctx.facts |= {
        "dataset": dataset,
        "licence": "PSF-2.0",
        "python": platform.python_version(),
        "pairs_found": len(pairs),
    }


def _pairs(root: Path) -> Iterator[Pair]:
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root)
        if _LEFT_OUT & set(module.parts):
            continue
        try:
            source = path.read_bytes().decode("utf-8")
            tree = ast.parse(source)
        except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # the library ships files that are broken on purpose
        # Only these end a line for the parser; str.splitlines knows form feeds and others too.
        yield from _functions(tree, re.split(r"\r\n|\r|\n", source), module.as_posix(), "")


def _functions(node: ast.AST, lines: list[str], module: str, prefix: str) -> Iterator[Pair]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, lines, module, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{child.name}"
            query, document = _sentence(ast.get_docstring(child) or ""), _body(child, lines)
            private = any(part.startswith("_") for part in name.split("."))
            if query and document and not private:
                yield Pair(module, name, query, document)
            yield from _functions(child, lines, module, f"{name}.")


def _sentence(docstring: str) -> str | None:
    """The first sentence, if it is one: some words, and no doctest."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]
    return sentence if len(sentence.split()) >= MIN_WORDS and ">>>" not in sentence else None


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str | None:
    """The function's source without its docstring; None where too little is left."""
    if len(function.body) < 2:
        return None
    docstring = function.body[0]
    head = lines[function.lineno - 1 : docstring.lineno - 1]
    body = lines[docstring.end_lineno or docstring.lineno : function.end_lineno]
    margin = len(lines[function.lineno - 1]) - len(lines[function.lineno - 1].lstrip())
    text = "\n".join(line[margin:] if not line[:margin].strip() else line.lstrip() for line in head + body).strip()
    return text if len(text.splitlines()) >= MIN_LINES else None


def _distinct(pairs: Iterator[Pair]) -> Iterator[Pair]:
    """Pairs whose query and whose document nobody had before, so that no split can hold the text of another."""
    queries: set[str] = set()
    documents: set[str] = set()
    names: set[tuple[str, str]] = set()
    for pair in pairs:
        query, document = " ".join(pair.query.lower().split()), " ".join(pair.document.lower().split())
        if query in queries or document in documents or (pair.module, pair.name) in names:
            continue
        queries.add(query)
        documents.add(document)
        names.add((pair.module, pair.name))
        yield pair


def _split(pairs: list[Pair], params: StdlibCode, seed: int) -> dict[str, list[Pair]]:
    """Whole modules to splits, in a seeded order, until each has its share."""
    by_module: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_module.setdefault(pair.module, []).append(pair)
    modules = sorted(by_module)
    random.Random(seed).shuffle(modules)
    wanted = {"test": params.test * len(pairs), "dev": params.dev * len(pairs)}
    found: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for module in modules:
        split = next((s for s in ("test", "dev") if len(found[s]) + len(by_module[module]) / 2 < wanted[s]), "train")
        found[split] += by_module[module]
    for split in SPLITS:
        random.Random(f"{seed}/{split}").shuffle(found[split])
    return found


STAGE = Stage(
    title="Queries and documents out of the standard library",
    params=StdlibCode,
    inputs={},
    outputs={f"{split}_{kind}": f"{kind}/v1" for split in SPLITS for kind in ("corpus", "queries", "qrels")},
    run=run,
)
