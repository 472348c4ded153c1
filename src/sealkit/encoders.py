"""Ready-made descriptions of representation spaces, in memory, for anybody's scripts: one function a kind of encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sealkit import digest, fingerprint
from sealkit.finding import UsageError
from sealkit.sentence_transformer import of_sentence_transformer as of_sentence_transformer
from sealkit.space import UNIT, Vectors, as_given, no_model, no_tokenizer
from sealkit.space import Encoder as Encoder
from sealkit.transformer import of_transformer as of_transformer

Function = Callable[[Sequence[Any]], ArrayLike]
EXACT = 2**24  # whole numbers that float32 keeps
_DTYPES = {"f": "F", "i": "I", "u": "U", "b": "BOOL"}


def of_function(
    function: Function,
    *,
    name: str,
    version: str,
    dimension: int,
    normalise: bool,
    weights: str | Mapping[str, NDArray[Any]] | None,
    tokenizer: Any,
    max_length: int | None = None,
    documents: Function | None = None,
    task: str | None = None,
    mask: Mapping[str, Any] | None = None,
    metric: str = "inner_product",
) -> Encoder:
    """Describe a plain function: a model behind an API, the mean of word vectors, TF-IDF.

    Name and version bind together: change the version with whatever the function does to an input. `function` takes n
    inputs and gives n vectors; `documents` is the one for documents, where it is another. What nobody can see from
    outside has to be said, and has no default:

    - `weights`: the numbers that it computes with (a table of word vectors, a fitted vocabulary's idf), as arrays by
      name or as their digest. None where there are none, or where name and version stand for them, as they do for
      `name="text-embedding-3-small", version="openai 2024-01-25"`: then only the probe of an index notices that the
      provider changed them.
    - `tokenizer`: the rule by which texts are cut into tokens, any JSON value or its digest. None where there is
      none, or where name and version stand for it.

    `max_length` is how many tokens a long text is cut to, `task` what the API is told, as `search_query/search_document`,
    `mask` the group of `sealkit.mask`. Each call is held against the description: Raises UsageError where vectors come
    in another shape, or with another length than 1 although `normalise` says so (or 0: an input that it knows nothing of).
    """
    if not name.strip() or not version.strip():
        raise UsageError("a function is known by its name and version, and one of them is empty", "say both")
    space = {
        **as_given(),
        **({} if mask is None else {"mask": dict(mask)}),
        "tokenizer": {**no_tokenizer(), "digest": _digest(tokenizer), "max_length": max_length},
        "encoder": {**no_model(), "function": f"{name} {version}", "weights": weights_digest(weights)},
        "roles": _roles(task),
        "vectors": _vectors(dimension, normalise, metric),
    }
    encode = partial(_checked, name, dimension, normalise)
    return Encoder(space, partial(encode, function), partial(encode, documents or function))


def of_tokens(
    *,
    tokens: Any,
    dimension: int,
    mask: Mapping[str, Any],
    pad: float | None = None,
    normalise: bool = False,
    metric: str = "l2",
) -> Encoder:
    """Describe windows of tokens that are vectors themselves, as masked genotypes are: nothing is computed.

    `tokens` is the table or rule by which something became tokens: any JSON value, or its digest. `mask` is the group of
    `sealkit.mask` by which positions were hidden; the windows that are given have been masked. `pad` fills shorter windows
    at their end; without it, all have `dimension` tokens. Raises UsageError for a window of another length, and for
    tokens that float32 cannot hold.
    """
    rule = _digest(tokens)
    if rule is None:
        raise UsageError("tokens is None: nobody knows what a token means", "give the table of tokens, or its digest")
    space = {
        **as_given(),
        "mask": dict(mask),
        "tokenizer": {
            **no_tokenizer(),
            "digest": rule if pad is None else fingerprint.of({"tokens": rule, "pad": pad}),
        },
        "encoder": no_model(),
        "roles": _roles(None),
        "vectors": _vectors(dimension, normalise, metric),
    }
    encode = partial(_windows, dimension, pad, normalise)
    return Encoder(space, encode, encode)


def _windows(dimension: int, pad: float | None, normalise: bool, windows: Sequence[ArrayLike]) -> Vectors:
    found = np.full((len(windows), dimension), 0 if pad is None else pad, dtype=np.float32)
    for i, window in enumerate(windows):
        row = np.asarray(window)
        if row.ndim != 1 or len(row) > dimension or (pad is None and len(row) < dimension):
            expected = f"{dimension} tokens" if pad is None else f"at most {dimension} tokens"
            raise UsageError(
                f"window {i}: expected {expected}, found an array of shape {row.shape}", "cut it, or give pad"
            )
        if row.dtype.kind in "iu" and len(row) and max(abs(int(row.min())), abs(int(row.max()))) > EXACT:
            raise UsageError(f"window {i}: a token above {EXACT:,} is no exact float32", "number the tokens from 0")
        found[i, : len(row)] = row
    if not normalise:
        return found
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    if not norms.all():
        raise UsageError("a window of zeros alone has no direction", "number the tokens from 1, or leave normalise off")
    unit: Vectors = found / norms
    return unit


def _checked(name: str, dimension: int, normalise: bool, function: Function, inputs: Sequence[Any]) -> Vectors:
    """What a function gives, held against its description."""
    if not len(inputs):
        return np.empty((0, dimension), dtype=np.float32)
    found = np.asarray(function(inputs), dtype=np.float32)
    if found.shape != (len(inputs), dimension):
        fix = "say the dimension that the function gives"
        raise UsageError(f"{name}: expected vectors ({len(inputs)}, {dimension}), found {found.shape}", fix)
    norms = np.linalg.norm(found, axis=1)
    norms = norms[norms > 0]
    if normalise and not np.allclose(norms, 1, atol=UNIT):
        worst = norms[np.argmax(np.abs(norms - 1))]
        fix = "divide each vector by its length in the function, or say normalise=False"
        raise UsageError(f"{name}: expected vectors of length 1, found one of length {worst:.4g}", fix)
    return found


def _digest(value: Any) -> str | None:
    """None, a digest as it is, or the digest of a JSON value."""
    if value is None or (isinstance(value, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", value)):
        return value
    return fingerprint.of(value)


def weights_digest(value: str | Mapping[str, NDArray[Any]] | None) -> str | None:
    """None, a digest as it is, or that of arrays as if they stood in a safetensors file."""
    if value is None:
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
            raise UsageError(
                f"weights: expected sha256: and 64 hex digits, found {value!r}", "give the arrays, by name"
            )
        return value
    return digest.of_tensors({name: _tensor(array) for name, array in value.items()}).digest


def _tensor(array: NDArray[Any]) -> digest.Tensor:
    kind = _DTYPES.get(array.dtype.kind)
    if kind is None:
        raise UsageError(f"weights: an array of {array.dtype} holds no plain numbers", "give arrays of numbers")
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    label = kind if kind == "BOOL" else f"{kind}{array.dtype.itemsize * 8}"
    return digest.Tensor(label, array.shape, lambda: [plain.tobytes()])


def _roles(task: str | None) -> dict[str, Any]:
    fields = ("query_prompt", "document_prompt", "prompt_pooled", "query_encoder")
    return {**dict.fromkeys(fields), "task": task}


def _vectors(dimension: int, normalise: bool, metric: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("truncated_from", "calibration", "transform", "backend", "device"))
    return {**nothing, "dimension": dimension, "normalise": normalise, "metric": metric, "dtype": "float32"}
