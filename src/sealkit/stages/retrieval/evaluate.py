"""Measures rankings against relevance judgments with ir-measures, per query and in the mean."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import Field

from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stages.common import scores
from sealkit.stages.common.scores import Measures


class Evaluate(Params):
    """`subset` names the query set in the metric keys; `measures` are names like nDCG@10."""

    subset: str = Field(default="test", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    measures: Measures = Field(default=["nDCG@10", "RR@10", "R@10", "R@100"])


def metrics(params: Evaluate) -> list[str]:
    return [f"retrieval/{params.subset}/{measure}" for measure in params.measures]


def run(inputs: Mapping[str, Input], params: Evaluate, out: Out, ctx: Context) -> None:
    qrels: dict[str, dict[str, int]] = {}
    for row in inputs["qrels"].rows():
        qrels.setdefault(row["query_id"], {})[row["doc_id"]] = row["relevance"]
    rankings = ((row["query_id"], row["doc_id"], row["rank"]) for row in inputs["rankings"].rows())
    values = scores.per_query(params.measures, rankings, qrels)
    out.rows(
        "per_query_metrics",
        (
            {"query_id": query, "measure": measure, "value": values[measure][query]}
            for query in qrels
            for measure in params.measures
        ),
    )
    for measure, key in zip(params.measures, metrics(params), strict=True):
        ctx.metrics[key] = math.fsum(values[measure].values()) / len(qrels)
    ctx.counters["judged_queries"] = len(qrels)


STAGE = Stage(
    title="Evaluate",
    params=Evaluate,
    inputs={"rankings": "rankings/v1", "qrels": "qrels/v1"},
    outputs={"per_query_metrics": "per_query_metrics/v1"},
    run=run,
    libraries=("ir-measures", "pytrec-eval-terrier"),
    metrics=metrics,
)
