"""Says what tokens alleles become: their numbers, and how often each variant is met in the reference part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from sealkit.stage import Context, Input, Out, Params, Stage

TOKENS = {"reference": 0, "alternate": 1, "mask": 2, "pad": 3}


class Tokenize(Params):
    """`encoding`: what a token is in a vector of tokens: its number, or, by `frequency`, the allele's distance from the mean of
    its variant in standard deviations, so that to share a rare allele counts for more."""

    encoding: Literal["allele", "frequency"] = "allele"


def run(inputs: Mapping[str, Input], params: Tokenize, out: Out, ctx: Context) -> None:
    count, seen = 0, np.zeros(0, dtype=np.int64)
    for row in inputs["haplotypes"].rows():
        if row["part"] == "reference":
            alleles = np.frombuffer(row["alleles"].encode("ascii"), dtype=np.uint8) == ord("1")
            seen = alleles + (seen if count else 0)
            count += 1
    # (1 + alternates) / (2 + haplotypes), as Patterson, Price & Reich 2006: none is ever 0 or 1.
    frequencies = ((1 + seen) / (2 + count)).round(6).tolist()
    out.document(
        "tokens",
        {"schema": "allele_tokens/v1", "encoding": params.encoding, "tokens": TOKENS, "frequencies": frequencies},
    )
    ctx.counters |= {"reference_haplotypes": count, "variants": len(frequencies)}


STAGE = Stage(
    title="Tokenize alleles",
    params=Tokenize,
    inputs={"haplotypes": "haplotypes/v1"},
    outputs={"tokens": "allele_tokens/v1"},
    run=run,
)
