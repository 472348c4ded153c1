"""Mines hard negatives: for each training pair, the documents that score next below the positive and were never judged relevant.

A negative scores at most positive - margin · |positive|: whatever comes closer is likely an answer that nobody judged (the
`TopK-PercPos` of Moreira et al. 2024, NV-Retriever, arXiv 2407.15831). A pair for which too few are left is lost, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sealkit.finding import Finding, Location, Refused, Severity, UsageError
from sealkit.stage import Context, Input, Out, Stage
from sealkit.stages.common import encoder
from sealkit.stages.common.bm25 import Bm25, Lexical
from sealkit.stages.common.encoder import Encoding

Scores = NDArray[np.float32]


class Mine(Encoding):
    """`by`: BM25, or the model that will be trained. `max_lost`: the share of pairs that may be lost; beyond it the stage refuses."""

    by: Literal["bm25", "model"] = "bm25"
    per_query: int = Field(default=1, ge=1)
    margin: float = Field(default=0.05, ge=0, lt=1)
    max_lost: float = Field(default=0.5, ge=0, le=1)
    bm25: Bm25 = Bm25()


def needs(params: Mine) -> set[str]:
    return {"model"} if params.by == "model" else set()


def run(inputs: Mapping[str, Input], params: Mine, out: Out, ctx: Context) -> None:
    documents = {row["doc_id"]: encoder.document(row) for row in inputs["train_corpus"].rows()}
    queries = {row["query_id"]: row["text"] for row in inputs["train_queries"].rows()}
    judged = _judged(inputs, queries)
    scores = _scorer(inputs, params, [queries[query] for query in judged], list(documents.values()), ctx)
    pairs = lost = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal pairs, lost
        miner = _Miner(documents, params)
        for done, (query, positives) in enumerate(judged.items()):
            for doc, negatives in miner.mined(scores(done), positives):
                pairs += 1
                lost += negatives is None
                if negatives is not None:
                    yield {"query_id": query, "doc_id": doc, "negatives": negatives}
            ctx.progress("mining", done + 1, len(judged))

    kept = out.rows("triples", rows())
    ctx.counters |= {"pairs": pairs, "pairs_kept": kept, "pairs_lost": lost}
    if not pairs:
        raise UsageError("the training split holds no usable pair", "check train_qrels")
    if lost > params.max_lost * pairs or not kept:
        message = f"{lost} of {pairs} pairs have no {params.per_query} negatives below their positive; max_lost is {params.max_lost}"
        fix = "mine fewer for a pair (per_query), with a smaller margin, or raise max_lost"
        at = Location(str(out["triples"]))
        raise Refused([Finding(message, at, Severity.ERROR, fix=fix)])
    if lost:
        ctx.say(f"{lost} of {pairs} training pairs are lost: too few negatives score below their positive")


def _judged(inputs: Mapping[str, Input], queries: Mapping[str, str]) -> dict[str, list[str]]:
    """query_id → every document that was judged relevant for it."""
    found: dict[str, list[str]] = {}
    for row in inputs["train_qrels"].rows():
        if row["relevance"] > 0 and row["query_id"] in queries:
            found.setdefault(row["query_id"], []).append(row["doc_id"])
    return found


def _scorer(
    inputs: Mapping[str, Input], params: Mine, queries: list[str], documents: list[str], ctx: Context
) -> Callable[[int], Scores]:
    """Number of a query → the scores of all documents, of shape (documents,)."""
    if params.by == "bm25":
        index = Lexical(documents, params.bm25)
        return lambda i: index.scores(queries[i])
    model = encoder.load(inputs["model"], ctx, params)
    vectors = model.encode(documents, "document", lambda done: ctx.progress("encoding documents", done, len(documents)))
    asked = model.encode(queries, "query")
    return lambda i: vectors @ asked[i]


class _Miner:
    """Picks negatives among the documents of one corpus."""

    def __init__(self, documents: Mapping[str, str], params: Mine) -> None:
        self._ids = list(documents)
        self._places = np.argsort(np.argsort(np.array(self._ids)))
        self._rows = {doc: row for row, doc in enumerate(self._ids)}
        # The same text under another id is the same answer.
        self._texts = [" ".join(text.casefold().split()) for text in documents.values()]
        self._params = params

    def mined(self, scores: Scores, positives: list[str]) -> Iterator[tuple[str, list[str] | None]]:
        """For each positive that is in the corpus: its negatives, hardest first, or None where there are too few."""
        present = [doc for doc in positives if doc in self._rows]
        forbidden = {self._texts[self._rows[doc]] for doc in present} | {""}
        order = np.lexsort((-self._places, -scores))  # the tie rule: score falling, then doc_id falling
        if self._params.by == "bm25":
            order = order[scores[order] > 0]  # a document without a word of the query is no hard negative
        for doc in present:
            positive = float(scores[self._rows[doc]])
            most = positive - self._params.margin * abs(positive)
            allowed = (row for row in order if scores[row] <= most and self._texts[row] not in forbidden)
            found = [self._ids[row] for row, _ in zip(allowed, range(self._params.per_query), strict=False)]
            yield doc, found if len(found) == self._params.per_query else None


STAGE = Stage(
    title="Mine hard negatives",
    params=Mine,
    inputs={
        "train_corpus": "corpus/v1",
        "train_queries": "queries/v1",
        "train_qrels": "qrels/v1",
        "model?": "model_manifest/v1",
    },
    outputs={"triples": "triples/v1"},
    run=run,
    libraries=("sentence-transformers", "transformers", "torch", "tokenizers", "bm25s", "PyStemmer"),
    needs=needs,
)
