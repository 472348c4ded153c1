"""Haplotypes, windows and tokens as arrays: what the stages that index, train and impute are handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.finding import Finding, Location, Refused, Severity, pointer
from sealkit.stage import Input

Alleles = NDArray[np.uint8]
Bits = NDArray[np.bool_]
Tokens = NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """Variants `first` to `first + length - 1` of a panel, all on one contig."""

    number: int
    contig: str
    first: int
    length: int
    start: int
    end: int

    @property
    def variants(self) -> slice:
        return slice(self.first, self.first + self.length)

    def document(self) -> dict[str, Any]:
        return {"contig": self.contig, "first": self.first, "length": self.length, "start": self.start, "end": self.end}


@dataclass(frozen=True)
class Part:
    """The haplotypes of one part: ids and samples in the order of the panel, alleles of shape (haplotypes, variants)."""

    ids: tuple[str, ...]
    samples: tuple[str, ...]
    alleles: Alleles


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of alleles; `values` (variants, 4) are what each token is in a vector of tokens, `frequencies` (variants) those
    of the alternate allele in the reference part, `digest` that of the document they stand in."""

    reference: int
    alternate: int
    mask: int
    pad: int
    frequencies: NDArray[np.float32]
    values: NDArray[np.float32]
    digest: str


@dataclass(frozen=True)
class Data:
    """What all stages after the tokens work on. `width` is the length of the longest window."""

    parts: Mapping[str, Part]
    windows: tuple[Window, ...]
    vocabulary: Vocabulary
    source: Input

    @cached_property
    def width(self) -> int:
        return max(window.length for window in self.windows)

    def tokens(self, part: str, window: Window, hidden: Bits | None = None) -> Tokens:
        """The windows of a part as tokens (haplotypes, width): `hidden` positions are masked, those behind the window padded."""
        alleles = self.parts[part].alleles[:, window.variants]
        found = np.full((len(alleles), self.width), self.vocabulary.pad, dtype=np.uint8)
        found[:, : window.length] = np.where(alleles == 1, self.vocabulary.alternate, self.vocabulary.reference)
        if hidden is not None:
            found[:, : window.length][:, hidden] = self.vocabulary.mask
        return found


def differences(some: Alleles, others: Alleles) -> NDArray[np.float32]:
    """Hamming distances (some, others) of haplotypes, each (haplotypes, variants)."""
    a, b = some.astype(np.float32), others.astype(np.float32)
    found: NDArray[np.float32] = a.sum(1)[:, None] + b.sum(1)[None] - 2 * a @ b.T
    return found


def refused(source: Input, message: str, fix: str, *place: str) -> Refused:
    """That a stage declines one of its inputs; `place` is in its document."""
    at = Location(str(source.path), pointer=pointer(*place) if place else None)
    return Refused([Finding(message, at, Severity.ERROR, fix=fix)])


SUBSET = r"^(train|validation|test)(\.[A-Za-z0-9_-]+)?$"


def part_of(subset: str) -> str:
    """The part of a panel that a subset is of: that of test.nearest is test."""
    return subset.partition(".")[0]


def query_id(haplotype: str, window: Window) -> str:
    """What one window of a haplotype is called among queries."""
    return f"{haplotype}/w{window.number}"


def load(inputs: Mapping[str, Input], *names: str) -> Data:
    """The parts of these names. Raises Refused where one of them is empty."""
    source = inputs["haplotypes"]
    rows: dict[str, list[Mapping[str, Any]]] = {name: [] for name in names}
    for row in source.rows():
        if row["part"] in rows:
            rows[row["part"]].append(row)
    for name, found in rows.items():
        if not found:
            message = f"the panel has no haplotype of the part {name}"
            fix = "give that part a larger share, or take more samples"
            raise refused(source, message, fix)
    windows = (
        Window(row["window"], row["contig"], row["first"], row["length"], row["start"], row["end"])
        for row in inputs["windows"].rows()
    )
    return Data({name: _part(found) for name, found in rows.items()}, tuple(windows), _vocabulary(inputs), source)


def _part(rows: list[Mapping[str, Any]]) -> Part:
    alleles = np.frombuffer("".join(row["alleles"] for row in rows).encode("ascii"), dtype=np.uint8) - ord("0")
    return Part(
        tuple(row["haplotype_id"] for row in rows),
        tuple(row["sample"] for row in rows),
        alleles.reshape(len(rows), -1),
    )


def _vocabulary(inputs: Mapping[str, Input]) -> Vocabulary:
    said = inputs["tokens"].read()
    numbers, frequencies = said["tokens"], np.array(said["frequencies"], dtype=np.float32)
    values = np.zeros((len(frequencies), len(numbers)), dtype=np.float32)
    if said["encoding"] == "allele":
        values[:] = np.arange(len(numbers))
    else:
        # (allele - p) / sqrt(p (1 - p)), Patterson, Price & Reich 2006; what is hidden or absent is the mean, 0.
        spread = np.sqrt(frequencies * (1 - frequencies))
        values[:, numbers["reference"]] = -frequencies / spread
        values[:, numbers["alternate"]] = (1 - frequencies) / spread
    return Vocabulary(**numbers, frequencies=frequencies, values=values, digest=inputs["tokens"].digest)
