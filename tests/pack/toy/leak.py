"""Prints its secret, as careless libraries do, and dies of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sealkit.stage import Context, Input, Out, Params, Stage


class Leak(Params):
    secret: str


def run(inputs: Mapping[str, Input], params: Leak, out: Out, ctx: Context) -> None:
    print(f"the password is {params.secret}", flush=True)
    os.write(2, b"the last word")
    raise ValueError(f"cannot log in with {params.secret}")


STAGE = Stage(title="Leak", params=Leak, inputs={}, outputs={"corpus": "corpus/v1"}, run=run)
