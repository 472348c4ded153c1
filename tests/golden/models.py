"""Folders of sentence-transformers models as small as they can be: every file that such a model has, and a few hundred weights."""

from __future__ import annotations

import array
import json
import random
import struct
import sys
from pathlib import Path
from typing import Any

DIMENSION = 8
VOCABULARY = 24
_LAYER = "encoder.layer.0"
_SHAPES = {
    "embeddings.word_embeddings.weight": (VOCABULARY, DIMENSION),
    "embeddings.LayerNorm.weight": (DIMENSION,),
    "embeddings.LayerNorm.bias": (DIMENSION,),
    f"{_LAYER}.attention.self.query.weight": (DIMENSION, DIMENSION),
    f"{_LAYER}.attention.self.key.weight": (DIMENSION, DIMENSION),
    f"{_LAYER}.attention.self.value.weight": (DIMENSION, DIMENSION),
}
_DOCUMENTS: dict[str, Any] = {
    "config.json": {
        "architectures": ["BertModel"],
        "hidden_size": DIMENSION,
        "intermediate_size": 2 * DIMENSION,
        "max_position_embeddings": 64,
        "model_type": "bert",
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": VOCABULARY,
    },
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ],
    "sentence_bert_config.json": {"max_seq_length": 64, "do_lower_case": False},
    "1_Pooling/config.json": {"word_embedding_dimension": DIMENSION, "pooling_mode_mean_tokens": True},
    "tokenizer_config.json": {"do_lower_case": True, "model_max_length": 64, "tokenizer_class": "BertTokenizer"},
}


def weights(name: str) -> bytes:
    """A safetensors file of float32 tensors, all 0.1 at most in size: the same for the same name, other weights for another."""
    chance = random.Random(name)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for tensor, shape in sorted(_SHAPES.items()):
        values = array.array("f", [chance.uniform(-0.1, 0.1) for _ in range(shape[0] * (*shape, 1)[1])])
        if sys.byteorder == "big":
            values.byteswap()
        start, data = len(data), data + values.tobytes()
        header[tensor] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # as the library aligns it
    return struct.pack("<Q", len(text)) + text + data


def model(folder: Path, name: str) -> None:
    """Write a model with the weights of that name."""
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    for file, document in _DOCUMENTS.items():
        (folder / file).write_bytes((json.dumps(document, indent=2) + "\n").encode())
    (folder / "model.safetensors").write_bytes(weights(name))
