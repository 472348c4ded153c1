"""Sentence encoders: loading them without running their code, and describing them by what they do."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit.encoders import of_sentence_transformer
from sealkit.finding import Finding, Location, Refused, Severity
from sealkit.stage import Context, Input

Vectors = NDArray[np.float32]
CHUNK = 256  # texts encoded between two reports of progress


@dataclass(frozen=True)
class Encoder:
    """A loaded SentenceTransformer with what is known of the model it came from."""

    model: Any
    source: Input

    def encode(self, texts: Sequence[str], prompt: str, tell: Callable[[int], None] = lambda done: None) -> Vectors:
        """Vectors of shape (len(texts), dimension), float32, of length 1."""
        found = []
        # Sorted by length for the whole call, not a chunk: a text's neighbours in a batch decide its padding.
        order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
        for start in range(0, len(order), CHUNK):
            chunk = [texts[i] for i in order[start : start + CHUNK]]
            found.append(self.model.encode(chunk, prompt=prompt, normalize_embeddings=True, show_progress_bar=False))
            tell(min(start + CHUNK, len(texts)))
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        if order:
            vectors[order] = np.concatenate(found)
        return vectors

    @property
    def dimension(self) -> int:
        return int(self.model.get_embedding_dimension())

    def prompt(self, role: str) -> str:
        """The model's own prompt for `query` or `document`, empty where it has none."""
        return str((self.model.prompts or {}).get(role) or "")

    def space(self) -> dict[str, Any]:
        """The groups of a fingerprint that both sides of a search share, as `encode` effectively applies them."""
        described = of_sentence_transformer(
            self.model,
            name=self.source.name,
            normalise=True,
            prompts={role: self.prompt(role) for role in ("query", "document")},
            weights=self.source.digest,
            tree=self.source.tree,
            metric="inner_product",
        )
        return dict(described.space)


def document(row: Mapping[str, Any]) -> str:
    """The text of a document as it is trained on, chosen by and indexed."""
    return f"{row['title']} {row['text']}" if row.get("title") else str(row["text"])


def load(source: Input, ctx: Context, max_seq_length: int | None) -> Encoder:
    """Load a SentenceTransformer from a folder: safetensors only, no code of its own, no network."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    if not (source.path / "modules.json").is_file() and not (source.path / "config.json").is_file():
        message = f"{source.name} is no single model: it holds neither modules.json nor config.json"
        at = Location(str(source.path))
        raise Refused([Finding(message, at, Severity.ERROR, fix="name an exported model, as export.model")])
    logging.disable_progress_bar()
    seed(ctx.seed)
    device = pick(ctx.device)
    model = SentenceTransformer(
        str(source.path),
        device=device,
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    )
    if max_seq_length is not None:
        model.max_seq_length = max_seq_length
    ctx.used_device(device, torch.get_num_threads())
    return Encoder(model, source)


def pick(asked: str) -> str:
    """The device for `auto`: CUDA where there is one, else the CPU."""
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return asked


def seed(value: int) -> None:
    """Seed every generator that training draws from."""
    import torch

    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
