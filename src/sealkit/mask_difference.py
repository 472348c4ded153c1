"""What an index and its queries say of each other where their masks differ: both of them, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Group = Mapping[str, Any]

_DIGESTS = {"rule", "content"}
_DRAW = {"seed", "schedule", *_DIGESTS}


def explain(index: Group, query: Group, fields: Sequence[str], past: bool = True) -> str:
    """The masks of two sides that differ in `fields`.

    Each side is a mask group of a fingerprint: a field that is absent is unknown, and so is the mask of an empty one. `past`
    says that index and queries are there, and not only planned.
    """
    was, were = ("was", "were") if past else ("is", "are")
    return f"{_built(index, fields, was)}, {_masked(index, query, fields, were)}"


def redrawn(index: Group) -> str:
    """The mask of an index that is redrawn in every epoch: whatever meets it, the index is not."""
    return f"the index is built once, and its mask{_details(index, ['schedule'])} is redrawn in every epoch"


def _built(index: Group, fields: Sequence[str], was: str) -> str:
    match index.get("kind"):
        case None:
            return "nothing says with which mask the index was built"
        case "none":
            return f"the index {was} built without a mask"
        case kind:
            return f"the index {was} built with a {kind} mask{_details(index, fields)}"


def _masked(index: Group, query: Group, fields: Sequence[str], were: str) -> str:
    kind = query.get("kind")
    if kind is None:
        return f"nothing says how the queries {were} masked"
    if kind == "none":
        return f"the queries {were} not masked"
    if kind != index.get("kind"):
        by = f"a {kind} mask"
    elif set(fields) <= _DIGESTS:
        known = all(name in side for name in fields for side in (index, query))
        by = "the same rule, in other positions" if known else "the same rule, in positions that are unknown"
    else:
        by = "another draw" if set(fields) <= _DRAW else f"another {kind} mask"
    return f"the queries {were} masked by {by}{_details(query, fields)}"


def _details(group: Group, fields: Sequence[str]) -> str:
    """Rate and seed of a mask, and what else of it differs; digests say nothing to a reader."""
    names = [name for name in group if name in ("rate", "seed") and group[name] is not None]
    names += [name for name in fields if name not in ("kind", *_DIGESTS, *names)]
    told = ", ".join(_word(name.replace("_", " "), group.get(name, "unknown")) for name in names)
    return f" ({told})" if told else ""


def _word(name: str, value: Any) -> str:
    return f"no {name}" if value is None else f"{name} {value}"
