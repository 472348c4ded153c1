"""The genotypes of one line of a VCF: two alleles a sample with | between them, or what is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import methodcaller

from sealkit.read.faults import Faults

MISSING = "missing"
_ALLELES = re.compile(r"(?:\.|[0-9]{1,5})(?:[|/](?:\.|[0-9]{1,5}))*")
_COLONS = methodcaller("count", ":")
_EXPECTED = "expected two alleles with | between them, as 0|1"
_FIXES = {
    "genotype": "write genotypes as VCF has them",
    "leading phase": r"write them without it: sed '/^#/!s/\t|/\t/g', of the unpacked file",
    MISSING: "impute the missing alleles while phasing, or leave such variants out (`missing: leave_out`)",
    "ploidy": "take samples, or a region, where all have two copies (bcftools view -S samples.txt, -r region)",
    "unphased": "phase the file first (Beagle, SHAPEIT or Eagle)",
    "allele": "fetch or write the file again: alleles of the line are lost",
}


@dataclass(frozen=True)
class Tally:
    """Alleles of a line that are called: all, and those that are alternate ones; and whether some allele is missing."""

    number: int
    count: int
    missing: bool = False


def tally(block: str, samples: Sequence[str], keys: str, alternates: int, line: int, at: str, faults: Faults) -> Tally:
    """Count the alleles in the columns of the samples, one each, and note what is wrong with them.

    `keys` is the FORMAT of the line, `alternates` the number of its alternate alleles, `at` what messages call its place.
    """
    if (plain := _plain(block, len(samples))) is not None and alternates:
        return Tally(2 * len(samples), plain)
    cells = block.split("\t")
    colons = list(map(_COLONS, cells))
    if max(colons) > keys.count(":"):
        column = next(i for i, found in enumerate(colons) if found > keys.count(":"))
        message = f"{at}: {samples[column][:40]} has more values than FORMAT {keys[:40]} names, {cells[column][:40]!r}"
        faults.add("values", line, message, "fetch or write the file again: values of the line were shifted")
    genotypes = [cell.partition(":")[0] for cell in cells] if any(colons) else cells
    number = count = 0
    noted: set[str] = set()
    for genotype, times in Counter(genotypes).items():
        alleles = re.split(r"[|/]", genotype) if _ALLELES.fullmatch(genotype) else []
        if found := _fault(genotype, alleles, alternates):
            fault, says = found
            if fault not in noted:
                message = f"{at}: the genotype of {samples[genotypes.index(genotype)][:40]} is {genotype[:40] or 'empty'}, {says}"
                faults.add(fault, line, message, _FIXES[fault])
                noted.add(fault)
        called = [allele for allele in alleles if allele != "."]
        number += times * len(called)
        count += times * sum(int(allele) > 0 for allele in called)
    return Tally(number, count, MISSING in noted)


def _plain(block: str, samples: int) -> int | None:
    """The alternate alleles where every genotype is one of 0|0, 0|1, 1|0 and 1|1 and nothing else is there, as on nearly all lines."""
    if len(block) != 4 * samples - 1 or block[1::4].count("|") != samples or block[3::4].count("\t") != samples - 1:
        return None
    alleles = block[::2]
    count = alleles.count("1")
    return count if count + alleles.count("0") == 2 * samples else None


def _fault(genotype: str, alleles: Sequence[str], alternates: int) -> tuple[str, str] | None:
    """The fault of a genotype, and the words for it; it is none without `alleles`. What is missing has neither phase nor ploidy."""
    if genotype.startswith("|") and _ALLELES.fullmatch(genotype[1:]):
        return "leading phase", f"a form of VCFv4.4, with a | before its first allele, that is not read; {_EXPECTED}"
    if not alleles:
        return "genotype", f"which is no genotype; {_EXPECTED}"
    if "." in alleles:  # of a line that is none of two alleles anyway, that is said
        return (MISSING, "an allele is missing") if alternates == 1 else None
    if len(alleles) != 2:
        copies = "one copy" if len(alleles) == 1 else f"{len(alleles)} copies"
        return "ploidy", f"of {copies}; {_EXPECTED}"
    if "/" in genotype:
        return "unphased", "not phased; expected | between its alleles"
    if max(map(int, alleles)) > alternates:
        return "allele", f"and ALT has {alternates} allele{'s' * (alternates != 1)}"
    return None
