"""Indexes a few masked sequences of tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from sealkit import mask
from sealkit.stage import Context, Input, Out, Params, Stage


class Tokens(Params):
    invariant: dict[str, str | None] = Field(default_factory=dict)


def run(inputs: Mapping[str, Input], params: Tokens, out: Out, ctx: Context) -> None:
    np.save(out["index"] / "index.npy", np.eye(3, 4, dtype=np.float32))
    declared = {name: reason for name, reason in params.invariant.items() if reason}
    fingerprint = {
        "corpus": {"digest": None, "count": 3},
        "mask": mask.group(inputs["mask"].read()),
        "vectors": {"dimension": 4, "metric": "l2"},
        "structure": {"kind": "array", "count": 3, "id_map": "positions"},
    }
    manifest = {
        "schema": "index_manifest/v2",
        "witness": "built",
        "file": "index.npy",
        "ids": None,
        "invariant": declared,
    }
    out.manifest(out["index"], "index_manifest", {**manifest, "fingerprint": fingerprint})


STAGE = Stage(
    title="Index tokens", params=Tokens, inputs={"mask": "mask/v1"}, outputs={"index": "index_manifest/v2"}, run=run
)
