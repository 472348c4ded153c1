"""Writes a small corpus; `how` says what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sealkit.finding import Finding, Location, Refused, UsageError
from sealkit.stage import Context, Input, Out, Params, Stage


class Documents(Params):
    how: str = "well"
    count: int = 3
    secret: str = ""


def run(inputs: Mapping[str, Input], params: Documents, out: Out, ctx: Context) -> None:
    rows = [{"doc_id": f"d{i}", "text": f"text {i}"} for i in range(params.count)]
    if params.how == "twice":
        rows.append(rows[0])
    if params.how != "absent":
        out.rows("corpus", rows)
    if params.how == "torn":
        with out["corpus"].open("a") as file:
            file.write('{"doc_id": "d9", "te')
    if params.how == "nan":
        ctx.metrics["train/loss"] = float("nan")
    if params.how == "metric":
        ctx.metrics["train/loss"] = 1.0
    if params.how == "raise":
        raise ZeroDivisionError("division by zero in the user's code")
    if params.how == "exit":
        raise SystemExit(7)
    if params.how == "interrupt":
        raise KeyboardInterrupt
    if params.how == "refuse":
        raise Refused(
            [Finding("these documents are not for you", Location(str(out["corpus"]), line=2), fix="ask somebody")]
        )
    if params.how == "usage":
        raise UsageError("no such collection", "name another")
    if params.how == "large":
        with out["corpus"].open("a") as file:
            for i in range(1_000_000):
                file.write(f'{{"doc_id": "x{i}", "text": "{"x" * 1000}"}}\n')
    if params.how == "kill":
        os.kill(os.getpid(), 9)
    ctx.counters["documents"] = len(rows)
    ctx.facts["secret_length"] = len(params.secret)


STAGE = Stage(title="Write documents", params=Documents, inputs={}, outputs={"corpus": "corpus/v1"}, run=run)
