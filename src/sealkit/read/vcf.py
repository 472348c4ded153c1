"""VCF as text, plain or gzipped, judged for what a panel of haplotypes needs: header and body agree, variants are sorted,
every genotype is there, of two alleles, and phased. Nothing is loaded whole.

Format: https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from sealkit.finding import Finding, Location, ReadError
from sealkit.read import gz, vcf_alleles, vcf_header
from sealkit.read.faults import Faults
from sealkit.read.vcf_alleles import MULTIALLELIC, NO_ALTERNATE
from sealkit.read.vcf_genotypes import MISSING, tally
from sealkit.read.vcf_header import COLUMNS, Header
from sealkit.read.vcf_order import Order

LAST_POSITION = 2**31 - 1  # of VCF
_UNMARK = r"sed '1s/^\xef\xbb\xbf//' | bgzip > new.vcf.gz"
_CONTIG = re.compile(r"[^\s<>,]{1,255}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the body. `count` of the alternate alleles among `number` alleles. `out`: for what reason it is none of the
    variants of two alleles that everybody has: multiallelic, no_alternate or missing; None for all others."""

    line: int
    contig: str
    position: int
    id: str | None
    ref: str
    alt: str
    count: int
    number: int
    out: str | None


class Vcf:
    """One pass over a VCF. When `variants` has come to its end, `faults` is complete, the header known, and `counts` how many
    variants there are for each `Variant.out`."""

    def __init__(self, path: Path, name: str | None = None, *, follow: bool = True) -> None:
        self.path, self.name, self.follow = path, name or str(path), follow
        self.faults = Faults(self.name)
        self.header: Header | None = None
        self.counts: Counter[str | None] = Counter()
        self._order = Order(self.path.name, self.faults)

    def variants(self) -> Iterator[Variant]:
        """The variants whose line could be read as one, sound or not, in the order of the file. Raises ReadError."""
        self._begins()
        lines = gz.lines(self.path, self.name, follow=self.follow)
        self.header = vcf_header.read(lines, self.faults)
        if self.header is None:
            return
        number = self.header.line
        for number, line in lines:
            cells = self._cells(number, line, self.header)
            if cells is None:
                continue
            variant = self._variant(number, cells, self.header)
            if variant is not None:
                self.counts[variant.out] += 1
                yield variant
        if number == self.header.line:
            self.faults.add("body", number, "holds no variants", "fetch or write the file again: it has a header alone")
        if gz.padded(self.path, self.name, follow=self.follow):
            message = "is padded with zero bytes behind what is gzipped; htslib reads no such file"
            again = f"gzip -dc < {shlex.quote(self.path.name)} | bgzip > new.vcf.gz"
            self.faults.add("padding", None, message, f"pack it again: {again}")
        elif gz.lacks_end(self.path, self.name, follow=self.follow):
            message = "lacks the block that ends a bgzip file: it may be cut off between two blocks"
            self.faults.add("end", number, message, "compare it with its source, then pack it again", warning=True)

    @property
    def contigs(self) -> tuple[str, ...]:
        """The contigs that have variants, in the order of the file."""
        return self._order.contigs

    def findings(self, but: Container[str] = ()) -> Iterator[Finding]:
        """What keeps the file from being sound, one finding a fault, without the faults `but`. Raises ReadError, after what was
        found before it."""
        try:
            for _ in self.variants():
                pass
        except ReadError:
            yield from self.faults.findings(but)
            raise
        yield from self.faults.findings(but)

    def _begins(self) -> None:
        found = gz.head(self.path, self.name, 3, follow=self.follow, unpacked=True)
        if found == codecs.BOM_UTF8:
            message = "begins with a byte-order mark; htslib reads no such file"
            fix = f"remove it: zcat -f {shlex.quote(self.path.name)} | {_UNMARK}"
            self.faults.add("byte-order mark", 1, message, fix)
        if found == b"BCF":
            message = "is BCF, the binary form; VCF text is read"
            fix = f"bcftools view -O z -o {self.path.with_suffix('.vcf.gz').name} {self.path.name}"
            raise ReadError(message, Location(self.name), fix)

    def _cells(self, number: int, line: str, header: Header) -> list[str] | None:
        """The first nine columns and all genotypes as one text; None where the line has not the columns of the header."""
        again = "fetch or write the file again: it was cut or edited"
        expected = len(COLUMNS) + len(header.samples)
        if not line:
            self.faults.add("blank", number, "is blank; expected a variant on each line", "remove the line")
        elif line.startswith("#"):
            message = f"expected a variant, found a line of a header: {line[:40]!r}"
            self.faults.add("header again", number, message, "join files with bcftools concat")
        elif "\0" in line:
            self.faults.add("NUL", number, "holds a NUL byte; expected text", again)
        elif (found := line.count("\t") + 1) != expected:
            message = f"has {found:,} columns; the header (line {header.line}) has {expected:,}"
            self.faults.add("column count", number, message, again, also=header.line)
        else:
            cells = line.split("\t", len(COLUMNS))
            if "" not in cells[:-1]:
                return cells
            message = f"has nothing in the column {COLUMNS[cells.index('')].lstrip('#')}"
            self.faults.add("empty column", number, message, "write . where a value is missing")
        return None

    def _variant(self, number: int, cells: list[str], header: Header) -> Variant | None:
        contig, text, name, ref, alt, _, _, _, keys, block = cells
        at = f"{contig[:40]}:{text[:20]}"
        position = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
        if not 1 <= position <= LAST_POSITION:
            message = f"expected a whole number from 1 to {LAST_POSITION:,} as POS, found {text[:40]!r}"
            self.faults.add("position", number, message, "write positions as VCF counts them, from 1")
            return None
        self._declared(number, contig, position, header)
        self._order.next(number, contig, position, ref, alt)
        alternates = vcf_alleles.judge(ref, alt, number, at, self.faults)
        if not header.genotypes:
            fix = 'add ##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype"> (bcftools reheader -h)'
            self.faults.add("GT undeclared", number, f"{at}: has genotypes, and the header declares no GT", fix)
        if keys.partition(":")[0] != "GT":
            message = f"{at}: expected GT first in FORMAT, found {keys[:40]!r}"
            here = "GT" in keys.split(":")
            fix = "keep GT alone: bcftools annotate -x ^FORMAT/GT" if here else "take a VCF with genotypes"
            self.faults.add("FORMAT", number, message, fix)
            return None
        found = tally(block, header.samples, keys, alternates, number, at, self.faults)
        out = MULTIALLELIC if alternates > 1 else NO_ALTERNATE if not alternates else MISSING if found.missing else None
        return Variant(
            number, contig, position, None if name == "." else name, ref, alt, found.count, found.number, out
        )

    def _declared(self, number: int, contig: str, position: int, header: Header) -> None:
        if not _CONTIG.fullmatch(contig):
            message = f"{contig[:40]!r} is no name of a contig"
            self.faults.add("contig name", number, message, "name it as its FASTA does")
        elif header.contigs and contig not in header.contigs:
            other = contig.removeprefix("chr") if contig.startswith("chr") else f"chr{contig}"
            known, fix = "", "declare the contigs of the FASTA: bcftools reheader --fai reference.fa.fai"
            if other in header.contigs:
                known = f"; it declares {other}"
                fix = f"bcftools annotate --rename-chrs names.txt, with {contig} {other} in it"
            self.faults.add("contig", number, f"the contig {contig} is not declared in the header{known}", fix)
        elif (length := header.contigs.get(contig)) is not None and position > length:
            message = f"{contig}:{position} is behind the end of the contig: the header says that it has {length} bases"
            fix = "header and positions are of two assemblies: fetch the file again, or reheader it with the right one"
            self.faults.add("behind the contig", number, message, fix)
