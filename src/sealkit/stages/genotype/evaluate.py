"""Imputes the hidden alleles of a part, by the network or by a baseline that needs none, and measures how well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stages.genotype import _haplotypes, _imputing, _masks, _network
from sealkit.stages.genotype._haplotypes import SUBSET, Data, Window, differences, part_of, query_id, refused
from sealkit.stages.genotype._masks import Mask
from sealkit.stages.genotype._scores import NAMES, Scored

PLACES = 6  # decimals of a probability: what is written is what is measured


class Evaluate(Params):
    """`subset` names the part, and after a `.` how it was imputed, as in test.nearest. `by`: the network with what was retrieved,
    the major allele of the reference part, or the mean of the `neighbours` references that agree best where nothing is hidden."""

    subset: str = Field(default="test", pattern=SUBSET)
    by: Literal["model", "major_allele", "nearest"] = "model"
    neighbours: int = Field(default=8, ge=1)


def needs(params: Evaluate) -> set[str]:
    return {"model", "rankings"} if params.by == "model" else set()


def metrics(params: Evaluate) -> list[str]:
    return [f"genotype/{params.subset}/{name}" for name in NAMES]


def run(inputs: Mapping[str, Input], params: Evaluate, out: Out, ctx: Context) -> None:
    part = part_of(params.subset)
    data = _haplotypes.load(inputs, "reference", part)
    drawn = _masks.hiding(inputs["mask"], data.windows)
    if params.by == "model":
        imputed = _by_model(inputs, data, part, drawn)
    elif params.by == "nearest":
        imputed = (_by_nearest(data, part, window, drawn, params.neighbours) for window in data.windows)
    else:
        frequencies, count = data.vocabulary.frequencies, len(data.parts[part].ids)
        imputed = (np.tile(frequencies[window.variants], (count, 1)) for window in data.windows)
    scored, rows = Scored(inputs["variants"].rows(), data.parts[part]), []
    for window, p_alt in zip(data.windows, imputed, strict=True):
        hidden = np.flatnonzero(drawn.hidden(window, _masks.ONCE))
        numbers, rounded = hidden + window.first, p_alt[:, hidden].astype(np.float64).round(PLACES)
        scored.add(numbers, rounded)
        rows += [
            {"haplotype_id": name, "window": window.number, "positions": numbers.tolist(), "p_alt": values.tolist()}
            for name, values in zip(data.parts[part].ids, rounded, strict=True)
        ]
    out.rows("imputed_alleles", rows)
    ctx.metrics |= {f"genotype/{params.subset}/{name}": value for name, value in scored.measures().items()}
    ctx.counters |= {"haplotypes": len(data.parts[part].ids), **scored.counts()}


def _by_model(inputs: Mapping[str, Input], data: Data, part: str, drawn: Mask) -> Iterator[NDArray[np.float32]]:
    """Probabilities (haplotypes, width) of the alternate allele, one array a window."""
    model = _network.load(inputs["model"].path, data)
    near = _retrieved(inputs["rankings"], data, part)
    retrieved, known = next(iter(near.values())).shape[1], len(model.rank)
    if retrieved > known:
        message = f"{retrieved} references were retrieved of each haplotype, the network was trained on {known}"
        fix = f"search with top_k: {known}, or train with neighbours: {retrieved}"
        raise refused(inputs["rankings"], message, fix)
    for window in data.windows:
        tokens = data.tokens(part, window, drawn.hidden(window, _masks.ONCE))
        yield _imputing.probabilities(model, data, window, tokens, near[window.number])


def _retrieved(rankings: Input, data: Data, part: str) -> dict[int, NDArray[np.int64]]:
    """Window → rows of the reference part (haplotypes, k), in the order of the part. Raises Refused where one is absent."""
    row_of = {name: row for row, name in enumerate(data.parts["reference"].ids)}
    found: dict[str, list[int]] = {}
    for row in rankings.rows():
        found.setdefault(row["query_id"], []).append(row_of.get(row["doc_id"], -1))
    near = {}
    for window in data.windows:
        rows = [found.get(query_id(name, window), []) for name in data.parts[part].ids]
        if len({len(one) for one in rows}) != 1 or not rows[0] or min(map(min, rows)) < 0:
            message = f"the rankings do not hold references for each haplotype of {part} in window {window.number}"
            fix = f"give the rankings of a search with subset: {part} in this panel"
            raise refused(rankings, message, fix)
        near[window.number] = np.array(rows)
    return near


def _by_nearest(data: Data, part: str, window: Window, drawn: Mask, k: int) -> NDArray[np.float32]:
    """The mean allele of the k references with the fewest differences at the positions that are not hidden."""
    seen = ~drawn.hidden(window, _masks.ONCE)
    asked, there = (data.parts[name].alleles[:, window.variants] for name in (part, "reference"))
    near = np.argsort(differences(asked[:, seen], there[:, seen]), axis=1, kind="stable")[:, :k]
    found: NDArray[np.float32] = there[near].mean(axis=1, dtype=np.float32)
    return found


STAGE = Stage(
    title="Impute and evaluate",
    params=Evaluate,
    inputs={
        "haplotypes": "haplotypes/v1",
        "variants": "variants/v1",
        "windows": "windows/v1",
        "tokens": "allele_tokens/v1",
        "mask": "mask/v1",
        "rankings?": "rankings/v1",
        "model?": "model_manifest/v1",
    },
    outputs={"imputed_alleles": "imputed_alleles/v1"},
    run=run,
    libraries=("torch", "safetensors", "scikit-learn", "scipy"),
    needs=needs,
    metrics=metrics,
)
