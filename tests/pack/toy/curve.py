"""Stands for a training of which nothing is left but the curve of one metric."""

from __future__ import annotations

from collections.abc import Mapping

from sealkit.stage import Context, Input, Out, Params, Stage


class Curve(Params):
    key: str
    values: list[float]


def run(inputs: Mapping[str, Input], params: Curve, out: Out, ctx: Context) -> None:
    rows = ({"step": i, "epoch": float(i), "key": params.key, "value": v} for i, v in enumerate(params.values, 1))
    out.rows("metric_history", rows)


STAGE = Stage(
    title="Draw a curve",
    params=Curve,
    inputs={},
    outputs={"metric_history": "metric_history/v1"},
    run=run,
)
