"""The rule of a mask: what it is drawn by, as a config declares it, and the draw itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit import digest, schedule
from sealkit.finding import UsageError

Bits = NDArray[np.bool_]

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
        _text("generator", self.generator)
        _text("schedule", self.schedule)
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
        for name, number in (("window", window), ("length", length), ("epoch", epoch)):
            _whole(name, number, 0)
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

    `seed` is the run's, and holds where the mapping names none. Kind none stands for itself, whatever else is set: so one
    override switches a mask off. Raises UsageError.
    """
    known = [field.name for field in fields(Rule)]
    if unknown := [key for key in values if key not in known]:
        raise UsageError(f"a mask has no {unknown[0]!r}", f"write {', '.join(known)}")
    if values.get("kind") == "none":
        return Rule("none")
    given = {key: value for key, value in values.items() if value is not None}
    return Rule(**{"kind": None, "generator": GENERATOR, "seed": seed, **given})


def _whole(name: str, value: Any, least: int) -> None:
    """Hold an integer, where there is one, against its bounds."""
    if value is not None and (type(value) is not int or not least <= value < schedule.LIMIT):
        raise UsageError(f"the {name} of a mask is {value!r}", f"expected an integer from {least} to 2**63 - 1")


def _text(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise UsageError(f"the {name} of a mask is {value!r}", "expected a text")


def _bounded(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """Hold a finite number, where there is one, against its bounds."""
    number = type(value) is int or (type(value) is float and math.isfinite(value))
    if value is not None and not (number and least <= value <= most):
        bounds = "a finite number" if most == math.inf else f"a number from {least} to {most}"
        raise UsageError(f"the {name} of a mask is {value!r}", f"expected {bounds}")
