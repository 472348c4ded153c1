"""Reads a panel of phased haplotypes from a VCF and splits its samples into those that are indexed and those that are queries.

A file that is not sound is refused with every kind of fault in it, each at its first line, before any genotype is read. htslib
(by cyvcf2) then reads the genotypes, and what it reads is held against what the text says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sealkit.finding import Refused, Severity, UsageError
from sealkit.read.vcf import Variant, Vcf
from sealkit.read.vcf_alleles import MULTIALLELIC, NO_ALTERNATE
from sealkit.read.vcf_genotypes import MISSING
from sealkit.stage import FILES, Context, Input, Out, Params, Stage
from sealkit.stages.genotype import _genotypes
from sealkit.stages.genotype._split import PARTS, split

ALLELES_LIMIT = 4 * 1024**3  # alleles of a panel, one byte each in memory
TEXT_LIMIT = 256 * 1024**2  # characters of their IDs, REF and ALT: 64 each of so many variants, or fewer that are long
VARIANTS_LIMIT = 4_000_000  # of which the alleles of one haplotype still fit into a row of JSONL


class Shares(Params):
    """The share of the samples that each part has; together 1."""

    reference: float = Field(default=0.55, gt=0, lt=1)
    train: float = Field(default=0.25, ge=0, lt=1)
    validation: float = Field(default=0.1, ge=0, lt=1)
    test: float = Field(default=0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _make_a_whole(self) -> Self:
        if abs((total := sum(self.model_dump().values())) - 1) > 1e-9:
            raise ValueError(f"split: the shares add up to {total:g}; expected 1")
        return self


class Panel(Params):
    """`multiallelic` and `missing`: variants that do not have just one alternate allele, and those with a missing allele, are
    refused or left out. `region`: contig:start-end, both ends included; null is all. `draw`: the seed of the split, where runs of
    several seeds are to share one; null is the run's.
    """

    multiallelic: Literal["refuse", "leave_out"] = "refuse"
    missing: Literal["refuse", "leave_out"] = "refuse"
    region: str | None = Field(default=None, pattern=r"^\S+:[1-9][0-9]{0,9}-[1-9][0-9]{0,9}$")
    split: Shares = Shares()
    draw: int | None = Field(default=None, ge=0, lt=2**63)


def run(inputs: Mapping[str, Input], params: Panel, out: Out, ctx: Context) -> None:
    path = inputs["vcf"].path
    if path.is_dir():
        raise UsageError(f"{path}: is a folder", "name the VCF file")
    vcf, kept, left_out = _sound(path, params, ctx)
    assert vcf.header is not None
    samples = vcf.header.samples
    seed = ctx.seed if params.draw is None else params.draw
    part = split(samples, params.split.model_dump(), seed)
    alleles = _genotypes.read(path, vcf.header, kept)
    out.rows("variants", ({"variant": i, **_row(variant)} for i, variant in enumerate(kept)))
    out.rows("haplotypes", _haplotypes(samples, part, alleles))
    counts = Counter(variant.contig for variant in kept)
    sizes = Counter(part.values())
    out.document(
        "panel",
        {
            "schema": "panel/v1",
            "vcf": {"name": path.name, "digest": inputs["vcf"].digest},
            "reader": {"name": "cyvcf2", "version": version("cyvcf2")},
            "contigs": [
                {"name": name, "variants": count, "length": vcf.header.contigs.get(name)}
                for name, count in counts.items()
            ],
            "samples": len(samples),
            "haplotypes": 2 * len(samples),
            "variants": len(kept),
            "left_out": left_out,
            "split": {"seed": seed, "shares": params.split.model_dump(), "samples": {p: sizes[p] for p in PARTS}},
        },
    )
    ctx.counters |= {"samples": len(samples), "variants": len(kept), "left_out": sum(left_out.values())}
    ctx.facts |= {"dataset": inputs["vcf"].name, "data_digest": inputs["vcf"].digest}


def _sound(path: Path, params: Panel, ctx: Context) -> tuple[Vcf, list[Variant], dict[str, int]]:
    """The variants that are kept, and how many are not, by reason. Raises Refused and ReadError for a file that is not sound."""
    may_go = {MULTIALLELIC, NO_ALTERNATE} if params.multiallelic == "leave_out" else set()
    may_go |= {MISSING} if params.missing == "leave_out" else set()
    vcf, kept, left_out, size = Vcf(path), list[Variant](), Counter[str](), 0
    inside = _inside(params.region)
    for variant in vcf.variants():
        reason = variant.out or inside(variant) or ("beyond_limit" if len(kept) == ctx.limit else None)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(variant)
            size += len(variant.id or "") + len(variant.ref) + len(variant.alt)
            _refuse_too_large(path, len(kept), variant.number, size)
    found = list(vcf.faults.findings(but=may_go))
    if any(finding.severity is Severity.ERROR for finding in found):
        raise Refused(found)
    for warning in found:
        ctx.say(f"{warning.at}: {warning.message}")
    for reason, count in left_out.items():
        ctx.say(f"{path.name}: {count} variants are left out: {reason.replace('_', ' ')}")
    if not kept:
        why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items())
        contigs = ", ".join(vcf.contigs)
        raise UsageError(f"{path}: no variant is left ({why})", f"check `region` (there are variants on {contigs})")
    return vcf, kept, dict(left_out)


def _inside(region: str | None) -> Callable[[Variant], str | None]:
    """What tells of a variant whether it lies outside of the region."""
    if region is None:
        return lambda variant: None
    contig, _, ends = region.rpartition(":")
    start, end = map(int, ends.split("-"))
    return lambda v: None if v.contig == contig and start <= v.position <= end else "outside_region"


def _refuse_too_large(path: Path, variants: int, haplotypes: int, size: int) -> None:
    if variants * haplotypes > ALLELES_LIMIT or variants > VARIANTS_LIMIT or size > TEXT_LIMIT:
        message = f"{path}: {variants:,} variants of {haplotypes:,} haplotypes are more than are read at once"
        bounds = f"{VARIANTS_LIMIT:,} variants, {ALLELES_LIMIT:,} alleles, {TEXT_LIMIT:,} letters of ID, REF and ALT"
        raise UsageError(f"{message} ({bounds})", "take a part of it with `region`")


def _haplotypes(
    samples: Sequence[str], part: Mapping[str, str], alleles: NDArray[np.uint8]
) -> Iterator[dict[str, Any]]:
    """A row for each copy of each sample, in the order of the file. `alleles` as of `_genotypes.read`."""
    for column in range(alleles.shape[1]):
        sample, copy = samples[column // 2], column % 2
        yield {
            "haplotype_id": f"{sample}:{copy}",
            "sample": sample,
            "copy": copy,
            "part": part[sample],
            "alleles": (alleles[:, column] + ord("0")).tobytes().decode("ascii"),
        }


def _row(variant: Variant) -> dict[str, Any]:
    return {
        "contig": variant.contig,
        "position": variant.position,
        "id": variant.id,
        "ref": variant.ref,
        "alt": variant.alt,
        "allele_count": variant.count,
        "allele_number": variant.number,
        "line": variant.line,
    }


STAGE = Stage(
    title="Read a panel of phased haplotypes",
    params=Panel,
    inputs={"vcf": FILES},
    outputs={"panel": "panel/v1", "variants": "variants/v1", "haplotypes": "haplotypes/v1"},
    run=run,
    libraries=("cyvcf2", "numpy"),
)
