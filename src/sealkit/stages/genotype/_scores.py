"""F1, concordance and dosage r² of imputed alleles, by scikit-learn and SciPy. The definitions stand in spec/metrics/keys.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.stages.genotype._haplotypes import Part

RARE = 0.05  # minor allele frequencies below it
STILL = 1e-9  # doses that differ by no more do not vary
BINS = ((0.0, 0.01), (0.01, 0.05), (0.05, 0.2), (0.2, 0.5))
SUFFIXES = ("", *(f"/{low:g}-{high:g}" for low, high in BINS))
NAMES = ("F1", "F1_rare", *(f"{name}{suffix}" for name in ("concordance", "dosage_r2") for suffix in SUFFIXES))


def minor_alleles(variants: Iterable[Mapping[str, Any]]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The minor allele of each variant in the whole panel, 0 or 1 (the alternate one where both are as frequent), and its frequency."""
    copies = np.array([(row["allele_count"], row["allele_number"]) for row in variants])
    alternate, number = copies[:, 0], copies[:, 1]
    return (2 * alternate <= number).astype(np.uint8), np.minimum(alternate, number - alternate) / number


class Scored:
    """Takes the probabilities of one window after the other, then measures all of them together."""

    def __init__(self, variants: Iterable[Mapping[str, Any]], part: Part) -> None:
        self._minor, self._maf = minor_alleles(variants)
        self._truth = part.alleles
        samples = sorted(set(part.samples))
        self._sample = np.array([samples.index(name) for name in part.samples])
        self._numbers: list[NDArray[np.int64]] = []
        self._p_alt: list[NDArray[np.float64]] = []

    def add(self, numbers: NDArray[np.int64], p_alt: NDArray[np.float64]) -> None:
        """Probabilities (haplotypes, hidden) of the alternate allele at these variants."""
        self._numbers.append(numbers)
        self._p_alt.append(p_alt)

    def measures(self) -> dict[str, float]:
        """Values by their NAMES, the last part of their keys; what is not defined is left out."""
        from sklearn.metrics import f1_score

        numbers, p_alt = np.concatenate(self._numbers), np.concatenate(self._p_alt, axis=1)
        truth, called, maf, minor = self._truth[:, numbers], p_alt >= 0.5, self._maf[numbers], self._minor[numbers]
        found: dict[str, float] = {}
        for name, kept in (("F1", np.ones(len(numbers), dtype=bool)), ("F1_rare", (maf > 0) & (maf < RARE))):
            is_minor, said = (truth[:, kept] == minor[kept]).ravel(), (called[:, kept] == minor[kept]).ravel()
            if is_minor.any() or said.any():
                found[name] = float(f1_score(is_minor, said))
        genotype, guess = self._by_sample(truth), self._by_sample(called)
        # Doses are of the minor allele: pooled over variants, it matters which one is counted.
        dose = self._by_sample(np.where(minor == 1, p_alt, 1 - p_alt))
        true_dose = self._by_sample(truth == minor)
        parts = [np.ones(len(numbers), dtype=bool), *(_within(maf, low, high) for low, high in BINS)]
        for suffix, kept in zip(SUFFIXES, parts, strict=True):
            if kept.any():
                found[f"concordance{suffix}"] = float(np.mean(genotype[:, kept] == guess[:, kept]))
                if (squared := _r2(dose[:, kept].ravel(), true_dose[:, kept].ravel())) is not None:
                    found[f"dosage_r2{suffix}"] = squared
        return found

    def counts(self) -> dict[str, int]:
        """How much was scored: variants, those that are rare, and the rare minor alleles among the true ones."""
        numbers = np.concatenate(self._numbers)
        rare = numbers[(self._maf[numbers] > 0) & (self._maf[numbers] < RARE)]
        minor = int((self._truth[:, rare] == self._minor[rare]).sum())
        return {
            "variants": len(set(numbers.tolist())),
            "rare_variants": len(set(rare.tolist())),
            "rare_minor_alleles": minor,
        }

    def _by_sample(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums over the two copies of each sample: (samples, hidden)."""
        found = np.zeros((self._sample.max() + 1, values.shape[1]))
        np.add.at(found, self._sample, values)
        return found


def _within(maf: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return (maf > 0) & (maf >= low) & ((maf <= high) if high == 0.5 else (maf < high))


def _r2(dose: NDArray[np.float64], true_dose: NDArray[np.float64]) -> float | None:
    """The squared Pearson correlation; None where either side is constant."""
    from scipy.stats import pearsonr

    if len(dose) < 2 or min(np.ptp(dose), np.ptp(true_dose)) <= STILL:
        return None
    return float(pearsonr(dose, true_dose).statistic ** 2)
