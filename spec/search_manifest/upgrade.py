"""The way up between versions of search_manifest."""

from typing import Any

from sealkit.spec.index_manifest.upgrade import space


def v1_to_v2(document: dict[str, Any]) -> dict[str, Any]:
    """The fingerprint's fields move into groups. What v1 did not record stays absent, which means unknown."""
    found = {**document, "schema": "search_manifest/v2"}
    if "fingerprint" in document:
        found["fingerprint"] = space(document["fingerprint"])
    return found
