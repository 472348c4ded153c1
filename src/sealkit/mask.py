"""Masks: which positions of a sequence are hidden before it is encoded. The one place that draws and digests them.

A mask has two digests. Its *rule* is that of what it is drawn by, and known from a config; its *content* that of the bits,
and known from the data. `spec/mask` says how both are taken, so that anyone can take them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from sealkit import digest
from sealkit.finding import UsageError
from sealkit.mask_rule import GENERATOR, Bits, Rule, declared
from sealkit.schedule import LIMIT

__all__ = [
    "GENERATOR",
    "SCHEMA",
    "Bits",
    "Rule",
    "content",
    "declared",
    "document",
    "faults",
    "group",
    "none",
    "of_bits",
    "packed",
]

SCHEMA = "mask/v1"
_COUNTED = ("window", "epoch", "rows", "length", "hidden")
REDRAWN = 2**22  # positions that are drawn again to see whether a document says the truth


def document(rule: Rule, lengths: Sequence[int], epochs: Iterable[int] = (0,)) -> dict[str, Any]:
    """The mask/v1 document of a rule for windows 0, 1, … of these lengths; a dynamic mask is drawn for each of the epochs.

    Raises UsageError.
    """
    rows = [
        _drawn(rule, window, length, epoch)
        for epoch in (epochs if rule.kind == "dynamic" else (None,))
        for window, length in enumerate(lengths)
    ]
    return _document(rule, [] if rule.kind == "none" else rows)


def of_bits(*windows: Bits, pad_value: float | None = None) -> dict[str, Any]:
    """The mask/v1 document of bits that somebody has already, True where a position is hidden; one array a window.

    An array is (positions,), or (rows, positions) where each sequence has a mask of its own. Raises UsageError.
    """
    rows = []
    for window, bits in enumerate(windows):
        if not isinstance(bits, np.ndarray) or bits.dtype != np.bool_ or bits.ndim not in (1, 2):
            found = f"{bits.dtype} {bits.shape}" if isinstance(bits, np.ndarray) else type(bits).__name__
            raise UsageError(
                f"window {window} of a mask: expected a bool array (positions,) or (rows, positions), found {found}",
                "make it one, True where a position is hidden",
            )
        rows.append(_row(bits, window, None, None))
    lengths = {row["length"] for row in rows}
    rule = Rule(
        "fixed",
        rate=_measured(rows),
        window_length=max(lengths) or None if len(lengths) == 1 else None,
        pad_value=pad_value,
    )
    return _document(rule, rows)


def none() -> dict[str, Any]:
    """The group of a fingerprint that says: nothing is hidden."""
    return group(_document(Rule("none"), []))


def group(document: Mapping[str, Any]) -> dict[str, Any]:
    """The `mask` group of a fingerprint, from a mask/v1 document."""
    return {name: document[name] for name in (*(field.name for field in fields(Rule)), "rule", "content")}


def faults(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(place, what is wrong there) where a valid mask/v1 document does not agree with itself.

    Digests are taken again, and windows drawn again, the first ones up to 4,194,304 positions.
    """
    try:
        rule = Rule(**{field.name: document[field.name] for field in fields(Rule)})
    except UsageError as error:
        yield ("kind",), error.message
        return
    if rule.digest != document["rule"]:
        yield ("rule",), "the rule is not that of its fields: one of the two was changed"
    if rule.kind != "none" and content(document["windows"]) != document["content"]:
        yield ("content",), "the content is not that of its windows: one of the two was changed"
    for i, row in enumerate(document["windows"]):
        if large := next((key for key in _COUNTED if (row.get(key) or 0) >= LIMIT), None):
            yield ("windows", i, large), f"`{large}` is 2**63 or more"
            return
        if row["hidden"] > row["length"] * row.get("rows", 1):
            yield ("windows", i, "hidden"), f"window {row['window']} hides more positions than it has"
            return
    if rule.generator is None and rule.rate != _measured(document["windows"]):
        yield ("rate",), "the rate is not that of the windows: one of the two was changed"
    left = REDRAWN
    for i, row in enumerate(document["windows"]):
        left -= row["length"]
        if rule.generator == GENERATOR and left >= 0 and (wrong := _misdrawn(rule, row)):
            yield ("windows", i), f"window {row['window']} is not what its rule draws: {wrong}"


def _misdrawn(rule: Rule, row: Mapping[str, Any]) -> str | None:
    """In what a window differs from what its rule draws."""
    if (row["epoch"] is None) != (rule.kind == "fixed"):
        return f"its epoch is {row['epoch']}, and the mask is {rule.kind}"
    try:
        drawn = _drawn(rule, row["window"], row["length"], row["epoch"])
    except UsageError as error:
        return error.message
    differ = next((key for key in ("seed", "hidden", "digest") if drawn[key] != row[key]), None)
    return differ and f"{differ} {drawn[differ]}, found {row[differ]}"


def packed(bits: Bits) -> bytes:
    """Bits as they are digested: a line of ASCII with their shape, then the bits row by row, the first one the highest
    of its byte, and zeros to the end of the last byte."""
    return f"{SCHEMA} {' '.join(map(str, bits.shape))}\n".encode() + np.packbits(bits, axis=None).tobytes()


def content(windows: Iterable[Mapping[str, Any]]) -> str:
    """The digest over all windows: of the windows' digests, one a line, in their order."""
    return digest.of_bytes("".join(f"{row['digest']}\n" for row in windows).encode())


def _measured(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of positions that is hidden in all of these windows; null where they have none."""
    total = sum(row["length"] * row.get("rows", 1) for row in rows)
    return sum(row["hidden"] for row in rows) / total if total else None


def _drawn(rule: Rule, window: int, length: int, epoch: int | None) -> dict[str, Any]:
    return _row(rule.draw(window, length, epoch or 0), window, epoch, rule.seed_of(window, epoch or 0))


def _row(bits: Bits, window: int, epoch: int | None, seed: int | None) -> dict[str, Any]:
    rows = {"rows": bits.shape[0]} if bits.ndim == 2 else {}
    return {
        "window": window,
        "epoch": epoch,
        **rows,
        "length": bits.shape[-1],
        "hidden": int(bits.sum()),
        "seed": seed,
        "digest": digest.of_bytes(packed(bits)),
    }


def _document(rule: Rule, rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = None if rule.kind == "none" else content(rows)
    return {"schema": SCHEMA, **rule.document(), "rule": rule.digest, "content": found, "windows": rows}
