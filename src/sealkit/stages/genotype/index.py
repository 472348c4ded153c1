"""Indexes the reference haplotypes, one index a window: masked tokens, or vectors of a trained encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stages.genotype import _haplotypes, _indexes, _masks, _space
from sealkit.stages.genotype._haplotypes import refused


class Index(Params):
    """`space`: `token` indexes references masked by the input `mask`, `embedding` their vectors by the input `model`, unmasked.
    `invariant`: fields of the fingerprint in which queries may differ, each with its reason."""

    space: Literal["token", "embedding"] = "token"
    invariant: dict[str, str] = Field(default={})

    @model_validator(mode="after")
    def _mask_counts(self) -> Index:
        if self.space == "token" and any(name.partition(".")[0] == "mask" for name in self.invariant):
            raise ValueError("an index of masked tokens is not mask-agnostic: leave mask out of invariant")
        return self


def needs(params: Index) -> set[str]:
    return {"mask"} if params.space == "token" else {"model"}


def run(inputs: Mapping[str, Input], params: Index, out: Out, ctx: Context) -> None:
    data = _haplotypes.load(inputs, "reference")
    space = _space.TokenSpace(data) if params.space == "token" else _space.loaded(data, inputs["model"])
    drawn = _masks.of_mask(inputs["mask"], data.windows) if params.space == "token" else None
    if drawn is not None and drawn.rule.kind == "dynamic":
        message = "an index is built once: it can have no mask that is redrawn in every epoch"
        fix = "write kind: fixed for the mask of the index, or index in embedding space"
        raise refused(inputs["mask"], message, fix, "kind")
    for folder, manifest in _indexes.write(out["index"], data, space, drawn, params.invariant, ctx.run_id).items():
        out.manifest(folder, "index_manifest", manifest)
    ctx.counters |= {"windows": len(data.windows), "references": len(data.parts["reference"].ids)}


STAGE = Stage(
    title="Index the reference haplotypes",
    params=Index,
    inputs={
        "haplotypes": "haplotypes/v1",
        "windows": "windows/v1",
        "tokens": "allele_tokens/v1",
        "mask?": "mask/v1",
        "model?": "model_manifest/v1",
    },
    outputs={"index": "index_manifest/v2"},
    run=run,
    libraries=("torch", "faiss-cpu", "safetensors"),
    needs=needs,
)
