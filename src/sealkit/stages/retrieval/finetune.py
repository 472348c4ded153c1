"""Fine-tunes a sentence encoder with in-batch and mined negatives; development queries choose the best step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from sealkit.finding import Finding, Location, Refused, Severity, UsageError
from sealkit.stage import Context, Input, Out, Stage
from sealkit.stages.common import encoder, ranking, scores
from sealkit.stages.common.encoder import Encoder, Encoding
from sealkit.stages.common.scores import Measure
from sealkit.stages.retrieval import _training
from sealkit.stages.retrieval._training import Training

Columns = dict[str, list[str]]


class Finetune(Training, Encoding):
    """`dev_documents` bounds the development documents of each of the `evaluations`, spread evenly over the steps."""

    max_pairs: int | None = Field(default=None, ge=2)
    dev_documents: int = Field(default=400, ge=2)
    select_by: Measure = "nDCG@10"


def needs(params: Finetune) -> set[str]:
    return {"negatives"} if params.hard_negatives else set()


def run(inputs: Mapping[str, Input], params: Finetune, out: Out, ctx: Context) -> None:
    model = encoder.load(inputs["base"], ctx, params)
    columns, negatives = _columns(inputs, params)
    key = f"retrieval/dev/{params.select_by}"
    progress = _training.resumed(ctx.scratch)
    if progress.checkpoint:
        ctx.say(f"goes on from {progress.checkpoint.name}")
    _training.train(model, columns, _Dev(inputs, params).score, key, params, progress, ctx)
    out.rows("metric_history", progress.history)
    evaluations = [row for row in progress.history if row["key"] == key]
    best = max(evaluations, key=lambda row: (row["value"], -row["step"]))
    selection = {"metric": key, "direction": "higher", "step": best["step"], "value": best["value"]}
    last = evaluations[-1]["step"]
    for row in evaluations:
        shutil.copytree(progress.steps / f"step_{row['step']}", out["model"] / f"step_{row['step']}")
    for role, step in (("best", best["step"]), ("final", last)):
        shutil.copytree(out["model"] / f"step_{step}", out["model"] / role)
    training = {
        "run_id": ctx.run_id,
        "commit": ctx.commit,
        "loss": params.loss,
        "hard_negatives": negatives is not None,
        "temperature": params.effective_temperature,
        "negatives": negatives,
        "purpose": ctx.purpose,
        "seed": ctx.seed,
    }
    for folder in sorted(out["model"].iterdir()):
        role = folder.name.split("_")[0]
        step = int(folder.name[5:]) if role == "step" else selection["step"] if role == "best" else last
        base = {"name": inputs["base"].name, "weights": inputs["base"].digest}
        manifest = {"role": role, "step": step, "exported_to": None, "base": base, "training": training}
        out.manifest(folder, "model_manifest", {**manifest, "selection": selection})
    losses = [row["value"] for row in progress.history if row["key"] == "train/loss"]
    if losses:
        ctx.metrics["train/loss"] = losses[-1]
    ctx.counters |= {"train_pairs": len(columns["anchor"]), "steps": last}
    ctx.facts |= {"best_step": selection["step"], "selected_by": key}


def _columns(inputs: Mapping[str, Input], params: Finetune) -> tuple[Columns, dict[str, Any] | None]:
    """The texts of the training pairs, and what the manifest says of their mined negatives: None where there are none."""
    queries = {row["query_id"]: row["text"] for row in inputs["train_queries"].rows()}
    documents = {row["doc_id"]: encoder.document(row) for row in inputs["train_corpus"].rows()}
    positive = [
        (row["query_id"], row["doc_id"])
        for row in inputs["train_qrels"].rows()
        if row["relevance"] > 0 and row["query_id"] in queries and row["doc_id"] in documents
    ]
    triples = _triples(inputs["negatives"], positive, documents)[: params.max_pairs] if params.hard_negatives else []
    pairs = triples or [(query, doc, []) for query, doc in positive[: params.max_pairs]]
    if len(pairs) < 2:
        raise UsageError(
            f"the training split holds {len(pairs)} usable pairs, in-batch negatives need 2", "check train_qrels"
        )
    per_query = len(pairs[0][2])
    if params.loss == "triplet":  # which takes one negative at a time
        pairs = [(query, doc, [negative]) for query, doc, negatives in pairs for negative in negatives]
    columns = {
        "anchor": [queries[query] for query, _, _ in pairs],
        "positive": [documents[doc] for _, doc, _ in pairs],
        **{f"negative_{i + 1}": [documents[n[i]] for _, _, n in pairs] for i in range(len(pairs[0][2]))},
    }
    if not triples:
        return columns, None
    return columns, {"triples": inputs["negatives"].digest, "per_query": per_query, "pairs": len(triples)}


def _triples(
    source: Input, positive: list[tuple[str, str]], documents: Mapping[str, str]
) -> list[tuple[str, str, list[str]]]:
    """(query, positive, negatives) of every mined pair. Raises Refused where they are not of this training split."""
    known = set(positive)
    relevant: dict[str, set[str]] = {}
    for query, doc in positive:
        relevant.setdefault(query, set()).add(doc)
    found: list[tuple[str, str, list[str]]] = []
    for line, row in enumerate(source.rows(), 1):
        query, doc, negatives = row["query_id"], row["doc_id"], row["negatives"]
        wrong = None
        if (query, doc) not in known:
            wrong = f"query {query} and document {doc} are no pair of the training split"
        elif bad := [name for name in negatives if name not in documents or name in relevant[query]]:
            wrong = f"{bad[0]} is no negative of query {query}: not in the corpus, or judged relevant"
        elif found and len(negatives) != len(found[0][2]):
            wrong = f"holds {len(negatives)} negatives, the rows before hold {len(found[0][2])}"
        if wrong:
            at = Location(str(source.path), line=line)
            raise Refused([Finding(wrong, at, Severity.ERROR, fix="mine the triples again from this training split")])
        found.append((query, doc, negatives))
    return found


class _Dev:
    """The development split: at most `dev_documents` documents, judged ones first, and the queries that they answer."""

    def __init__(self, inputs: Mapping[str, Input], params: Finetune) -> None:
        qrels = list(inputs["dev_qrels"].rows())
        judged = {row["doc_id"] for row in qrels}
        rows = sorted(inputs["dev_corpus"].rows(), key=lambda row: row["doc_id"] not in judged)[: params.dev_documents]
        self.ids = [row["doc_id"] for row in rows]
        self.documents = [encoder.document(row) for row in rows]
        kept = set(self.ids)
        self.qrels: dict[str, dict[str, int]] = {}
        for row in qrels:
            if row["doc_id"] in kept:
                self.qrels.setdefault(row["query_id"], {})[row["doc_id"]] = row["relevance"]
        texts = {row["query_id"]: row["text"] for row in inputs["dev_queries"].rows()}
        self.queries = [(query, texts[query]) for query in self.qrels if query in texts]
        self.measure = params.select_by
        if not self.queries:
            raise UsageError("no development query has a judged document", "check dev_qrels, or raise dev_documents")

    def score(self, model: Encoder) -> float:
        """The mean of the measure over the development queries."""
        vectors = model.encode(self.documents, "document")
        asked = model.encode([text for _, text in self.queries], "query")
        found = ranking.ranked(ranking.exact(asked, vectors), self.ids, 100)
        lines = (
            (query, doc, rank)
            for (query, _), pairs in zip(self.queries, found, strict=True)
            for rank, (doc, _) in enumerate(pairs, 1)
        )
        values = scores.per_query([self.measure], lines, self.qrels)[self.measure]
        return sum(values.values()) / len(values)


STAGE = Stage(
    title="Fine-tune a sentence encoder",
    params=Finetune,
    inputs={
        "base": "model_manifest/v1",
        **{f"{split}_{kind}": f"{kind}/v1" for split in ("train", "dev") for kind in ("corpus", "queries", "qrels")},
        "negatives?": "triples/v1",
    },
    outputs={"model": "model_manifest/v1", "metric_history": "metric_history/v1"},
    run=run,
    libraries=("sentence-transformers", "transformers", "torch", "tokenizers", "accelerate", "datasets", "ir-measures"),
    needs=needs,
    metrics=lambda params: ["train/loss"],
)
