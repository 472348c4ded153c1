"""The order of the lines of a VCF: contigs stand together, positions do not fall, nothing stands there twice."""

from __future__ import annotations

from sealkit.finding import Location, ReadError
from sealkit.read.faults import Faults

CONTIGS_LIMIT = 1_000_000  # of one file; the assemblies with the most scaffolds stay below
HERE_LIMIT = 100_000  # variants at one position


class Order:
    """What the lines before say of the next one. Memory grows with the contigs, and with what stands at one position."""

    def __init__(self, file: str, faults: Faults) -> None:
        self.file, self.faults = file, faults
        self._ended: dict[str, int] = {}  # the contigs before the current one, and the last line of each
        self._contig: str | None = None
        self._position = self._line = 0
        self._here: set[int] = set()

    @property
    def contigs(self) -> tuple[str, ...]:
        """The contigs so far, in the order of the file."""
        return (*self._ended, *([] if self._contig is None else [self._contig]))

    def next(self, line: int, contig: str, position: int, ref: str, alt: str) -> None:
        """Note a line, and what is wrong with its place. Raises ReadError where it is beyond the bounds."""
        at = f"{contig[:40]}:{position}"
        if contig != self._contig:
            self._enter(line, contig)
        if position < self._position:
            message = f"is not sorted: {at} stands behind {contig[:40]}:{self._position} (line {self._line})"
            self.faults.add("order", line, message, self._sort, also=self._line)
        if position != self._position:
            self._here.clear()
        self._position, self._line = position, line
        # Alleles may be megabytes long: their hashes are kept, of 64 bits, which for so few do not meet by chance.
        if (alleles := hash((ref, alt))) in self._here:
            message = f"{at}: {ref[:40]} to {alt[:40]} stands here a second time"
            self.faults.add("twice", line, message, f"bcftools norm -d exact -O z -o once.vcf.gz {self.file}")
        self._here.add(alleles)
        if len(self._here) > HERE_LIMIT:
            raise self._beyond(line, f"has over {HERE_LIMIT:,} variants at one position")

    def _enter(self, line: int, contig: str) -> None:
        if self._contig is not None:
            self._ended[self._contig] = self._line
        if contig in self._ended:
            before = self._ended[contig]
            message = f"the contig {contig[:40]} comes back; its lines ended with line {before}"
            self.faults.add("contig order", line, message, self._sort, also=before)
        if len(self._ended) > CONTIGS_LIMIT:
            raise self._beyond(line, f"has over {CONTIGS_LIMIT:,} contigs")
        self._contig, self._position = contig, 0

    @property
    def _sort(self) -> str:
        return f"bcftools sort -O z -o sorted.vcf.gz {self.file}"

    def _beyond(self, line: int, message: str) -> ReadError:
        return ReadError(
            message, Location(self.faults.name, line=line), "check that the file is a VCF", malformed=False
        )
