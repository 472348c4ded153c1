"""Cuts the variants of a panel into windows of consecutive ones, never across contigs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

from pydantic import Field, model_validator

from sealkit.stage import Context, Input, Out, Params, Stage


class Windows(Params):
    """`length`: variants of a window; the last of a contig may have fewer. `stride`: from the first variant of a window to that
    of the next; null is the length, and a smaller one lets windows overlap.
    """

    length: int = Field(default=64, ge=1)
    stride: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _every_variant_is_in_a_window(self) -> Self:
        if self.stride is not None and self.stride > self.length:
            raise ValueError(f"stride: {self.stride} leaves variants between windows of length {self.length} out")
        return self


def run(inputs: Mapping[str, Input], params: Windows, out: Out, ctx: Context) -> None:
    count = out.rows("windows", _windows(inputs["variants"], params.length, params.stride or params.length))
    ctx.counters |= {"windows": count}


def _windows(variants: Input, length: int, stride: int) -> Iterator[dict[str, Any]]:
    window = 0
    for contig, rows in groupby(variants.rows(), itemgetter("contig")):
        places = [(row["variant"], row["position"]) for row in rows]
        for cut in _cuts(places, length, stride):
            (first, start), (_, end) = cut[0], cut[-1]
            yield {
                "window": window,
                "contig": contig,
                "first": first,
                "length": len(cut),
                "start": start,
                "end": end,
            }
            window += 1


def _cuts(places: Sequence[tuple[int, int]], length: int, stride: int) -> Iterator[Sequence[tuple[int, int]]]:
    """The windows of a contig, up to the first that reaches its end."""
    for first in range(0, len(places), stride):
        yield places[first : first + length]
        if first + length >= len(places):
            return


STAGE = Stage(
    title="Cut a panel into windows",
    params=Windows,
    inputs={"variants": "variants/v1"},
    outputs={"windows": "windows/v1"},
    run=run,
)
