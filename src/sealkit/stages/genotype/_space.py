"""The two spaces that haplotypes are retrieved in: windows of tokens as they are, or vectors of the network's encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit import encoders
from sealkit.stage import Input
from sealkit.stages.genotype import _network
from sealkit.stages.genotype._haplotypes import Data, Tokens, Window, differences

Vectors = NDArray[np.float32]
CHUNK = 512  # windows encoded at a time


class Diverged(ArithmeticError):
    """A network computes nothing any more: its numbers have left the range of floats."""


@dataclass(frozen=True)
class TokenSpace:
    """Masked windows of tokens, compared by L2: index and queries have to be masked alike."""

    data: Data
    metric: str = "l2"

    @property
    def encoder(self) -> None:
        """No weights made these vectors."""
        return None

    def vectors(self, tokens: Tokens, window: Window) -> Vectors:
        """Windows as vectors (haplotypes, width), each token as its value there."""
        values = np.zeros((self.data.width, self.data.vocabulary.values.shape[1]), dtype=np.float32)
        values[: window.length] = self.data.vocabulary.values[window.variants]
        return values[np.arange(self.data.width), tokens]

    def side(self, window: Window, group: Mapping[str, Any]) -> encoders.Encoder:
        """How queries of a window that are masked so are described; its inputs are vectors of tokens."""
        return encoders.of_tokens(
            tokens=_rule(self.data, window), dimension=self.data.width, mask=group, metric=self.metric
        )

    def inputs(self, tokens: Tokens, vectors: Vectors) -> NDArray[Any]:
        """What such an encoder is handed for these windows."""
        return vectors


@dataclass(frozen=True)
class EmbeddingSpace:
    """Vectors of the network's encoder, compared by inner product. References are never masked."""

    data: Data
    model: Any
    dimension: int
    encoder: str = field(repr=False)
    metric: str = "inner_product"

    def vectors(self, tokens: Tokens, window: Window) -> Vectors:
        """Windows as unit vectors (haplotypes, dimension). Raises Diverged where the network gives none."""
        import torch

        numbers, frequencies = _network.places(window, self.data.vocabulary, self.data.width)
        variants, shares = torch.from_numpy(numbers)[None], torch.from_numpy(frequencies)[None]
        found = []
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            for chunk in torch.from_numpy(np.ascontiguousarray(tokens)).split(CHUNK):
                x = chunk.long()
                found.append(self.model.vectors(self.model.states(x, variants, shares), x).numpy())
        self.model.train(training)
        whole = np.concatenate(found)
        if not np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-3):
            raise Diverged("the vectors of windows have no direction")
        return whole

    def side(self, window: Window, group: Mapping[str, Any]) -> encoders.Encoder:
        """How queries of a window that are masked so are described; its inputs are windows of tokens."""

        def encode(windows: Sequence[Any]) -> Vectors:
            return self.vectors(np.asarray(windows, dtype=np.uint8), window)

        return encoders.of_function(
            encode,
            name=_network.NAME,
            version=_network.VERSION,
            dimension=self.dimension,
            normalise=True,
            weights=self.encoder,
            tokenizer=_rule(self.data, window),
            mask=group,
        )

    def inputs(self, tokens: Tokens, vectors: Vectors) -> NDArray[Any]:
        """What such an encoder is handed for these windows."""
        return tokens


Space = TokenSpace | EmbeddingSpace


def embedding(data: Data, model: Any, weights: str | None = None) -> EmbeddingSpace:
    """The space of a network as it is now; `weights` is the digest of its weights, where that is known."""
    dimension = int(model.project.out_features)
    if weights is None:
        weights = encoders.weights_digest(
            {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
        )
        assert weights is not None  # a network has tensors
    return EmbeddingSpace(data, model, dimension, weights)


def loaded(data: Data, source: Input) -> EmbeddingSpace:
    """The space of a saved network. Raises Refused."""
    return embedding(data, _network.load(source.path, data), source.digest)


def _rule(data: Data, window: Window) -> dict[str, Any]:
    """What a token means: the table of tokens, and which variant stands at which place."""
    return {"tokens": data.vocabulary.digest, "window": window.document()}


def recall(data: Data, part: str, window: Window, rows: NDArray[np.int64]) -> float:
    """The share of retrieved references (queries, k; their rows) that are among the k nearest by all positions of the window,
    nothing hidden. One that is as near as the k-th counts."""
    distances = differences(*(data.parts[name].alleles[:, window.variants] for name in (part, "reference")))
    bound = np.partition(distances, rows.shape[1] - 1, axis=1)[:, rows.shape[1] - 1]
    return float(np.mean(np.take_along_axis(distances, rows, axis=1) <= bound[:, None] + 0.5))
