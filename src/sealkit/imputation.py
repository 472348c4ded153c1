"""Measures of imputed genotypes from rows, for recomputation: independent of whatever computed the numbers first.

Definitions stand in `spec/metrics/keys.yaml`: the positive allele is the minor one of the whole panel, the predicted one the
alternate where p_alt is at least 0.5, a genotype the two copies of a sample in one window. What is undefined is left out.
Memory grows with the alleles of the haplotypes that are kept and those that were scored: 3 bytes and some 30 bytes each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.haplotypes import BINS, Bits, Floats, Haplotypes, Row, Variants, haplotypes, recall, spans, variants

__all__ = [
    "BINS",
    "MEASURES",
    "Haplotypes",
    "Scores",
    "Tally",
    "Variants",
    "Window",
    "haplotypes",
    "r_squared",
    "recall",
    "score",
    "score_rows",
    "spans",
    "variants",
    "windows",
]

Counts = NDArray[np.int64]

MEASURES = (
    "F1",
    "F1_rare",
    *(f"{name}{end}" for name in ("concordance", "dosage_r2") for end in ("", *(f"/{b}" for b in BINS))),
)
STILL = 1e-9  # doses that differ by no more are one: what is left of rounding is no variance


@dataclass(frozen=True)
class Window:
    """What was predicted in one window: `p_alt` (haplotypes, positions) for `positions` (of the panel), the same for all."""

    haplotypes: tuple[str, ...]
    positions: NDArray[np.intp]
    p_alt: Floats


def windows(rows: Iterable[Row]) -> dict[int, Window]:
    """window → what was predicted there, from `imputed_alleles/v1` rows.

    Raises ValueError where positions do not rise, are not as many as probabilities, or are not those of the window's other rows.
    """
    ids: dict[int, list[str]] = {}
    positions: dict[int, list[int]] = {}
    values: dict[int, list[Floats]] = {}
    for row in rows:
        window, own, here = row["window"], row["positions"], f"haplotype {row['haplotype_id']}, window {row['window']}"
        if len(own) != len(row["p_alt"]):
            raise ValueError(f"{here}: {len(own)} positions and {len(row['p_alt'])} probabilities")
        if window not in positions:
            if any(after <= before for before, after in itertools.pairwise(own)):
                raise ValueError(f"{here}: its positions do not rise")
            positions[window], ids[window], values[window] = own, [], []
        elif own != positions[window]:
            raise ValueError(f"{here}: other positions than {ids[window][0]} has there")
        ids[window].append(row["haplotype_id"])
        values[window].append(np.array(row["p_alt"], dtype=np.float64))
    return {
        window: Window(tuple(ids[window]), np.array(positions[window], dtype=np.intp), np.stack(values[window]))
        for window in ids
    }


@dataclass(frozen=True)
class Tally:
    """Minor alleles that were found, invented and missed, genotypes that were predicted right, and genotypes: by variant, or by sample."""

    found: Counts
    invented: Counts
    missed: Counts
    right: Counts
    genotypes: Counts

    @classmethod
    def empty(cls, size: int) -> Tally:
        return cls(*(np.zeros(size, dtype=np.int64) for _ in range(5)))

    def f1(self, chosen: Any = slice(None)) -> float | None:
        """2 TP / (2 TP + FP + FN) over the chosen entries; None where nothing is positive."""
        hits = 2 * int(self.found[chosen].sum())
        return _ratio(hits, hits + int(self.invented[chosen].sum()) + int(self.missed[chosen].sum()))

    def concordance(self, chosen: Any = slice(None)) -> float | None:
        return _ratio(int(self.right[chosen].sum()), int(self.genotypes[chosen].sum()))


@dataclass(frozen=True)
class Scores:
    """What was predicted beside what is true: `by_variant`, `by_sample`, and of each window its positions and both doses
    (samples, positions) of the minor allele, predicted and true. Where windows overlap, an allele counts once a window there.
    `minor` (haplotypes, variants) are the minor alleles that were scored at all, and `missed` those that any window missed."""

    variants: Variants
    samples: tuple[str, ...]
    by_variant: Tally
    by_sample: Tally
    doses: list[tuple[NDArray[np.intp], Floats, Floats]]
    minor: Bits
    missed: Bits

    def _add(self, window: Window, alleles: NDArray[np.uint8], rows: NDArray[np.intp], owner: NDArray[np.intp]) -> None:
        """Count the alleles (haplotypes, positions) of one window; `rows` (haplotypes,) are theirs in the panel, and `owner` numbers
        the samples that they are of."""
        minor = self.variants.minor_is_alternate[window.positions]
        true, said = (alleles == 1) == minor, (window.p_alt >= 0.5) == minor
        here = np.ix_(rows, window.positions)
        self.minor[here] |= true
        self.missed[here] |= true & ~said
        pair = np.argsort(owner, kind="stable").reshape(-1, 2).T  # (2, samples): the rows of both copies
        sample = owner[pair[0]]
        right = said[pair].sum(axis=0) == true[pair].sum(axis=0)
        for name, hit in (("found", said & true), ("invented", said & ~true), ("missed", ~said & true)):
            getattr(self.by_variant, name)[window.positions] += hit.sum(axis=0)
            getattr(self.by_sample, name)[sample] += hit[pair].sum(axis=(0, 2))
        self.by_variant.right[window.positions] += right.sum(axis=0)
        self.by_variant.genotypes[window.positions] += len(sample)
        self.by_sample.right[sample] += right.sum(axis=1)
        self.by_sample.genotypes[sample] += len(window.positions)
        dose = np.where(minor, window.p_alt, 1 - window.p_alt)
        self.doses.append((window.positions, dose[pair].sum(axis=0), true[pair].sum(axis=0, dtype=np.float64)))

    def measures(self) -> dict[str, float]:
        """`F1`, `F1_rare`, `concordance`, `dosage_r2` and the last two by bin, as `dosage_r2/0.01-0.05`; without what is undefined."""
        tally, every = self.by_variant, np.ones(len(self.variants.frequency), dtype=np.bool_)
        found = {"F1": tally.f1(), "F1_rare": tally.f1(self.variants.rare)}
        for name, chosen in (("", every), *((f"/{name}", self.variants.of_bin(name)) for name in BINS)):
            found[f"concordance{name}"] = tally.concordance(chosen)
            found[f"dosage_r2{name}"] = r_squared(*self._doses(chosen))
        return {name: value for name, value in found.items() if value is not None}

    def _doses(self, chosen: Bits) -> tuple[Floats, Floats]:
        """Predicted and true dose of every genotype of the chosen variants, each (genotypes,)."""
        here = [(said[:, chosen[at]], true[:, chosen[at]]) for at, said, true in self.doses]
        said, true = (
            ([column.ravel() for column in columns] for columns in zip(*here, strict=True)) if here else ([], [])
        )
        return np.concatenate([np.zeros(0), *said]), np.concatenate([np.zeros(0), *true])

    def per_sample(self) -> dict[str, dict[str, float]]:
        """measure → sample → value, of F1 and concordance; without the samples of which a measure is undefined."""
        values = {"F1": self.by_sample.f1, "concordance": self.by_sample.concordance}
        return {
            name: {sample: value for i, sample in enumerate(self.samples) if (value := function([i])) is not None}
            for name, function in values.items()
        }

    def scored(self, chosen: Bits) -> tuple[int, int, int]:
        """Of the chosen variants: how many were scored, the minor alleles they have in truth, and how many of these were found. Each
        allele of a haplotype counts once, and as found where every window that holds it found it."""
        minor, missed = (int(bits[:, chosen].sum()) for bits in (self.minor, self.missed))
        return int((self.by_variant.genotypes[chosen] > 0).sum()), minor, minor - missed


def score(panel: Haplotypes, known: Variants, predicted: Mapping[int, Window]) -> Scores:
    """Hold what was predicted against the panel, a window at a time.

    Raises ValueError for a haplotype that the panel does not hold, a position that it does not have, and a sample
    of which a window does not hold both copies.
    """
    if panel.ids and panel.alleles.shape[1] != len(known.frequency):
        raise ValueError(f"haplotypes of {panel.alleles.shape[1]} variants; there are {len(known.frequency)}")
    rows, samples = {name: i for i, name in enumerate(panel.ids)}, tuple(dict.fromkeys(panel.samples))
    numbers = {sample: i for i, sample in enumerate(samples)}
    owner = np.array([numbers[sample] for sample in panel.samples], dtype=np.intp)
    none = np.zeros((len(panel.ids), len(known.frequency)), dtype=np.bool_)
    by_variant, by_sample = Tally.empty(len(known.frequency)), Tally.empty(len(samples))
    scores = Scores(known, samples, by_variant, by_sample, [], none, none.copy())
    for number, window in predicted.items():
        if unknown := [name for name in window.haplotypes if name not in rows]:
            raise ValueError(f"window {number}: haplotype {unknown[0]} is not among those that are scored")
        if window.positions.size and window.positions[-1] >= len(known.frequency):
            raise ValueError(f"window {number}: there is no variant {window.positions[-1]}")
        own = np.array([rows[name] for name in window.haplotypes], dtype=np.intp)
        held, copies = np.unique(owner[own], return_counts=True)
        if lone := [samples[i] for i in held[copies != 2]]:
            raise ValueError(f"window {number}: not both copies of sample {lone[0]}")
        scores._add(window, panel.alleles[own][:, window.positions], own, owner[own])
    return scores


def score_rows(haplotype_rows: Iterable[Row], variant_rows: Iterable[Row], imputed: Iterable[Row], part: str) -> Scores:
    """`score` from `haplotypes/v1`, `variants/v1` and `imputed_alleles/v1` rows of one part. Raises ValueError."""
    return score(haplotypes(haplotype_rows, {part}), variants(variant_rows), windows(imputed))


def r_squared(one: Floats, other: Floats) -> float | None:
    """The squared Pearson correlation of two columns; None where one does not vary, or there are fewer than two rows."""
    if len(one) < 2 or min(np.ptp(one), np.ptp(other)) <= STILL:
        return None
    left, right = one - one.mean(), other - other.mean()
    return min(float(left @ right) ** 2 / (float(left @ left) * float(right @ right)), 1.0)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
