"""Probabilities of alternate alleles, from the network and the haplotypes that were retrieved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.stages.genotype import _network
from sealkit.stages.genotype._haplotypes import Data, Tokens, Window
from sealkit.stages.genotype._space import CHUNK


def probabilities(
    model: Any, data: Data, window: Window, tokens: Tokens, near: NDArray[np.int64]
) -> NDArray[np.float32]:
    """P(alternate allele), (haplotypes, width), of a window's masked tokens; `near` are rows of the reference part (haplotypes, k)."""
    import torch

    references = torch.from_numpy(data.tokens("reference", window)).long()
    numbers, frequencies = _network.places(window, data.vocabulary, data.width)
    variants, shares = torch.from_numpy(numbers)[None], torch.from_numpy(frequencies)[None]
    found = []
    model.eval()
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(tokens)), max(1, -(-len(tokens) // CHUNK))):
            x = torch.from_numpy(tokens[rows]).long()
            logits = model.impute(model.states(x, variants, shares), x, references[torch.from_numpy(near[rows])])
            found.append(torch.sigmoid(logits).numpy())
    return np.concatenate(found)
