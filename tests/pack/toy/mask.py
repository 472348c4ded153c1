"""Draws a mask for one window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealkit import mask
from sealkit.stage import Context, Input, Out, Params, Stage


class Mask(Params):
    kind: str = "fixed"
    rate: float = 0.25
    seed: int | None = None
    schedule: str | None = None
    length: int = 4

    def declared(self) -> dict[str, Any]:
        return self.model_dump(exclude={"length"})


def run(inputs: Mapping[str, Input], params: Mask, out: Out, ctx: Context) -> None:
    out.document("mask", mask.document(mask.declared(params.declared(), ctx.seed), [params.length]))


STAGE = Stage(title="Draw a mask", params=Mask, inputs={}, outputs={"mask": "mask/v1"}, run=run)
