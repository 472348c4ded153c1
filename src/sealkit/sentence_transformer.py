"""Describes a loaded SentenceTransformer by what it does, and encodes with it that way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sealkit import architecture, fingerprint, tokenizer, weights
from sealkit.finding import UsageError
from sealkit.space import UNIT, Encoder, Vectors, as_given, versions

PROBES = ["a", "the red fox jumps over the lazy dog", "stock markets fell today", "7"]
METRICS = {
    "cosine": "inner_product",
    "dot": "inner_product",
    "euclidean": "l2",
    "manhattan": "other:2",
}  # 2 is FAISS's L1


def of_sentence_transformer(
    model: Any,
    *,
    name: str | None = None,
    normalise: bool | None = None,
    prompts: Mapping[str, str] | None = None,
    weights: str | None = None,
    tree: str | None = None,
    metric: str | None = None,
) -> Encoder:
    """Describe a SentenceTransformer as it stands in memory. It is neither saved nor changed; a few texts are encoded.

    `prompts` (of `query` and `document`) take the place of the model's own; without them each role has the prompt that
    `encode_query` and `encode_document` put before it. `metric` is how the index compares; without it, it is the model's
    `similarity_fn_name`. Cosine is an inner product of vectors of length 1, so such a model's vectors are normalised
    unless `normalise` says otherwise. `weights` and `tree` are digests that are known already; under an
    adapter, the weights are those in memory all the same.

    Raises UsageError where cosine is to compare vectors that do not leave with length 1, and for prompts of other roles.
    """
    similarity = str(model.similarity_fn_name)
    if normalise is None:
        normalise = metric is None and similarity == "cosine"
    if strange := sorted(set(prompts or {}) - {"query", "document"}):
        raise UsageError(f"prompts has {strange[0]!r}", "name the roles query and document")
    asked = {role: (prompts or {}).get(role, prompt(model, role)) for role in ("query", "document")}

    def encode(texts: Sequence[Any], role: str) -> Any:
        call = model.encode_query if role == "query" else model.encode_document
        options = {"normalize_embeddings": normalise, "show_progress_bar": False, "convert_to_tensor": True}
        return call(list(texts), prompt=asked[role], **options)

    probes = [encode(PROBES, role) for role in asked]
    norms = np.concatenate([vectors.double().norm(dim=1).cpu().numpy() for vectors in probes])
    norms = norms[norms > 0]  # a text without a known word has no direction
    unit = len(norms) > 0 and bool(np.allclose(norms, 1, atol=UNIT))
    unit = unit or (normalise and not len(norms))
    if metric is None and similarity == "cosine" and not unit:
        raise UsageError(
            "the model compares by cosine, and its vectors do not leave with length 1",
            "pass normalise=True, or metric='inner_product' if that is what the index computes",
        )
    dimension = int(probes[0].shape[1])

    def encoded(role: str, texts: Sequence[Any]) -> Vectors:
        if not len(texts):
            return np.empty((0, dimension), dtype=np.float32)
        found: Vectors = encode(texts, role).float().cpu().numpy()
        return found

    space = {
        **as_given(),
        "tokenizer": _tokenizer(model),
        "encoder": _encoder(model, name, weights, tree),
        "roles": _roles(model, asked),
        "vectors": {
            "dimension": dimension,
            "truncated_from": _truncated_from(model),
            "normalise": unit,
            "metric": metric or METRICS[similarity],
            "dtype": str(probes[0].dtype).removeprefix("torch."),
            "calibration": None,
            "transform": None,
            "backend": model.get_backend(),
            "device": model.device.type,
        },
    }
    return Encoder(space, lambda texts: encoded("query", texts), lambda texts: encoded("document", texts))


def prompt(model: Any, role: str) -> str:
    """What `encode_query` or `encode_document` put before a text where nothing else is asked for."""
    names = {"query": ("query",), "document": ("document", "passage", "corpus")}[role]
    found = next((name for name in names if name in model.prompts), model.default_prompt_name)
    return str(model.prompts.get(found) or "")


def _tokenizer(model: Any) -> dict[str, Any]:
    def tokenize(text: str) -> list[int]:
        ids = model.preprocess([text], task="document").get("input_ids")
        found: list[int] = [] if ids is None else ids.reshape(-1).tolist()
        return found

    own = model.tokenizer
    return tokenizer.group(own, tokenize, own.chat_template if _chats(model) else None)


def _chats(model: Any) -> bool:
    """Whether texts go through the chat template; a prompt is then part of what is said, and always pooled."""
    return "message" in getattr(model[0], "modality_config", {})


def _encoder(model: Any, name: str | None, known: str | None, tree: str | None) -> dict[str, Any]:
    """The group `encoder`; weights that are under adapters, quantised or of another backend are left out: unknown."""
    modules = list(model.children())
    pooling = next((m for m in modules if type(m).__name__ == "Pooling"), None)
    mode = pooling.get_config_dict().get("pooling_mode", "none") if pooling is not None else "none"
    found: dict[str, Any] = {
        "modules": fingerprint.of(
            [architecture.of(modules[0]), *(_settings(m) for m in modules), *weights.adapter_settings(model)]
        ),
        "pooling": mode if isinstance(mode, str) else "+".join(mode),
        "layer": _layer(modules[0]),
        "function": None,
        "libraries": versions("sentence-transformers", "transformers", "torch", "tokenizers"),
        **architecture.remote_code(model),
        **weights.adapters(model),
    }
    # A folder that holds an adapter alone does not say what it is put around.
    if known is not None and found.get("adapters", "unknown") is None:
        found["weights"] = known
    elif model.get_backend() == "torch":
        found |= weights.of(weights.parts(model))
    return found | {key: value for key, value in (("name", name), ("tree", tree)) if value is not None}


def _settings(module: Any) -> list[Any]:
    """The name and settings of a module; of a Router, those of its routes as well."""
    settings = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    if type(module).__name__ != "Router":
        return [type(module).__name__, settings]
    routes = {
        name: [[architecture.of(m), *_settings(m)] for m in modules] for name, modules in module.sub_modules.items()
    }
    mappings = {str(key): value for key, value in module.route_mappings.items()}
    return ["Router", {**settings, "route_mappings": mappings}, routes]


def _layer(module: Any) -> int | None:
    """The hidden layer that a Transformer hands on, where it is not the last."""
    output = getattr(module, "modality_config", {}).get("text", {}).get("method_output_name")
    if isinstance(output, (list, tuple)) and "hidden_states" in output:
        return int(output[-1])
    return None


def _roles(model: Any, prompts: Mapping[str, str]) -> dict[str, Any]:
    modules = list(model.children())
    pooling = next((m for m in modules if type(m).__name__ == "Pooling"), None)
    found = {
        "query_prompt": prompts["query"],
        "document_prompt": prompts["document"],
        "prompt_pooled": None if pooling is None else bool(pooling.include_prompt or _chats(model)),
        "task": "query, document" if "task" in model.get_model_kwargs() else None,
        "query_encoder": None,
    }
    router = modules[0] if type(modules[0]).__name__ == "Router" else None
    if router is not None:
        query, document = (weights.route(router, task) for task in ("query", "document"))
        if [id(m) for m in query] != [id(m) for m in document]:
            del found["query_encoder"]
            known = weights.of({f"{i}_{type(m).__name__}": m for i, m in enumerate(query)})
            if "weights" in known:
                found["query_encoder"] = known["weights"]
    return found


def _truncated_from(model: Any) -> int | None:
    """The dimension before a cut that really cuts."""
    cut = model.truncate_dim
    with model.truncate_embeddings(None):
        whole = model.get_embedding_dimension()
    return int(whole) if cut is not None and whole is not None and whole > cut else None
