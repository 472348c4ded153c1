"""One epoch of training: examples with what was retrieved for them, the loss, and F1 on what was hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sealkit.stage import Params
from sealkit.stages.genotype import _imputing, _network
from sealkit.stages.genotype._haplotypes import Bits, Data, Tokens
from sealkit.stages.genotype._indexes import Found
from sealkit.stages.genotype._masks import Mask

_SHARPNESS = 0.05  # temperature of the softmax over similarities of vectors
_DISTANCE = 2.0  # and over Hamming distances of windows, in alleles


class Optimising(Params):
    """AdamW (Loshchilov and Hutter 2019). `retrieval_weight`: of the loss that teaches the encoder which windows are alike, in
    embedding space. Windows come in blocks of `block` haplotypes, `batch_size` in all: only windows of one place are compared."""

    batch_size: int = Field(default=128, ge=2)
    block: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    retrieval_weight: float = Field(default=0.3, ge=0)


@dataclass(frozen=True)
class Examples:
    """Windows of one part as they are trained or judged on, by window: masked tokens and the true ones (haplotypes, width), which
    positions are hidden (width), and rows of the reference part (haplotypes, k)."""

    masked: tuple[Tokens, ...]
    true: tuple[Tokens, ...]
    hidden: tuple[Bits, ...]
    near: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return sum(len(one) for one in self.masked)


def examples(data: Data, part: str, drawn: Mask, epoch: int, found: Found) -> Examples:
    """The windows of a part, masked as in this epoch, with what a search found for them."""
    masked, hidden = [], []
    for window in data.windows:
        bits = np.zeros(data.width, dtype=np.bool_)
        bits[: window.length] = drawn.hidden(window, epoch)
        hidden.append(bits)
        masked.append(data.tokens(part, window, bits[: window.length]))
    true = tuple(data.tokens(part, window) for window in data.windows)
    return Examples(tuple(masked), true, tuple(hidden), tuple(found.rows))


def optimiser(model: Any, params: Optimising) -> Any:
    import torch

    return torch.optim.AdamW(model.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)


def train(
    model: Any,
    optimiser: Any,
    given: Examples,
    data: Data,
    minor: NDArray[np.uint8],
    params: Optimising,
    retrieval_weight: float,
    seed: int,
    tell: Callable[[int, int], None],
) -> dict[str, float]:
    """Train on all examples once, in an order of this seed; `minor` (variants,) is the minor allele of each. Metric key → value: the mean
    losses, and F1 on what was hidden, each batch as it was met."""
    import torch
    from torch.nn import functional

    order = torch.Generator().manual_seed(seed)
    blocks = [
        (i, rows)
        for i, masked in enumerate(given.masked)
        for rows in torch.randperm(len(masked), generator=order).split(params.block)
    ]
    turns = torch.randperm(len(blocks), generator=order).split(max(1, params.batch_size // params.block))
    places = [_network.places(window, data.vocabulary, data.width) for window in data.windows]
    references = [torch.from_numpy(data.tokens("reference", window)) for window in data.windows]
    losses, counted = _Losses(), _Counted(minor)
    model.train()
    for done, turn in enumerate(turns, 1):
        batch = [blocks[i] for i in turn.tolist()]
        x, true, hidden, near, variants, shares, which = (
            torch.cat(parts)
            for parts in zip(*(_block(given, places, references, i, rows) for i, rows in batch), strict=True)
        )
        tell(done, len(turns))
        if not hidden.any():
            continue  # short windows alone, of which a low rate hides nothing
        states = model.states(x, variants, shares)
        logits, target = model.impute(states, x, near)[hidden], (true == data.vocabulary.alternate)[hidden]
        imputed = loss = functional.binary_cross_entropy_with_logits(logits, target.float())
        if retrieval_weight:
            alike = _alike(model, states, x, true, variants, shares, which)
            loss = imputed + retrieval_weight * alike
            losses.add("train/retrieval_loss", alike, len(x))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.add("train/loss", imputed, len(x))
        counted.add(variants[hidden].numpy(), target.numpy(), (logits.detach() >= 0).numpy())
    return {**losses.means(), "genotype/train/F1": counted.f1()}


class _Losses:
    """Losses by key, each as a mean over windows."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, key: str, value: Any, count: int) -> None:
        self._sums[key] = self._sums.get(key, 0.0) + float(value.detach()) * count
        self._counts[key] = self._counts.get(key, 0) + count

    def means(self) -> dict[str, float]:
        return {key: self._sums[key] / self._counts[key] for key in self._sums}


def _block(given: Examples, places: Any, references: Any, i: int, rows: Any) -> tuple[Any, ...]:
    """Some haplotypes of one window as tensors."""
    import torch

    count, chosen = len(rows), rows.numpy()
    numbers, frequencies = places[i]
    return (
        torch.from_numpy(given.masked[i][chosen]).long(),
        torch.from_numpy(given.true[i][chosen]).long(),
        torch.from_numpy(given.hidden[i]).expand(count, -1),
        references[i][torch.from_numpy(given.near[i][chosen])].long(),
        torch.from_numpy(numbers).expand(count, -1),
        torch.from_numpy(frequencies).expand(count, -1),
        torch.full((count,), i),
    )


def _alike(model: Any, states: Any, x: Any, true: Any, variants: Any, shares: Any, which: Any) -> Any:
    """How far the similarities of masked to unmasked windows are from what their true alleles say (Kullback-Leibler).

    The target is a softmax over negative Hamming distances: a masked window belongs near those that it agrees with where it is hidden too.
    """
    import torch
    from torch.nn import functional

    asked, there = model.vectors(states, x), model.vectors(model.states(true, variants, shares), true)
    elsewhere = which[:, None] != which[None]
    distances = (true[:, None] != true[None]).sum(-1).float()
    target = torch.softmax((-distances / _DISTANCE).masked_fill(elsewhere, -1e9), 1)
    said = torch.log_softmax((asked @ there.T / _SHARPNESS).masked_fill(elsewhere, -1e9), 1)
    return functional.kl_div(said, target, reduction="batchmean")


def f1(model: Any, given: Examples, data: Data, minor: NDArray[np.uint8]) -> float:
    """F1 of minor alleles on all that is hidden."""
    counted = _Counted(minor)
    for window, masked, true, hidden, near in zip(
        data.windows, given.masked, given.true, given.hidden, given.near, strict=True
    ):
        called = _imputing.probabilities(model, data, window, masked, near)[:, hidden] >= 0.5
        numbers = np.tile(window.first + np.flatnonzero(hidden), (len(masked), 1))
        counted.add(numbers.ravel(), (true[:, hidden] == data.vocabulary.alternate).ravel(), called.ravel())
    return counted.f1()


class _Counted:
    """True and called minor alleles."""

    def __init__(self, minor: NDArray[np.uint8]) -> None:
        self._alternate_is_minor = minor == 1
        self._true: list[NDArray[np.bool_]] = []
        self._called: list[NDArray[np.bool_]] = []

    def add(self, variants: NDArray[np.int64], true: NDArray[np.bool_], called: NDArray[np.bool_]) -> None:
        """Whether the alternate allele is the true one, and the called one, at these variants."""
        minor = self._alternate_is_minor[variants]
        self._true.append(true == minor)
        self._called.append(called == minor)

    def f1(self) -> float:
        """0 where there is no minor allele, true or called."""
        from sklearn.metrics import f1_score

        return float(f1_score(np.concatenate(self._true), np.concatenate(self._called), zero_division=0.0))
