"""Panels of phased haplotypes for tests that have no data: mosaics of a few founders, as in the model of Li & Stephens (2003).

Neighbouring variants go together, and most alternate alleles are rare, as in real panels; nothing measured on one belongs into a table.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOUNDERS = 40
SWITCH = 0.02  # that a haplotype goes on with another founder at the next variant
REGROUP = 0.1  # that the founders are related otherwise from the next variant on
SHARED = 0.3  # that a variant is carried by those who carry one shortly before it
MUTATION = 0.001


def haplotypes(samples: int, variants: int, seed: int) -> NDArray[np.uint8]:
    """Alleles of shape (2 * samples, variants), 0 or 1; the copies of a sample follow each other, and every variant varies."""
    rng = np.random.default_rng(seed)
    founders = _founders(variants, rng)
    share = rng.dirichlet(np.full(FOUNDERS, 0.7))
    found = np.empty((2 * samples, variants), np.uint8)
    for row in found:
        switched = rng.random(variants) < SWITCH
        copied = rng.choice(FOUNDERS, variants, p=share)
        at = np.maximum.accumulate(np.where(switched, np.arange(variants), 0))
        row[:] = founders[copied[at], np.arange(variants)] ^ (rng.random(variants) < MUTATION)
    count = found.sum(0)
    constant = np.flatnonzero((count == 0) | (count == 2 * samples))
    found[rng.integers(2 * samples, size=len(constant)), constant] ^= 1
    return found


def _founders(variants: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Founders that carry an allele stand together in an order that lasts for some variants: clades of a tree."""
    carriers = 1 / np.arange(1, FOUNDERS)
    found = np.zeros((FOUNDERS, variants), np.uint8)
    order = rng.permutation(FOUNDERS)
    for variant in range(variants):
        if rng.random() < REGROUP:
            moved = rng.choice(FOUNDERS, FOUNDERS // 4, replace=False)
            order[np.sort(moved)] = rng.permutation(order[np.sort(moved)])
        if variant and rng.random() < SHARED:
            found[:, variant] = found[:, max(0, variant - int(rng.integers(1, 6)))]
            continue
        size = int(rng.choice(np.arange(1, FOUNDERS), p=carriers / carriers.sum()))
        first = int(rng.integers(FOUNDERS - size + 1))
        found[order[first : first + size], variant] = 1
    return found


def text(samples: int = 60, variants: int = 200, seed: int = 0) -> str:
    """A phased VCF of chromosome 21 with samples S000, S001, …; variants stand some 2,000 bases apart."""
    rng = np.random.default_rng([seed, 1])
    alleles = haplotypes(samples, variants, seed)
    positions = 5_000_000 + np.cumsum(rng.integers(1, 4000, variants))
    names = [f"S{i:03}" for i in range(samples)]
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        "##contig=<ID=21,length=46709983>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]),
    ]
    for variant, position in enumerate(positions):
        ref, alt = rng.choice(list("ACGT"), 2, replace=False)
        pairs = alleles[:, variant].reshape(-1, 2)
        genotypes = [f"{one}|{other}" for one, other in pairs]
        lines.append("\t".join(["21", str(position), f"rs{variant}", ref, alt, ".", "PASS", ".", "GT", *genotypes]))
    return "\n".join(lines) + "\n"


def write_vcf(path: Path, samples: int = 60, variants: int = 200, seed: int = 0) -> Path:
    """Write such a panel, gzipped where the name ends in .gz; the same arguments give the same bytes."""
    data = text(samples, variants, seed).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path
