"""Reads a retrieval collection in BEIR's layout: `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`, each plain or `.gz`.

Layout: https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset. All splits share one corpus. Documents without text
are kept, as BEIR keeps them. A judgment of a document that is not there stays, as for trec_eval: the document counts as never found.
A judgment of a query that is not there is left out, since nobody can ask it. All three are counted and said.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from sealkit.finding import Finding, Location, ReadError, Refused, Severity, UsageError
from sealkit.read import gz, json
from sealkit.stage import FILES, Context, Input, Out, Params, Stage

HEADER = ["query-id", "corpus-id", "score"]
KINDS = ("corpus", "queries", "qrels")
Grades = dict[str, dict[str, int]]


class Beir(Params):
    """`test`, `train` and `dev` name files below qrels/. Without `train` nothing but the test split is written. Without `dev`,
    `dev_share` of the training queries, drawn by the seed, are set aside for development. `licence` is put on record.
    """

    test: str = Field(default="test", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    train: str | None = Field(default="train", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    dev: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    dev_share: float = Field(default=0.2, gt=0, lt=1)
    licence: str | None = None


def gives(params: Beir) -> set[str]:
    splits = ("train", "dev", "test") if params.train else ("test",)
    return {f"{split}_{kind}" for split in splits for kind in KINDS}


def run(inputs: Mapping[str, Input], params: Beir, out: Out, ctx: Context) -> None:
    folder = inputs["data"].path
    if not folder.is_dir():
        raise UsageError(f"data {folder}: is no folder", "name the folder that holds corpus.jsonl")
    documents = _texts(_one(folder, "corpus.jsonl"), titled=True)
    queries = _texts(_one(folder, "queries.jsonl"), titled=False)
    splits = _splits(folder, params, queries, ctx)
    _refuse_shared_queries(splits)
    absent = {doc for qrels in splits.values() for grades in qrels.values() for doc in grades if doc not in documents}
    if ctx.limit is not None:
        splits = {split: dict(list(qrels.items())[: ctx.limit]) for split, qrels in splits.items()}
        documents = _limited(documents, splits, ctx.limit)
    for split, qrels in splits.items():
        out.rows(f"{split}_corpus", ({"doc_id": i, **row} for i, row in documents.items()))
        out.rows(f"{split}_queries", ({"query_id": i, "text": queries[i]["text"]} for i in qrels))
        judged = out.rows(
            f"{split}_qrels",
            (
                {"query_id": i, "doc_id": doc, "relevance": g}
                for i, grades in qrels.items()
                for doc, g in grades.items()
            ),
        )
        ctx.counters |= {f"{split}_queries": len(qrels), f"{split}_judgments": judged}
    empty = sum(not row["text"].strip() for row in documents.values())
    ctx.counters |= {"documents": len(documents), "empty_documents": empty, "absent_judged_documents": len(absent)}
    ctx.facts |= {"dataset": inputs["data"].name, "data_digest": inputs["data"].digest, "licence": params.licence}
    ctx.facts["absent_documents"] = sorted(absent)[:5]
    if empty:
        ctx.say(f"{empty} documents have no text; they are kept")
    if absent:
        ctx.say(f"{len(absent)} judged documents are not in the corpus, as {min(absent)}; they count as never found")


def _one(folder: Path, name: str) -> Path:
    """The file of that name, plain or gzipped. Raises UsageError for none, and for both."""
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    if len(found) == 2:
        raise UsageError(f"{folder}: holds both {name} and {name}.gz", "remove the one that is out of date")
    if not found:
        known = ", ".join(sorted(path.name for path in (folder / name).parent.glob("*"))[:10]) or "nothing"
        raise UsageError(f"{folder / name}: is not there, nor with .gz", f"there is {known}")
    return found[0]


def _texts(path: Path, *, titled: bool) -> dict[str, dict[str, str]]:
    """id → text (and title), in the order of the file. Raises ReadError and Refused at the line that is wrong."""
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for number, line in gz.lines(path):
        if not line.strip():
            continue
        row, at = json.parse(line, str(path), number), Location(str(path), line=number)
        name = row.get("_id") if isinstance(row, dict) else None
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name or not isinstance(row.get("text"), str):
            raise ReadError(f"expected an object with _id and text, found {line[:60]!r}", at, "see BEIR's layout")
        if name in found:
            also = (Location(str(path), line=lines[name]),)
            raise Refused([Finding(f"_id {name} occurs a second time", at, Severity.ERROR, also, "remove one of them")])
        title = row.get("title")
        found[name] = {"title": title} if titled and isinstance(title, str) and title else {}
        found[name]["text"] = row["text"]
        lines[name] = number
    if not found:
        raise ReadError("holds no rows", Location(str(path)), "check the path")
    return found


def _splits(folder: Path, params: Beir, queries: Mapping[str, Any], ctx: Context) -> dict[str, Grades]:
    """split → query_id → doc_id → grade, of the queries that are there."""
    named = {"test": params.test}
    if params.train:
        named |= {"train": params.train} | ({"dev": params.dev} if params.dev else {})
    found: dict[str, Grades] = {}
    for split, name in named.items():
        path = _one(folder, f"qrels/{name}.tsv")
        qrels = _qrels(path)
        unknown = [query for query in qrels if query not in queries]
        found[split] = {query: grades for query, grades in qrels.items() if query in queries}
        ctx.counters[f"{split}_absent_queries"] = len(unknown)
        if unknown:
            ctx.facts[f"{split}_absent_queries"] = unknown[:5]
            ctx.say(f"{path.name}: {len(unknown)} judged queries are not among the queries, as {unknown[0]}; left out")
        if not found[split]:
            raise UsageError(f"{path}: judges none of the queries", "check that the files belong together")
    if params.train and not params.dev:
        drawn = sorted(found["train"])
        random.Random(ctx.seed).shuffle(drawn)
        held = set(drawn[: max(1, round(params.dev_share * len(drawn)))])
        train = found["train"]
        if len(held) == len(train):
            raise UsageError("the train split has no query left beside dev", "name a dev split, or lower dev_share")
        found["dev"] = {query: grades for query, grades in train.items() if query in held}
        found["train"] = {query: grades for query, grades in train.items() if query not in held}
    return found


def _qrels(path: Path) -> Grades:
    """query_id → doc_id → grade of a file with or without a header. Raises ReadError and Refused at the line that is wrong."""
    found: Grades = {}
    for number, parts, at in _cells(path):
        if number == 1 and parts == HEADER:
            continue
        grade = _grade(parts[2]) if len(parts) == 3 else None
        if grade is None or not parts[0] or not parts[1]:
            message = f"expected query-id, corpus-id and a whole number between tabs, found {' '.join(parts)[:60]!r}"
            raise ReadError(message, at, "see BEIR's layout")
        if parts[1] in found.setdefault(parts[0], {}):
            message = f"query {parts[0]} and document {parts[1]} are judged a second time"
            raise Refused([Finding(message, at, Severity.ERROR, fix="keep one of the two judgments")])
        found[parts[0]][parts[1]] = grade
    return found


def _cells(path: Path) -> Iterator[tuple[int, list[str], Location]]:
    for number, line in gz.lines(path):
        if line.strip():
            yield number, [part.strip() for part in line.split("\t")], Location(str(path), line=number)


def _grade(text: str) -> int | None:
    try:
        value = float(text)
        return int(value) if value.is_integer() else None
    except (ValueError, OverflowError):
        return None


def _refuse_shared_queries(splits: Mapping[str, Grades]) -> None:
    for one, other in (("train", "test"), ("dev", "test"), ("train", "dev")):
        if shared := sorted(splits.get(one, {}).keys() & splits.get(other, {}).keys()):
            message = f"the splits {one} and {other} share {len(shared)} queries, as {shared[0]}"
            raise UsageError(message, "name splits that share none")


def _limited(documents: dict[str, Any], splits: Mapping[str, Grades], limit: int) -> dict[str, Any]:
    """The first documents, and whatever the queries that are left were judged on."""
    judged = {doc for qrels in splits.values() for grades in qrels.values() for doc in grades}
    return {doc: row for i, (doc, row) in enumerate(documents.items()) if i < limit or doc in judged}


STAGE = Stage(
    title="Read a collection in BEIR's layout",
    params=Beir,
    inputs={"data": FILES},
    outputs={f"{split}_{kind}": f"{kind}/v1" for split in ("train", "dev", "test") for kind in KINDS},
    run=run,
    gives=gives,
)
