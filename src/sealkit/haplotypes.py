"""A panel of haplotypes as arrays, from its rows, and how near its haplotypes are to each other."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]
Row = Mapping[str, Any]

RARE = 0.05
BINS = ("0-0.01", "0.01-0.05", "0.05-0.2", "0.2-0.5")  # of minor allele frequencies
REFERENCE = "reference"  # the part that is searched


@dataclass(frozen=True)
class Variants:
    """`frequency` (variants,) of the minor allele in the whole panel, and whether that is the alternate one."""

    frequency: Floats
    minor_is_alternate: Bits

    @property
    def rare(self) -> Bits:
        return (self.frequency > 0) & (self.frequency < RARE)

    def of_bin(self, name: str) -> Bits:
        """The variants of a bin like 0.01-0.05: its lower end is in it and its upper one is not, but for 0 and 0.5."""
        low, high = map(float, name.split("-"))
        above = self.frequency >= low if low > 0 else self.frequency > 0
        return above & (self.frequency <= high if high == 0.5 else self.frequency < high)


@dataclass(frozen=True)
class Haplotypes:
    """`alleles` (haplotypes, variants): 1 where a haplotype has the alternate allele. Ids, samples and parts in the same order."""

    ids: tuple[str, ...]
    samples: tuple[str, ...]
    parts: tuple[str, ...]
    alleles: NDArray[np.uint8]

    def of_part(self, part: str) -> list[int]:
        return [i for i, one in enumerate(self.parts) if one == part]


def variants(rows: Iterable[Row]) -> Variants:
    """From `variants/v1` rows. Raises ValueError where they are not numbered 0, 1, … or count more alleles than there are."""
    counts = []
    for number, row in enumerate(rows):
        if row["variant"] != number:
            raise ValueError(f"variant {row['variant']} stands where {number} is expected")
        if row["allele_count"] > row["allele_number"]:
            raise ValueError(f"variant {number} has {row['allele_count']} of {row['allele_number']} alleles")
        counts.append((row["allele_count"], row["allele_number"]))
    alternate, number_of = np.array(counts, dtype=np.int64).reshape(-1, 2).T
    reference = number_of - alternate
    return Variants(np.minimum(alternate, reference) / number_of, alternate <= reference)


def haplotypes(rows: Iterable[Row], parts: Container[str]) -> Haplotypes:
    """The haplotypes of some parts, from `haplotypes/v1` rows. Raises ValueError where they differ in their number of variants."""
    kept = [row for row in rows if row["part"] in parts]
    lengths = {len(row["alleles"]) for row in kept}
    if len(lengths) > 1:
        raise ValueError(f"haplotypes of {min(lengths)} and of {max(lengths)} variants")
    text = "".join(row["alleles"] for row in kept).encode()
    alleles = (np.frombuffer(text, dtype=np.uint8) & np.uint8(1)).reshape(len(kept), max(lengths, default=0))
    ids, samples, own = (tuple(row[key] for row in kept) for key in ("haplotype_id", "sample", "part"))
    return Haplotypes(ids, samples, own, alleles)


def spans(rows: Iterable[Row]) -> dict[int, tuple[int, int]]:
    """window → (number of its first variant, how many variants), from `windows/v1` rows."""
    return {row["window"]: (row["first"], row["length"]) for row in rows}


def recall(
    k: int, panel: Haplotypes, part: str, spans: Mapping[int, tuple[int, int]], rankings: Iterable[Row]
) -> float | None:
    """The share of the k nearest references that was retrieved, over every haplotype of a part in every window.

    `rankings/v1` rows by query, `<haplotype_id>/w<window>`. A retrieved reference is found where it differs from the query at
    no more positions of the window, nothing hidden, than the k-th nearest does: of equally near ones any will do. What was
    not retrieved or is no reference counts as not found; None where there is no query or no reference. Raises ValueError for
    a window that the panel does not have.
    """
    references, queries = panel.of_part(REFERENCE), panel.of_part(part)
    wanted = min(k, len(references))
    if not (wanted and queries and spans):
        return None
    column = {panel.ids[i]: number for number, i in enumerate(references)}
    retrieved = {
        query: [column[row["doc_id"]] for row in list(group)[:k] if row["doc_id"] in column]
        for query, group in groupby(rankings, key=itemgetter("query_id"))
    }
    found = 0
    for window, (first, length) in spans.items():
        if first + length > panel.alleles.shape[1]:
            raise ValueError(f"window {window} ends behind the last of {panel.alleles.shape[1]} variants")
        distance = _distances(
            panel.alleles[queries, first : first + length], panel.alleles[references, first : first + length]
        )
        reach = np.partition(distance, wanted - 1)[:, wanted - 1]
        for row, query in enumerate(queries):
            near = retrieved.get(f"{panel.ids[query]}/w{window}", [])
            found += int((distance[row, near] <= reach[row]).sum())
    return found / (wanted * len(queries) * len(spans))


def _distances(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """At how many positions each of some differs from each of the others. Exact up to 2^23 positions."""
    left, right = some.astype(np.float32), others.astype(np.float32)
    found: NDArray[np.float32] = left.sum(axis=1)[:, None] + right.sum(axis=1)[None, :] - 2 * (left @ right.T)
    return found
