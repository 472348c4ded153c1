"""Writes a small corpus, slowly, and a line for each time that it is worked on to a file outside the run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from sealkit.stage import Context, Input, Out, Params, Stage


class Count(Params):
    path: str
    seconds: float = 0.0
    die: bool = False


def run(inputs: Mapping[str, Input], params: Count, out: Out, ctx: Context) -> None:
    with Path(params.path).open("a") as file:
        file.write(f"{ctx.run_name}\n")
    time.sleep(params.seconds)
    if params.die and Path(params.path).read_text().count("\n") == 1:
        os.kill(os.getpid(), 9)
    out.rows("corpus", [{"doc_id": "d0", "text": "counted"}])


STAGE = Stage(title="Count", params=Count, inputs={}, outputs={"corpus": "corpus/v1"}, run=run)
