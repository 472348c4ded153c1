"""A sentence encoder small enough to be made, trained and searched with in a test. Nothing is downloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
MARKS = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
VOCABULARY = [*SPECIAL, *MARKS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]


def tiny_model(path: Path, seed: int, dimension: int = 32) -> Path:
    """Write a random two-layer BERT with mean pooling and vectors of length 1 to a new folder, and return the folder.

    Words are cut into letters. The same seed gives the same weights, and the caller's random numbers are left alone.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import BertConfig, BertModel, BertTokenizer

    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=dimension,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * dimension,
        max_position_embeddings=64,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
    with tempfile.TemporaryDirectory() as scratch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(scratch)
        tokenizer = BertTokenizer({token: i for i, token in enumerate(VOCABULARY)}, model_max_length=64)
        tokenizer.save_pretrained(scratch)
        modules = [Transformer(scratch), Pooling(dimension, "mean"), Normalize()]
        path.parent.mkdir(parents=True, exist_ok=True)
        SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(path), create_model_card=False)
    (path / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights.\n", "utf-8")
    return path
