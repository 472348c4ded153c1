"""A retrieval run of any size, without a model: seeded rankings over made-up documents."""

from __future__ import annotations

import random
from collections.abc import Mapping

from sealkit.stage import Context, Input, Out, Params, Stage


class Rows(Params):
    queries: int = 1000
    top_k: int = 100


def run(inputs: Mapping[str, Input], params: Rows, out: Out, ctx: Context) -> None:
    generator = random.Random(ctx.seed)
    documents = [f"doc-{i:07d}" for i in range(max(params.queries, 2 * params.top_k))]
    out.rows("corpus", ({"doc_id": doc, "text": f"text of {doc}"} for doc in documents))
    out.rows("queries", ({"query_id": f"q-{i:06d}", "text": f"query {i}"} for i in range(params.queries)))
    out.rows(
        "qrels", ({"query_id": f"q-{i:06d}", "doc_id": documents[i], "relevance": 1} for i in range(params.queries))
    )
    rankings = []
    for i in range(params.queries):
        found = sorted((generator.random(), doc) for doc in generator.sample(documents, params.top_k))[::-1]
        rankings += [
            {"query_id": f"q-{i:06d}", "doc_id": doc, "rank": rank, "score": score}
            for rank, (score, doc) in enumerate(found, 1)
        ]
    out.rows("rankings", rankings)


STAGE = Stage(
    title="Make rankings up",
    params=Rows,
    inputs={},
    outputs={"corpus": "corpus/v1", "queries": "queries/v1", "qrels": "qrels/v1", "rankings": "rankings/v1"},
    run=run,
)
