"""Sentence encoders: loading them without running their code, and describing them by what they do."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sealkit import encoders
from sealkit.finding import Finding, Location, Refused, Severity, UsageError
from sealkit.stage import Context, Input, Params

Vectors = NDArray[np.float32]
CHUNK = 256  # texts encoded between two reports of progress


class Encoding(Params):
    """How a model is applied; null is the model's own. `max_seq_length`: tokens that a text is cut to. The prompts are put before
    each query and each document."""

    max_seq_length: int | None = Field(default=None, ge=4)
    query_prompt: str | None = None
    document_prompt: str | None = None


class Space(Encoding):
    """And what is made of its vectors. `truncate_dim`: the dimensions that are kept (Matryoshka); null keeps all."""

    truncate_dim: int | None = Field(default=None, ge=1)
    normalise: bool = True


@dataclass(frozen=True)
class Encoder:
    """A loaded SentenceTransformer with what is known of the model it came from."""

    model: Any
    source: Input
    normalise: bool = True

    def encode(self, texts: Sequence[str], role: str, tell: Callable[[int], None] = lambda done: None) -> Vectors:
        """Vectors of shape (len(texts), dimension), float32, of texts in the role `query` or `document`."""
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        found = []
        # Sorted by length for the whole call, not a chunk: a text's neighbours in a batch decide its padding.
        order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
        for start in range(0, len(order), CHUNK):
            chunk = [texts[i] for i in order[start : start + CHUNK]]
            vectors = encode(
                chunk, prompt=self.prompt(role), normalize_embeddings=self.normalise, show_progress_bar=False
            )
            found.append(vectors)
            tell(min(start + CHUNK, len(texts)))
        whole = np.empty((len(texts), self.dimension), dtype=np.float32)
        if order:
            whole[order] = np.concatenate(found)
        return whole

    @property
    def dimension(self) -> int:
        return int(self.model.get_embedding_dimension())

    def prompt(self, role: str) -> str:
        """The model's own prompt for `query` or `document`, empty where it has none."""
        return str((self.model.prompts or {}).get(role) or "")

    def described(self) -> encoders.Encoder:
        """Its space, as `encode` effectively applies it, and how it encodes queries and documents."""
        space = encoders.of_sentence_transformer(
            self.model,
            name=self.source.name,
            normalise=self.normalise,
            prompts={role: self.prompt(role) for role in ("query", "document")},
            weights=self.source.digest,
            tree=self.source.tree,
            metric="inner_product",
        ).space
        return encoders.Encoder(
            space,
            lambda texts: self.encode(texts, "query"),
            lambda texts: self.encode(texts, "document"),
        )


TEMPLATE = "{title} {text}"  # what `document` does, as a fingerprint says it


def document(row: Mapping[str, Any]) -> str:
    """The text of a document as it is trained on, chosen by and indexed."""
    return f"{row['title']} {row['text']}" if row.get("title") else str(row["text"])


def load(source: Input, ctx: Context, asked: Encoding) -> Encoder:
    """Load a SentenceTransformer from a folder: safetensors only, no code of its own, no network. It is set as it is asked for,
    and what it is set to it keeps when it is saved."""
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
    if asked.max_seq_length is not None:
        model.max_seq_length = asked.max_seq_length
    for role, prompt in (("query", asked.query_prompt), ("document", asked.document_prompt)):
        if prompt is not None:
            model.prompts[role] = prompt
    ctx.used_device(device, torch.get_num_threads())
    if not isinstance(asked, Space):
        return Encoder(model, source)
    if asked.truncate_dim is not None:
        whole = int(model.get_embedding_dimension())
        if asked.truncate_dim > whole:
            message = f"truncate_dim is {asked.truncate_dim}; {source.name} has {whole} dimensions"
            raise UsageError(message, f"keep at most {whole}, or leave it out")
        model.truncate_dim = asked.truncate_dim
    return Encoder(model, source, asked.normalise)


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
