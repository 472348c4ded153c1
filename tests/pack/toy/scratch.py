"""Copies a corpus, and goes wrong the first time that it is started: `how` says in which way."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sealkit.finding import Finding, Location, Refused
from sealkit.stage import Context, Input, Out, Params, Stage


class Scratch(Params):
    how: str = "well"
    note: str = ""


def run(inputs: Mapping[str, Input], params: Scratch, out: Out, ctx: Context) -> None:
    starts = ctx.scratch / "starts"
    before = starts.read_text() if starts.exists() else ""
    starts.write_text(before + "x")
    if params.how != "well" and not before:
        out["corpus"].write_text('{"doc_id": "half')
        if params.how == "kill":
            os.kill(os.getpid(), 9)
        if params.how == "refuse":
            raise Refused([Finding("not with me", Location(str(out["corpus"])))])
        raise OSError(28, "No space left on device")
    out.rows("corpus", inputs["corpus"].rows())
    ctx.counters["started_before"] = len(before)


STAGE = Stage(title="Scratch", params=Scratch, inputs={"corpus": "corpus/v1"}, outputs={"corpus": "corpus/v1"}, run=run)
