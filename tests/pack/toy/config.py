"""The sections of a config that belong to the toy stages: what they mask, and what is declared of it."""

from __future__ import annotations

from pydantic import Field

from sealkit.stage import Params


class Mask(Params):
    kind: str = "none"
    rate: float | None = None
    seed: int | None = None
    schedule: str | None = None


class Index(Params):
    mask: Mask = Mask()
    invariant: dict[str, str] = Field(default_factory=dict)


class Part(Params):
    mask: Mask = Mask()


SECTIONS = {"index": Index, "train": Part, "validation": Part, "test": Part}
