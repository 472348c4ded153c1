"""The masks of windows, as a mask/v1 document says that they are drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sealkit import mask
from sealkit.stage import Input
from sealkit.stages.genotype._haplotypes import Bits, Window, refused

ONCE = 1  # the epoch of what is searched or imputed once: epochs are counted from 1


@dataclass(frozen=True)
class Mask:
    """A mask/v1 document, drawn window by window. A fixed one is the same in every epoch."""

    rule: mask.Rule
    lengths: tuple[int, ...]

    def hidden(self, window: Window, epoch: int) -> Bits:
        """True where a position of the window is hidden, of shape (window.length,)."""
        return self.rule.draw(window.number, window.length, epoch)

    def group(self, epoch: int) -> dict[str, Any]:
        """The mask group of a fingerprint, as it is in this epoch."""
        return mask.group(mask.document(self.rule, self.lengths, (epoch,)))


def of_mask(source: Input, windows: tuple[Window, ...]) -> Mask:
    """The mask of an input. Raises Refused where it was drawn for other windows."""
    said = source.read()
    lengths = tuple(window.length for window in windows)
    drawn = {row["window"]: row["length"] for row in said["windows"]}
    if said["kind"] != "none" and drawn != dict(enumerate(lengths)):
        message = f"the mask was drawn for {len(drawn)} windows, not for these {len(lengths)}"
        fix = "give the stage of the mask the same windows"
        raise refused(source, message, fix, "windows")
    return Mask(mask.Rule(**{field.name: said[field.name] for field in fields(mask.Rule)}), lengths)


def hiding(source: Input, windows: tuple[Window, ...]) -> Mask:
    """The mask of an input that something is to be imputed under. Raises Refused where it hides nothing."""
    if not any(row["hidden"] for row in source.read()["windows"]):
        message, fix = (
            "the mask hides nothing: there is nothing to impute",
            "write kind: fixed or dynamic, and a rate above 0",
        )
        raise refused(source, message, fix, "rate")
    return of_mask(source, windows)
