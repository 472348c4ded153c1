"""Searches with the queries: a dense index (one from another space is refused), by BM25, or by both together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from sealkit.finding import Finding, Location, Refused, Severity, pointer
from sealkit.index import open_index
from sealkit.stage import Context, Input, Out, Stage
from sealkit.stages.common import encoder, ranking
from sealkit.stages.common.bm25 import Bm25, Lexical
from sealkit.stages.common.encoder import Space
from sealkit.stages.common.ranking import Ranking

ALPHA = 0.5
DEPTH = 1000  # results of each side that a hybrid search puts together, at least

Queries = list[dict[str, Any]]


class Search(Space):
    """`alpha` is the dense side's share of a hybrid score (0.5 where it says nothing), and of no other mode's."""

    mode: Literal["dense", "bm25", "hybrid"] = "dense"
    top_k: int = Field(default=100, ge=1)
    alpha: float | None = Field(default=None, ge=0, le=1)
    bm25: Bm25 = Bm25()

    @model_validator(mode="after")
    def _alpha_counts(self) -> Search:
        if self.alpha is not None and self.mode != "hybrid":
            raise ValueError(f"alpha counts in the mode hybrid alone, and the mode is {self.mode}")
        return self


def needs(params: Search) -> set[str]:
    return {"dense": {"index", "model"}, "bm25": {"corpus"}, "hybrid": {"index", "model", "corpus"}}[params.mode]


def run(inputs: Mapping[str, Input], params: Search, out: Out, ctx: Context) -> None:
    queries = list(inputs["queries"].rows())
    manifest: dict[str, Any] = {
        "schema": "search_manifest/v2",
        "queries": {"digest": inputs["queries"].digest, "count": len(queries)},
        "top_k": params.top_k,
        "mode": params.mode,
    }
    depth = max(DEPTH, params.top_k) if params.mode == "hybrid" else params.top_k
    sides: list[list[Ranking]] = []
    if params.mode != "bm25":
        found, said = _dense(inputs, queries, params, depth, ctx)
        sides.append(found)
        manifest |= said
    if params.mode != "dense":
        sides.append(_lexical(inputs, queries, params, depth, ctx))
        manifest["bm25"] = {**params.bm25.document(), "corpus": inputs["corpus"].digest}
    rankings = sides[0]
    if params.mode == "hybrid":
        alpha = ALPHA if params.alpha is None else params.alpha
        manifest |= {"alpha": alpha, "depth": depth}
        both = zip(sides[0], sides[1], strict=True)
        rankings = [ranking.fused(dense, lexical, alpha, params.top_k) for dense, lexical in both]
    out.rows(
        "rankings",
        (
            {"query_id": query["query_id"], "doc_id": doc, "rank": rank, "score": score}
            for query, pairs in zip(queries, rankings, strict=True)
            for rank, (doc, score) in enumerate(pairs, 1)
        ),
    )
    out.document("search_manifest", manifest)
    ctx.counters["queries"] = len(queries)


def _dense(
    inputs: Mapping[str, Input], queries: Queries, params: Search, depth: int, ctx: Context
) -> tuple[list[Ranking], dict[str, Any]]:
    """The first `depth` documents of each query by the index, and what the search's manifest says of it."""
    model = encoder.load(inputs["model"], ctx, params)
    index = open_index(inputs["index"].path, model.described())
    if "corpus" in inputs:
        _refuse_other_corpus(inputs, index.manifest)
    vectors = model.encode(
        [row["text"] for row in queries],
        "query",
        lambda done: ctx.progress("encoding queries", done, len(queries)),
    )

    def search(k: int) -> tuple[ranking.Scores, ranking.Rows]:
        hits = index.search(vectors, k, partial=True)
        return hits.scores, hits.rows

    ids: list[str] = [] if index.ids is None else index.ids.tolist()
    found = list(ranking.ranked(search, ids, depth)) if len(vectors) else []
    short = sum(len(pairs) < min(depth, len(ids)) for pairs in found)
    ctx.counters["queries_not_filled"] = short
    if short:
        ctx.say(f"{short} queries have fewer results than there are documents for: the index is not exact")
    said = {name: index.manifest[name] for name in ("digest", "identity", "witness")}
    if "files" in index.manifest:
        said["files"] = index.manifest["files"]["digest"]
    return found, {
        "index": said,
        "fingerprint": {**index.space, "search": {**index.space["search"], "ties": ranking.TIES}},
        **({"probe": index.replay.document()} if index.replay else {}),
    }


def _refuse_other_corpus(inputs: Mapping[str, Input], manifest: Mapping[str, Any]) -> None:
    indexed, searched = manifest["fingerprint"]["corpus"]["digest"], inputs["corpus"].digest
    if indexed != searched:
        at = Location(
            str(inputs["index"].path / "index_manifest.json"), pointer=pointer("fingerprint", "corpus", "digest")
        )
        message = f"the index holds the corpus {indexed}, BM25 is to search {searched}"
        raise Refused([Finding(message, at, Severity.ERROR, fix="wire the corpus that was indexed")])


def _lexical(inputs: Mapping[str, Input], queries: Queries, params: Search, depth: int, ctx: Context) -> list[Ranking]:
    """The first `depth` documents of each query by BM25; those that hold none of its words score 0, and come last."""
    ids, texts = [], []
    for row in inputs["corpus"].rows():
        ids.append(row["doc_id"])
        texts.append(encoder.document(row))
    index = Lexical(texts, params.bm25)
    found = []
    for done, query in enumerate(queries, 1):
        found.append(ranking.best(index.scores(query["text"]), ids, depth))
        if done % 100 == 0 or done == len(queries):
            ctx.progress("searching by BM25", done, len(queries))
    return found


STAGE = Stage(
    title="Search",
    params=Search,
    inputs={
        "queries": "queries/v1",
        "corpus?": "corpus/v1",
        "index?": "index_manifest/v2",
        "model?": "model_manifest/v1",
    },
    outputs={"rankings": "rankings/v1", "search_manifest": "search_manifest/v2"},
    run=run,
    libraries=("sentence-transformers", "transformers", "torch", "tokenizers", "faiss-cpu", "bm25s", "PyStemmer"),
    needs=needs,
)
