"""An encoder as both sides of a search see it: the space of its vectors, and what makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit import mask
from sealkit.finding import UsageError

Vectors = NDArray[np.float32]
UNIT = 5e-3  # how far a length of 1 may be off: float16 and bfloat16 miss it by as much


@dataclass(frozen=True)
class Encoder:
    """The groups of a fingerprint that both sides of a search have, as effectively applied, and what encodes that way.

    `space` is nested (`space["tokenizer"]["digest"]`); a field that is absent is unknown, None says that it does not
    apply. `queries` and `documents` take n inputs and give float32 vectors of shape (n, dimension). The space is what
    was found when it was described: who changes a model afterwards describes it again.
    """

    space: Mapping[str, Any]
    queries: Callable[[Sequence[Any]], Vectors]
    documents: Callable[[Sequence[Any]], Vectors]

    def __post_init__(self) -> None:
        for name in ("queries", "documents"):
            object.__setattr__(self, name, partial(_many, getattr(self, name)))


def _many(encode: Callable[[Sequence[Any]], Vectors], inputs: Sequence[Any]) -> Vectors:
    """Encode inputs. One text would pass for a list of its letters."""
    if isinstance(inputs, str):
        raise UsageError("one text was given; expected a list of them", "put it in brackets: [text]")
    return encode(inputs)


def as_given() -> dict[str, Any]:
    """The groups `preparation` and `mask` of an encoder that hands its inputs on as it gets them."""
    return {
        "preparation": {"normalisation": None, "augmentation": False, "code": None},
        "mask": mask.none(),
    }


def no_tokenizer() -> dict[str, Any]:
    """The group `tokenizer` where nothing is tokenized."""
    fields = ("digest", "max_length", "truncation_side", "padding_side", "ends", "chat_template", "vocabulary")
    return dict.fromkeys(fields)


def no_model() -> dict[str, Any]:
    """The group `encoder` where no model of weights makes the vectors."""
    fields = ("weights", "modules", "pooling", "layer", "adapters", "remote_code", "function", "name", "tree", "base")
    return {**dict.fromkeys((*fields, "revision", "role")), "libraries": {}}


def versions(*distributions: str) -> dict[str, str]:
    """The version of each distribution that is installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
