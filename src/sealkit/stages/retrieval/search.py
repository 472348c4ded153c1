"""Searches an index with the queries; refuses an index from another space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from sealkit.index import open_index
from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stages.common import encoder, ranking


class Search(Params):
    mode: Literal["dense"] = "dense"
    top_k: int = Field(default=100, ge=1)
    max_seq_length: int | None = Field(default=None, ge=4)


def run(inputs: Mapping[str, Input], params: Search, out: Out, ctx: Context) -> None:
    model = encoder.load(inputs["model"], ctx, params.max_seq_length)
    space = model.space()
    index = open_index(inputs["index"].path, space)
    rows = list(inputs["queries"].rows())
    queries = [row["query_id"] for row in rows]
    vectors = model.encode(
        [row["text"] for row in rows],
        model.prompt("query"),
        lambda done: ctx.progress("encoding queries", done, len(rows)),
    )
    found = ranking.ranked(lambda k: index.vectors.search(vectors, k), index.ids, params.top_k)
    out.rows(
        "rankings",
        (
            {"query_id": query, "doc_id": doc, "rank": rank, "score": score}
            for query, pairs in zip(queries, found, strict=True)
            for rank, (doc, score) in enumerate(pairs, 1)
        ),
    )
    out.document(
        "search_manifest",
        {
            "schema": "search_manifest/v1",
            "index": {"digest": index.manifest["digest"], "identity": index.manifest["identity"]},
            "queries": {"digest": inputs["queries"].digest, "count": len(queries)},
            "top_k": params.top_k,
            "fingerprint": space,
        },
    )
    ctx.counters["queries"] = len(queries)


STAGE = Stage(
    title="Search",
    params=Search,
    inputs={"queries": "queries/v1", "index": "index_manifest/v1", "model": "model_manifest/v1"},
    outputs={"rankings": "rankings/v1", "search_manifest": "search_manifest/v1"},
    run=run,
    libraries=("sentence-transformers", "transformers", "torch", "tokenizers", "faiss-cpu"),
)
