"""The way up between versions of index_manifest."""

from typing import Any

_MOVED = {
    "corpus": ("corpus", None),
    "encoder": ("encoder", None),
    "tokenizer": ("tokenizer", None),
    "prompts": ("roles", {"query": "query_prompt", "document": "document_prompt"}),
}
_SINGLE = {
    "pooling": ("encoder", "pooling"),
    "modules": ("encoder", "modules"),
    "normalise": ("vectors", "normalise"),
    "metric": ("vectors", "metric"),
    "dimension": ("vectors", "dimension"),
    "count": ("structure", "count"),
}
_SEARCH = ("probes", "ef_search", "recall")


def v1_to_v2(document: dict[str, Any]) -> dict[str, Any]:
    """Fields move into groups. What v1 did not record stays absent, which means unknown; the identity is v1's own."""
    found = {key: document[key] for key in document if key not in ("schema", "fingerprint", "structure")}
    fingerprint = space(document["fingerprint"])
    for key, value in document.get("structure", {}).items():
        fingerprint.setdefault("search" if key in _SEARCH else "structure", {})[key] = value
    fingerprint.setdefault("time", {})["run_id"] = document["run_id"]
    return {"schema": "index_manifest/v2", "witness": "built", **found, "fingerprint": fingerprint}


def space(old: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint of v1 in the groups of v2; that of a search is in the same."""
    found: dict[str, Any] = {}
    for key, value in old.items():
        if key in _MOVED:
            group, names = _MOVED[key]
            found.setdefault(group, {}).update({(names or {}).get(inner, inner): one for inner, one in value.items()})
        elif key in _SINGLE:
            group, name = _SINGLE[key]
            found.setdefault(group, {})[name] = value
        else:
            found[key] = value  # x-…
    return found
