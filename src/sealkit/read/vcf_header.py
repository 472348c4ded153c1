"""The header of a VCF: what it declares of samples, contigs and genotypes, and what is wrong with that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sealkit.finding import Location, ReadError
from sealkit.read.faults import Faults
from sealkit.read.source import DOCUMENT_LIMIT
from sealkit.read.vcf_order import CONTIGS_LIMIT

HEADER_LIMIT = DOCUMENT_LIMIT  # characters; htslib keeps the whole header, some of it more than once
COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_FIRST = re.compile(r"##fileformat=VCFv4\.[0-9]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ID = re.compile(r"[<,]ID=([^,>]{1,255})[,>]")
_LENGTH = re.compile(r"[<,]length=([0-9]{1,12})[,>]")
_NUMBER = re.compile(r"[<,]Number=([^,>]{1,20})[,>]")
_TYPE = re.compile(r"[<,]Type=([^,>]{1,20})[,>]")
_GENOTYPE = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'


@dataclass(frozen=True)
class Header:
    """`contigs`: name → length, None where none is declared. `genotypes`: GT is declared. `line`: that of the columns."""

    samples: tuple[str, ...]
    contigs: Mapping[str, int | None]
    genotypes: bool
    line: int


def read(lines: Iterator[tuple[int, str]], faults: Faults) -> Header | None:
    """Take the lines of the header off a file's lines. None where what follows can be no body. Raises ReadError."""
    contigs: dict[str, int | None] = {}
    declared = False
    number = size = 0
    for number, line in lines:
        size += len(line)
        if size > HEADER_LIMIT:
            message = f"has a header of over {HEADER_LIMIT:,} characters"
            raise ReadError(
                message, Location(faults.name, line=number), "check that the file is a VCF", malformed=False
            )
        if number == 1 and not _FIRST.match(line):
            message = f"expected ##fileformat=VCFv4.x on the first line, found {line[:40]!r}"
            faults.add("fileformat", 1, message, "check that the file is a VCF of version 4")
            if not line.startswith("#"):
                return None
        if line.startswith("##contig="):
            _contig(line, number, contigs, faults)
        elif line.startswith("##FORMAT=") and _value(_ID, line) == "GT":
            declared = True
            _genotype(line, number, faults)
        elif line.startswith("#CHROM"):
            samples = _samples(line, number, faults)
            return None if samples is None else Header(samples, contigs, declared, number)
        elif not line.startswith("##"):
            message = f"expected the line of columns that begins with #CHROM, found {line[:40]!r}"
            faults.add("columns", number, message, "fetch or write the file again: its header is not whole")
            return None
    message = "ends before the line of columns that begins with #CHROM" if number else "is empty"
    faults.add("columns", number or None, message, "fetch or write the file again: its header is not whole")
    return None


def _value(pattern: re.Pattern[str], line: str) -> str | None:
    found = pattern.search(_QUOTED.sub('""', line))
    return found[1] if found else None


def _contig(line: str, number: int, contigs: dict[str, int | None], faults: Faults) -> None:
    name, length = _value(_ID, line), _value(_LENGTH, line)
    if name is None:
        message = f"declares a contig without an ID: {line[:60]!r}"
        faults.add("contig line", number, message, "write ##contig=<ID=…> (bcftools reheader -h)")
    elif name in contigs:
        message = f"declares the contig {name[:40]} a second time"
        faults.add("contig twice", number, message, "remove one of the two lines (bcftools reheader -h)")
    elif len(contigs) < CONTIGS_LIMIT:
        contigs[name] = int(length) if length else None
    else:
        message = f"declares over {CONTIGS_LIMIT:,} contigs"
        raise ReadError(message, Location(faults.name, line=number), "check that the file is a VCF", malformed=False)


def _genotype(line: str, number: int, faults: Faults) -> None:
    if _value(_NUMBER, line) != "1" or _value(_TYPE, line) != "String":
        message = f"declares GT otherwise than with Number=1 and Type=String: {line[:60]!r}"
        faults.add("GT line", number, message, f"write {_GENOTYPE} (bcftools reheader -h)")


def _samples(line: str, number: int, faults: Faults) -> tuple[str, ...] | None:
    """The names of the samples; None where the columns are not those of a VCF with genotypes."""
    found = line.split("\t")
    if tuple(found[: len(COLUMNS)]) != COLUMNS:
        wrong = next((i for i, name in enumerate(COLUMNS) if i >= len(found) or found[i] != name), 0)
        seen = repr(found[wrong][:40]) if wrong < len(found) else "nothing"
        message = f"expected {COLUMNS[wrong]} as column {wrong + 1}, between tabs, found {seen}"
        fix = (
            "take a VCF with genotypes" if wrong == 8 and seen == "nothing" else "write the columns of VCF between tabs"
        )
        faults.add("columns", number, message, fix)
        return None
    names = found[len(COLUMNS) :]
    if not names:
        faults.add("columns", number, "names no samples", "take a VCF with genotypes")
        return None
    seen_at: dict[str, int] = {}
    for column, name in enumerate(names, len(COLUMNS) + 1):
        if not name.strip():
            message = f"column {column} has no sample name"
            faults.add("sample name", number, message, "name every sample (bcftools reheader -s names.txt)")
        elif name in seen_at:
            message = f"the sample {name[:40]} stands in column {seen_at[name]} and again in column {column}"
            fix = "give every sample a name of its own (bcftools reheader -s names.txt)"
            faults.add("sample twice", number, message, fix)
        seen_at.setdefault(name, column)
    return tuple(names)
