"""Is handed a model, and writes its digest as a document of a corpus."""

from __future__ import annotations

from collections.abc import Mapping

from sealkit.stage import Context, Input, Out, Params, Stage


def run(inputs: Mapping[str, Input], params: Params, out: Out, ctx: Context) -> None:
    out.rows("corpus", [{"doc_id": "model", "text": inputs["model"].digest}])


STAGE = Stage(
    title="Load a model", params=Params, inputs={"model": "model_manifest/v1"}, outputs={"corpus": "corpus/v1"}, run=run
)
