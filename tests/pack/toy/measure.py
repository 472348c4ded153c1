"""Measures rankings with sealkit's own measures."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from sealkit import measures
from sealkit.stage import Context, Input, Out, Params, Stage


class Measure(Params):
    subset: str = "test"
    measures: list[str] = Field(default=["nDCG@10", "RR@10", "R@100"])


def run(inputs: Mapping[str, Input], params: Measure, out: Out, ctx: Context) -> None:
    qrels = measures.judgments(inputs["qrels"].rows())
    values = measures.per_query(params.measures, measures.by_query(inputs["rankings"].rows()), qrels)
    out.rows(
        "per_query_metrics",
        (
            {"query_id": query, "measure": name, "value": value}
            for name, found in values.items()
            for query, value in found.items()
        ),
    )
    ctx.metrics |= {f"retrieval/{params.subset}/{name}": measures.mean(found) for name, found in values.items()}


STAGE = Stage(
    title="Measure",
    params=Measure,
    inputs={"rankings": "rankings/v1", "qrels": "qrels/v1"},
    outputs={"per_query_metrics": "per_query_metrics/v1"},
    run=run,
)
