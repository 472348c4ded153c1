"""Ready-made descriptions of representation spaces, in memory, for anybody's scripts: one function a kind of encoder."""

from __future__ import annotations

from sealkit.sentence_transformer import of_sentence_transformer
from sealkit.space import Encoder

__all__ = ["Encoder", "of_sentence_transformer"]
