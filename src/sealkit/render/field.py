"""A field of a fingerprint in words, and the side that states it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sealkit import manifest
from sealkit.fingerprint import ABSENT, Field
from sealkit.fit import Kind, Stated
from sealkit.render.text import clean

WIDTH = 100  # characters of a value that are shown; a digest is shown whole, and JSON has all of it


def shown(field: Field, value: Any) -> str:
    """A value on one line; what is unknown and what does not apply say so."""
    if value is ABSENT:
        return "unknown"
    if value is None:
        return "does not apply"
    if field.path[0] == "probe":
        value = summary(value)
    if isinstance(value, str) and value.startswith("sha256:"):
        return value
    told = json.dumps(value, ensure_ascii=False)
    return told if len(told) <= WIDTH else f"{told[: WIDTH - 1]}…"


def summary(value: Any) -> Any:
    """What is told of a part of a probe: of a list how many it holds."""
    return len(value) if isinstance(value, list) else value


def optional(key: str, value: Any, field: Field) -> dict[str, Any]:
    """A value under a key; nothing where it is unknown."""
    if value is ABSENT:
        return {}
    return {key: summary(value) if field.path[0] == "probe" else value}


def reason(field: Field, invariant: Mapping[str, str]) -> str | None:
    """Why a field may differ, by its own name or that of its group; None where it may not."""
    return invariant.get(field.name, invariant.get(field.path[0]))


def by_group(fields: Iterable[Field]) -> list[str]:
    """Fields by name, a line a group."""
    found: dict[str, list[str]] = {}
    for field in fields:
        found.setdefault(field.path[0], []).append(field.path[-1])
    width = max(map(len, found), default=0)
    return [f"  {group:{width}}  {', '.join(names)}" for group, names in found.items()]


def side(stated: Stated) -> str:
    """Where a side lies, and what it is."""
    if stated.kind is Kind.SPACE:
        return f"{stated.path} (a space)"
    return f"{stated.path} ({', '.join(str(one) for one in (stated.kind, stated.schema, _witness(stated)) if one)})"


def side_document(stated: Stated) -> dict[str, Any]:
    """A side as JSON."""
    return {
        "path": str(stated.path),
        "manifest": str(stated.at),
        "kind": str(stated.kind),
        "contract": stated.schema,
        "witness": _witness(stated),
        "identity": stated.document["identity"] if stated.kind is Kind.INDEX else None,
    }


def _witness(stated: Stated) -> str | None:
    return str(manifest.upgraded(stated.document)["witness"]) if stated.kind is Kind.INDEX else None


def text(lines: Iterable[str]) -> str:
    """Lines for the terminal, cleaned of what could rewrite it."""
    return "".join(f"{clean(line).rstrip()}\n" for line in lines)
