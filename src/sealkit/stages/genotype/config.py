"""The sections of a config that belong to genotypes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from sealkit.stage import Params
from sealkit.stages.genotype.mask import Masking


class Panel(Params):
    """`vcf`: the file of phased haplotypes. `draw`: which split of the samples into parts, of all that a seed could give: runs with
    other seeds are trained and judged on the same samples."""

    vcf: str = "panel.vcf.gz"
    draw: int = Field(default=0, ge=0)


class Windows(Params):
    """`length`: variants of a window."""

    length: int = Field(default=64, ge=2)


class Retrieval(Params):
    """`space`: what is indexed. `mask`: what is hidden from the references in token space. `invariant`: fields of the fingerprint in
    which queries may differ, each with its reason."""

    space: Literal["token", "embedding"] = "token"
    mask: Masking = Masking(kind="none", rate=None)
    invariant: dict[str, str] = Field(default={})


class Train(Params):
    """`mask`: what is hidden from the haplotypes that are trained on; `neighbours`: how many references each of them retrieves."""

    mask: Masking = Masking()
    neighbours: int = Field(default=8, ge=1)
    epochs: int = Field(default=6, ge=1)


class Judged(Params):
    """`mask`: what is hidden from the haplotypes of this part."""

    mask: Masking = Masking()


SECTIONS: dict[str, type[BaseModel]] = {
    "panel": Panel,
    "windows": Windows,
    "index": Retrieval,
    "train": Train,
    "validation": Judged,
    "test": Judged,
    "other": Judged,
}
