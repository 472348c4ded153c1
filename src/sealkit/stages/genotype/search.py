"""Retrieves the nearest reference haplotypes of a part, window by window; an index of another space or mask is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stages.genotype import _haplotypes, _indexes, _masks, _space
from sealkit.stages.genotype._haplotypes import SUBSET, Data, part_of, query_id
from sealkit.stages.genotype._indexes import Found


class Search(Params):
    """`subset` names the part whose haplotypes are looked for, and after a `.` what is particular, as in test.other_mask; `top_k`: the references that are kept of each."""

    space: Literal["token", "embedding"] = "token"
    subset: str = Field(default="test", pattern=SUBSET)
    top_k: int = Field(default=8, ge=1)


def needs(params: Search) -> set[str]:
    return set() if params.space == "token" else {"model"}


def metrics(params: Search) -> list[str]:
    return [f"genotype/{params.subset}/recall@{params.top_k}"]


def run(inputs: Mapping[str, Input], params: Search, out: Out, ctx: Context) -> None:
    part = part_of(params.subset)
    data = _haplotypes.load(inputs, "reference", part)
    space = _space.TokenSpace(data) if params.space == "token" else _space.loaded(data, inputs["model"])
    drawn = _masks.of_mask(inputs["mask"], data.windows)
    reason = ctx.waived("mask-fits-index", "mask")
    found = _indexes.search(
        inputs["index"].path,
        data,
        space,
        part,
        drawn,
        _masks.ONCE,
        params.top_k,
        {"mask": reason} if reason else {},
    )
    out.rows("rankings", _rows(data, part, found))
    for i, window in enumerate(data.windows):
        folder = _indexes.place(out["searches"], window)
        folder.mkdir()
        out.manifest(folder, "search_manifest", _manifest(inputs, found, i, params.top_k, len(data.parts[part].ids)))
    ctx.metrics |= dict.fromkeys(metrics(params), found.recall)
    ctx.counters |= {"windows": len(data.windows), "queries": len(data.parts[part].ids)}
    ctx.facts |= {"seconds_guard": round(found.seconds_guard, 4), "seconds_search": round(found.seconds_search, 4)}
    for name, why in found.waived.items():
        ctx.say(f"searched although {name} does not fit: {why}")


def _rows(data: Data, part: str, found: Found) -> Iterator[dict[str, Any]]:
    references = data.parts["reference"].ids
    for window, rows, scores in zip(data.windows, found.rows, found.scores, strict=True):
        for query, near, how in zip(data.parts[part].ids, rows.tolist(), scores.tolist(), strict=True):
            for rank, (row, score) in enumerate(zip(near, how, strict=True), 1):
                yield {"query_id": query_id(query, window), "doc_id": references[row], "rank": rank, "score": score}


def _manifest(inputs: Mapping[str, Input], found: Found, i: int, top_k: int, count: int) -> dict[str, Any]:
    opened = found.opened[i]
    said = {name: opened.manifest[name] for name in ("digest", "identity", "witness")}
    return {
        "schema": "search_manifest/v2",
        "queries": {"digest": inputs["haplotypes"].digest, "count": count},
        "top_k": top_k,
        "mode": "dense",
        "index": {**said, "files": opened.manifest["files"]["digest"]},
        "fingerprint": opened.space,
        **({"probe": opened.replay.document()} if opened.replay else {}),
    }


STAGE = Stage(
    title="Retrieve haplotypes",
    params=Search,
    inputs={
        "haplotypes": "haplotypes/v1",
        "windows": "windows/v1",
        "tokens": "allele_tokens/v1",
        "mask": "mask/v1",
        "index": "index_manifest/v2",
        "model?": "model_manifest/v1",
    },
    outputs={"rankings": "rankings/v1", "searches": "search_manifest/v2[]"},
    run=run,
    libraries=("torch", "faiss-cpu", "safetensors"),
    needs=needs,
    metrics=metrics,
)
