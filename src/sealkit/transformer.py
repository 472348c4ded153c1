"""Encodes with a plain transformers model, and describes what that does in the terms of a SentenceTransformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sealkit import architecture, fingerprint, tokenizer, weights
from sealkit.finding import UsageError
from sealkit.space import Encoder, Vectors, as_given, versions

BATCH = 32
Pooling = Literal["mean", "cls", "lasttoken", "max"]


@dataclass(frozen=True)
class _Encoding:
    """What turns texts into vectors: the model, its tokenizer, and how token vectors become one."""

    model: Any
    tokenizer: Any
    pooling: Pooling
    max_length: int
    layer: int | None
    normalise: bool

    def tensors(self, texts: Sequence[str]) -> Any:
        """A tensor (len(texts), dimension) in the precision of the model."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
        found: list[Any] = [None] * len(texts)
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                for start in range(0, len(order), BATCH):
                    places = order[start : start + BATCH]
                    for i, vector in zip(places, self._batch([texts[i] for i in places]), strict=True):
                        found[i] = vector
        finally:
            self.model.train(training)
        return torch.stack(found)

    def _batch(self, texts: list[str]) -> Any:
        import torch

        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        batch = batch.to(self.model.device)
        output = self.model(**batch, output_hidden_states=self.layer is not None)
        if self.layer is None and not hasattr(output, "last_hidden_state"):
            raise UsageError(
                f"{type(self.model).__name__} gives no last_hidden_state",
                "load the model with AutoModel, without a head",
            )
        tokens = output.last_hidden_state if self.layer is None else output.hidden_states[self.layer]
        pooled = _pooled(tokens, batch["attention_mask"], self.pooling)
        return torch.nn.functional.normalize(pooled, p=2, dim=1) if self.normalise else pooled


def of_transformer(
    model: Any,
    tokenizer: Any,
    pooling: Pooling = "mean",
    *,
    max_length: int,
    layer: int | None = None,
    normalise: bool = True,
    query_prompt: str = "",
    document_prompt: str = "",
    metric: str = "inner_product",
    name: str | None = None,
) -> Encoder:
    """Describe a transformers model (from AutoModel) with its tokenizer, and encode with them.

    `layer` is an index into `hidden_states`, as -2; None takes the last hidden state. A prompt stands before each text of
    its role, and its tokens are pooled with the rest. Vectors are cut from nothing and leave in the model's precision.

    All binding fields are those of a SentenceTransformer of the same weights that does the same, but for
    `encoder.modules`: there it also holds the settings of that library's modules, which nothing here has. Where the two
    sides of an index are one of each, declare `encoder.modules` invariant and say why.

    Raises UsageError where the model has a head in the place of hidden states, or `pooling` is none of the four.
    """
    if pooling not in ("mean", "cls", "lasttoken", "max"):
        raise UsageError(f"pooling is {pooling!r}", "one of mean, cls, lasttoken, max")
    encoding = _Encoding(model, tokenizer, pooling, max_length, layer, normalise)
    probe = encoding.tensors([query_prompt + "a"])
    dimension = int(probe.shape[1])

    def encoded(prompt: str, texts: Sequence[str]) -> Vectors:
        if not len(texts):
            return np.empty((0, dimension), dtype=np.float32)
        found: Vectors = encoding.tensors([prompt + text for text in texts]).float().cpu().numpy()
        return found

    space = {
        **as_given(),
        "tokenizer": _tokenizer(encoding),
        "encoder": _encoder(encoding, name),
        "roles": {
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "prompt_pooled": True,
            "task": None,
            "query_encoder": None,
        },
        "vectors": {
            "dimension": dimension,
            "truncated_from": None,
            "normalise": normalise,
            "metric": metric,
            "dtype": str(probe.dtype).removeprefix("torch."),
            "calibration": None,
            "transform": None,
            "backend": "torch",
            "device": model.device.type,
        },
    }
    return Encoder(space, lambda texts: encoded(query_prompt, texts), lambda texts: encoded(document_prompt, texts))


def _tokenizer(encoding: _Encoding) -> Mapping[str, Any]:
    def tokenize(text: str) -> list[int]:
        found: list[int] = encoding.tokenizer(text, truncation=True, max_length=encoding.max_length)["input_ids"]
        return found

    return tokenizer.group(encoding.tokenizer, tokenize, None)


def _encoder(encoding: _Encoding, name: str | None) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "modules": fingerprint.of(
            [architecture.of(encoding.model), type(encoding.model).__name__, *weights.adapter_settings(encoding.model)]
        ),
        "pooling": encoding.pooling,
        "layer": encoding.layer,
        "function": None,
        "libraries": versions("transformers", "torch", "tokenizers"),
        **architecture.remote_code(encoding.model),
        **weights.adapters(encoding.model),
        **weights.of({"": encoding.model}),
    }
    return found if name is None else {**found, "name": name}


def _pooled(tokens: Any, mask: Any, pooling: Pooling) -> Any:
    """One vector a text, (n, d), from token vectors (n, tokens, d) and the attention mask (n, tokens): padding never counts."""
    import torch

    if pooling == "mean":
        # Summed in float32: float16 overflows on long texts.
        weight = mask.unsqueeze(-1).to(torch.float32)
        return ((tokens.float() * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1e-9)).to(tokens.dtype)
    if pooling == "max":
        return tokens.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).max(dim=1).values
    last = mask.shape[1] - 1 - mask.flip(1).to(torch.int32).argmax(dim=1)
    place = mask.to(torch.int32).argmax(dim=1) if pooling == "cls" else last
    return tokens[torch.arange(len(tokens), device=tokens.device), place]
