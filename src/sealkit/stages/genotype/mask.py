"""Draws the mask of all windows: once, or again for each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from sealkit import mask
from sealkit.finding import UsageError
from sealkit.stage import Context, Input, Out, Params, Stage


class Masking(Params):
    """The rule of a mask; `seed` null is the run's. `schedule` gives the seed of a draw: `seed + epoch*10000 + window`."""

    kind: Literal["none", "fixed", "dynamic"] = "fixed"
    rate: float | None = Field(default=0.5, ge=0, le=1)
    seed: int | None = Field(default=None, ge=0)
    schedule: str | None = None

    @model_validator(mode="after")
    def _is_a_rule(self) -> Masking:
        """Held where it is declared, so that what is no rule is told before it is held against another."""
        try:
            self.rule(0)
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.fix}") from None
        return self

    def rule(self, seed: int) -> mask.Rule:
        """Raises UsageError where the fields contradict each other."""
        return mask.declared(self.model_dump(include=set(Masking.model_fields)), seed)


class Mask(Masking):
    """`epochs`: for how many epochs, from 1, a dynamic mask is drawn beforehand."""

    epochs: int = Field(default=1, ge=1)


def run(inputs: Mapping[str, Input], params: Mask, out: Out, ctx: Context) -> None:
    lengths = [row["length"] for row in inputs["windows"].rows()]
    document: dict[str, Any] = mask.document(params.rule(ctx.seed), lengths, range(1, params.epochs + 1))
    out.document("mask", document)
    ctx.counters |= {"windows": len(lengths), "hidden": sum(row["hidden"] for row in document["windows"])}


STAGE = Stage(
    title="Draw the mask", params=Mask, inputs={"windows": "windows/v1"}, outputs={"mask": "mask/v1"}, run=run
)
