"""Stands for a training that asks, of each of its masks, whether somebody signed for its misfit."""

from __future__ import annotations

from collections.abc import Mapping

from sealkit.stage import Context, Input, Out, Params, Stage


def run(inputs: Mapping[str, Input], params: Params, out: Out, ctx: Context) -> None:
    asked = {
        name: ctx.waived("mask-fits-index", name) for name in ("index", "train_mask", "validation_mask", "nothing")
    }
    other = {"doc_id": "another check", "text": ctx.waived("index-fits-query", "train_mask") or "nobody"}
    out.rows("corpus", [*({"doc_id": name, "text": signed or "nobody"} for name, signed in asked.items()), other])


STAGE = Stage(
    title="Train, and ask who signed",
    params=Params,
    inputs={"index": "index_manifest/v2", "train_mask": "mask/v1", "validation_mask?": "mask/v1"},
    outputs={"corpus": "corpus/v1"},
    run=run,
)
