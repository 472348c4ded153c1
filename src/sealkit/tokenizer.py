"""A tokenizer as it is effectively applied."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sealkit import fingerprint

WORDS = 20_000  # of the text that is cut


def group(tokenizer: Any, tokenize: Callable[[str], Sequence[int]], template: str | None) -> dict[str, Any]:
    """The group `tokenizer` of a fingerprint. `tokenize` gives the ids of one text as they reach the model.

    The length is measured, since the configurations of tokenizer and model disagree; it is None where a text is never
    cut, and left out where the text has no token. `template` is the chat template, where texts go through it. What cannot be
    described is left out: unknown.
    """
    ids = tokenize("word " * WORDS)
    if len(ids) >= WORDS:
        ids = tokenize("word " * WORDS * 10)
    found: dict[str, Any] = {
        "truncation_side": getattr(tokenizer, "truncation_side", "right"),
        "padding_side": getattr(tokenizer, "padding_side", "right"),
        "chat_template": None if template is None else fingerprint.of(template),
    }
    if len(ids):
        found |= {"max_length": len(ids) if len(ids) < 10 * WORDS else None, "ends": [int(ids[0]), int(ids[-1])]}
    described = digest(tokenizer)
    if described is not None:
        found["digest"] = described
    if hasattr(tokenizer, "__len__"):
        found["vocabulary"] = len(tokenizer)
    elif hasattr(tokenizer, "get_vocab_size"):
        found["vocabulary"] = tokenizer.get_vocab_size()
    return found


def digest(tokenizer: Any) -> str | None:
    """Of a fast tokenizer's own description; truncation and padding change with every call and are left out.

    None where the tokenizer has no such description.
    """
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        return None
    state = json.loads(backend.to_str())
    return fingerprint.of({key: value for key, value in state.items() if key not in ("truncation", "padding")})
