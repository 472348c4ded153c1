"""Stands for a training whose queries, masked by a mask, are answered by an index."""

from __future__ import annotations

from collections.abc import Mapping

from sealkit.stage import Context, Input, Out, Params, Stage


def run(inputs: Mapping[str, Input], params: Params, out: Out, ctx: Context) -> None:
    out.rows("corpus", [{"doc_id": "d0", "text": "trained"}])


STAGE = Stage(
    title="Train",
    params=Params,
    inputs={"index": "index_manifest/v2", "mask": "mask/v1"},
    outputs={"corpus": "corpus/v1"},
    run=run,
)
