"""Splits samples into parts by a seed: by sample, so that both copies of one are in the same part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sealkit.finding import UsageError

PARTS = ("reference", "train", "validation", "test")


def split(samples: Sequence[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """sample → part, whatever the order of the samples; `spec/panel` says how they are drawn.

    Raises UsageError where a part that has a share would be empty.
    """
    names = sorted(samples)
    words = np.random.PCG64(seed).random_raw(len(names))
    drawn = [name for _, name in sorted(zip(words.tolist(), names, strict=True))]
    found: dict[str, str] = {}
    total, first = 0.0, 0
    for part in PARTS:
        total += shares[part]
        last = len(drawn) if part == PARTS[-1] else math.floor(total * len(drawn) + 0.5)
        if shares[part] and first == last:
            raise UsageError(
                f"split: of {len(drawn)} samples none is left for {part} ({shares[part]:g})",
                "take a panel with more samples, or give the part a larger share, or none",
            )
        found |= dict.fromkeys(drawn[first:last], part)
        first = last
    return found
