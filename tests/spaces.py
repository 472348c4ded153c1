"""Encoders without a model, for tests of what is around them: a text comes out where its digest says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sealkit import mask, space
from sealkit.space import Encoder, Vectors

DIMENSION = 8


def sha(digit: str) -> str:
    return "sha256:" + digit * 64


def vectors(inputs: Sequence[Any], *, salt: str = "", normalise: bool = True) -> Vectors:
    """A vector for each input, of shape (inputs, 8), the same for the same input and salt."""
    found = np.empty((len(inputs), DIMENSION), np.float32)
    for row, one in enumerate(inputs):
        seed = int.from_bytes(hashlib.sha256(f"{salt}{one}".encode()).digest()[:8], "big")
        found[row] = np.random.default_rng(seed).normal(size=DIMENSION)
    return found / np.linalg.norm(found, axis=1, keepdims=True) if normalise and len(inputs) else found


def of(*, salt: str = "", normalise: bool = True, metric: str = "inner_product", **fields: Any) -> Encoder:
    """An encoder of which everything is known. `fields` are values by `group__field`."""
    known: dict[str, dict[str, Any]] = {
        "preparation": {"normalisation": None, "augmentation": False, "code": None},
        "mask": mask.none(),
        "tokenizer": space.no_tokenizer(),
        "encoder": {**space.no_model(), "function": f"digest{salt}/1"},
        "roles": dict.fromkeys(("query_prompt", "document_prompt", "prompt_pooled", "task", "query_encoder")),
        "vectors": {
            **dict.fromkeys(("truncated_from", "calibration", "transform", "backend", "device")),
            "dimension": DIMENSION,
            "normalise": normalise,
            "metric": metric,
            "dtype": "float32",
        },
    }
    for name, value in fields.items():
        group, _, field = name.partition("__")
        known[group][field] = value

    def encode(inputs: Sequence[Any]) -> Vectors:
        return vectors(inputs, salt=salt, normalise=normalise)

    return Encoder(known, encode, encode)
