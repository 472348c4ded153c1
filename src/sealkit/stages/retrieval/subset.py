"""Restricts judgments to the queries that an id file lists, to be evaluated separately under a `subset` of their own."""

from __future__ import annotations

from collections.abc import Mapping

from sealkit.finding import Finding, Location, Refused, Severity, UsageError
from sealkit.read import text
from sealkit.stage import FILES, Context, Input, Out, Params, Stage


class Subset(Params):
    """The id file holds one query_id a line; blank lines are passed over."""


def run(inputs: Mapping[str, Input], params: Subset, out: Out, ctx: Context) -> None:
    path = inputs["ids"].path
    if path.is_dir():
        raise UsageError(f"{path}: is a folder", "name a file with one query_id a line")
    judged = {row["query_id"] for row in inputs["qrels"].rows()}
    listed: dict[str, int] = {}
    for number, line in text.lines(path):
        query, at = line.strip(), Location(str(path), line=number)
        if query in listed:
            message = f"lists the query {query} a second time, after line {listed[query]}"
            raise Refused([Finding(message, at, Severity.ERROR, fix="remove one of the two")])
        if query and query not in judged and ctx.limit is None:
            message = f"lists the query {query}, which nobody judged"
            raise Refused([Finding(message, at, Severity.ERROR, fix="list queries of the judgments")])
        if query:
            listed[query] = number
    kept = out.rows("qrels", (row for row in inputs["qrels"].rows() if row["query_id"] in listed))
    if not kept:
        raise UsageError(f"{path}: lists no judged query", "list queries of the judgments, one a line")
    ctx.counters |= {"queries": len(listed.keys() & judged), "judgments": kept}


STAGE = Stage(
    title="Take a subset of the queries",
    params=Subset,
    inputs={"qrels": "qrels/v1", "ids": FILES},
    outputs={"qrels": "qrels/v1"},
    run=run,
)
