"""Reads genotypes with htslib (by cyvcf2), and holds what it reads against what the text of the file says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.finding import Finding, Location, Refused, Severity
from sealkit.read.vcf import Variant
from sealkit.read.vcf_header import Header

FIX = "write it again with bcftools view -O z; if that reads it otherwise too, report this as a bug"


def read(path: Path, header: Header, variants: Sequence[Variant]) -> NDArray[np.uint8]:
    """Alleles, 0 or 1, of shape (variants, 2 * samples); the copies of a sample follow each other.

    `variants` are those of a sound file that are wanted, in its order. Raises Refused where htslib reads other ones.
    """
    found = np.empty((len(variants), 2 * len(header.samples)), np.uint8)
    reader = _opened(path)
    if tuple(reader.samples) != header.samples:
        raise _other(path, header.line, f"{len(reader.samples)} samples that are not those of the header")
    at = 0
    for line, record in enumerate(_records(path, reader, header.line), header.line + 1):
        if line == variants[at].line:
            found[at] = _alleles(path, record, variants[at])
            at += 1
            if at == len(variants):
                return found
    raise _other(path, variants[at].line, "nothing from here on")


def _opened(path: Path) -> Any:
    import cyvcf2

    try:
        return cyvcf2.VCF(str(path))
    except Exception as error:  # cyvcf2 raises OSError, and Exception itself
        fix = "write its header as VCF has it: bcftools view -h tells what is wrong"
        raise _other(path, 1, f"no VCF: {error}", fix) from None


def _records(path: Path, reader: Any, line: int) -> Iterator[Any]:
    """The records of the lines behind that of the columns."""
    try:
        for record in reader:
            line += 1
            yield record
    except Exception as error:  # cyvcf2 raises nothing more special
        raise _other(path, line + 1, f"no variant: {error}") from None


def _alleles(path: Path, record: Any, variant: Variant) -> NDArray[Any]:
    """The alleles of all copies, of shape (2 * samples,)."""
    read = (record.CHROM, record.POS, record.REF, ",".join(record.ALT))
    if read != (variant.contig, variant.position, variant.ref, variant.alt):
        raise _other(path, variant.line, f"the variant {read[0]}:{read[1]} {read[2]} {read[3]}")
    genotypes = record.genotype.array()  # (samples, copies + 1); the last says whether it is phased
    alleles = genotypes[:, :-1]
    if genotypes.shape[1] != 3 or not genotypes[:, 2].all() or not np.isin(alleles, (0, 1)).all():
        raise _other(path, variant.line, "genotypes that are not phased, of two alleles")
    if alleles.sum() != variant.count:
        raise _other(path, variant.line, f"{alleles.sum()} alternate alleles, the text has {variant.count}")
    flat: NDArray[Any] = alleles.ravel()
    return flat


def _other(path: Path, line: int, what: str, fix: str = FIX) -> Refused:
    return Refused([Finding(f"htslib reads {what}", Location(str(path), line=line), Severity.ERROR, fix=fix)])
