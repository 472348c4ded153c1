"""Masks: which positions of a sequence are hidden before it is encoded. The one place that draws and digests them.

A mask has two digests. Its *rule* is that of what it is drawn by, and known from a config; its *content* that of the bits,
and known from the data. `spec/mask` says how both are taken, so that anyone can take them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit import digest, schedule
from sealkit.finding import UsageError

Bits = NDArray[np.bool_]

SCHEMA = "mask/v1"
GENERATOR = "numpy.PCG64"
KINDS = ("none", "fixed", "dynamic")


@dataclass(frozen=True)
class Rule:
    """What a mask is drawn by. `fixed` is drawn once, `dynamic` again in every epoch, `none` hides nothing.

    `generator` is null for bits that were given. `schedule` (see `schedule`) gives the seed of a window's draw; null is
    `seed` alone, the same for every window. Raises UsageError where the fields contradict each other.
    """

    kind: str
    generator: str | None = None
    rate: float | None = None
    seed: int | None = None
    schedule: str | None = None
    window_length: int | None = None
    pad_value: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"a mask of kind {self.kind!r}", f"write one of {', '.join(KINDS)}")
        told = [field.name for field in fields(self) if field.name != "kind" and getattr(self, field.name) is not None]
        if self.kind == "none":
            if told:
                raise UsageError(f"a mask of kind none with {told[0]}: it hides nothing", "leave out all but its kind")
            return
        _bounded("rate", self.rate, 0, 1)
        _bounded("pad_value", self.pad_value)
        _whole("seed", self.seed, 0)
        _whole("window_length", self.window_length, 1)
        if self.generator is not None and (self.rate is None or self.seed is None):
            lacking = "rate" if self.rate is None else "seed"
            raise UsageError(f"a {self.kind} mask that {self.generator} draws has no {lacking}", f"say its {lacking}")
        if self.generator is None and (self.seed is not None or self.schedule is not None or self.kind == "dynamic"):
            raise UsageError(f"a {self.kind} mask that is drawn has no generator", f"write generator: {GENERATOR}")
        by_epoch = self.schedule is not None and "epoch" in schedule.names(self.schedule)
        if by_epoch != (self.kind == "dynamic"):
            rule = f"by {self.schedule!r}" if self.schedule else "without a schedule"
            other, does = ("dynamic", "changes") if by_epoch else ("fixed", "does not change")
            raise UsageError(
                f"a {self.kind} mask {rule}: it {does} with the epoch, and is a {other} one",
                f"write kind: {other}, or "
                + ("take epoch out of the schedule" if by_epoch else "let the schedule name epoch"),
            )

    def document(self) -> dict[str, Any]:
        """The seven fields as JSON; a number without a fraction is written as an integer, so that 1 and 1.0 are one rule."""
        return {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in asdict(self).items()}

    @property
    def digest(self) -> str | None:
        """The digest of the seven fields; null for none."""
        return None if self.kind == "none" else digest.of_value(self.document())

    def seed_of(self, window: int, epoch: int = 0) -> int | None:
        """The seed of a window's draw; null where nothing is drawn. Raises UsageError."""
        if self.seed is None or self.schedule is None:
            return self.seed
        return schedule.value(self.schedule, seed=self.seed, epoch=epoch, window=window)

    def draw(self, window: int, length: int, epoch: int = 0) -> Bits:
        """Which of a window's `length` positions are hidden, as bool (length,): the same for all of its sequences.

        One 64-bit word a position is taken off the stream of PCG64, seeded with the draw's seed (by `random_raw`, the
        stream that NumPy promises never to change). The floor(rate * length + 0.5) positions with the smallest words are
        hidden; of equal words the first counts as smaller. With one seed, a lower rate thus hides a part of what a higher
        one hides. Raises UsageError for bits that were given, another generator, or a window longer than `window_length`.
        """
        _whole("length", length, 0)
        if self.window_length is not None and length > self.window_length:
            raise UsageError(
                f"window {window} has {length} positions, its mask's rule says at most {self.window_length}"
            )
        bits = np.zeros(length, dtype=np.bool_)
        seed = self.seed_of(window, epoch)
        if self.kind == "none":
            return bits
        if self.generator != GENERATOR or self.rate is None:
            drawn = "were given" if self.generator is None else f"are drawn by {self.generator}"
            raise UsageError(
                f"the bits of this mask {drawn}, and cannot be drawn here", "take them from where they are"
            )
        words = np.random.PCG64(seed).random_raw(length)
        bits[np.argsort(words, kind="stable")[: math.floor(self.rate * length + 0.5)]] = True
        return bits


def declared(values: Mapping[str, Any], seed: int | None = None) -> Rule:
    """The rule that a config declares: a mapping of the fields of `Rule`, drawn by numpy.PCG64 unless it says otherwise.

    `seed` is the run's, and holds where the mapping names none. Raises UsageError.
    """
    known = [field.name for field in fields(Rule)]
    if unknown := [key for key in values if key not in known]:
        raise UsageError(f"a mask has no {unknown[0]!r}", f"write {', '.join(known)}")
    given = {key: value for key, value in values.items() if value is not None}
    if given.get("kind") in ("fixed", "dynamic"):
        given = {"generator": GENERATOR, **({} if seed is None else {"seed": seed}), **given}
    return Rule(**{"kind": None, **given})


def document(rule: Rule, lengths: Sequence[int], epochs: Iterable[int] = (0,)) -> dict[str, Any]:
    """The mask/v1 document of a rule for windows 0, 1, … of these lengths; a dynamic mask is drawn for each of the epochs.

    Raises UsageError.
    """
    rows = [
        _row(rule.draw(window, length, epoch or 0), window, epoch, rule.seed_of(window, epoch or 0))
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
    total = sum(bits.size for bits in windows)
    lengths = {row["length"] for row in rows}
    rule = Rule(
        "fixed",
        rate=sum(row["hidden"] for row in rows) / total if total else None,
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


def packed(bits: Bits) -> bytes:
    """Bits as they are digested: a line of ASCII with their shape, then the bits row by row, the first one the highest
    of its byte, and zeros to the end of the last byte."""
    return f"{SCHEMA} {' '.join(map(str, bits.shape))}\n".encode() + np.packbits(bits, axis=None).tobytes()


def content(windows: Iterable[Mapping[str, Any]]) -> str:
    """The digest over all windows: of the windows' digests, one a line, in their order."""
    return digest.of_bytes("".join(f"{row['digest']}\n" for row in windows).encode())


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


def _whole(name: str, value: Any, least: int) -> None:
    """Hold an integer, where there is one, against its bounds."""
    if value is not None and (type(value) is not int or not least <= value < schedule.LIMIT):
        raise UsageError(f"the {name} of a mask is {value!r}", f"expected an integer from {least} to 2**63 - 1")


def _bounded(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """Hold a finite number, where there is one, against its bounds."""
    number = type(value) in (int, float) and math.isfinite(value)
    if value is not None and not (number and least <= value <= most):
        bounds = "a finite number" if most == math.inf else f"a number from {least} to {most}"
        raise UsageError(f"the {name} of a mask is {value!r}", f"expected {bounds}")
