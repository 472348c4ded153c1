"""The sections of a config that belong to the toy stages: what they mask, and what is declared of it."""

from __future__ import annotations

from sealkit.stage import Params


class Mask(Params):
    kind: str = "none"
    rate: float | None = None
    seed: int | None = None
    schedule: str | None = None


class Invariant(Params):
    mask: str | None = None


class Index(Params):
    mask: Mask = Mask()
    invariant: Invariant = Invariant()


class Part(Params):
    mask: Mask = Mask()


SECTIONS = {"index": Index, "train": Part, "validation": Part, "test": Part}
