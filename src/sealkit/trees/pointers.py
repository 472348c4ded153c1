"""Names of models that are made to be moved, and whether one has moved since the matrix ran."""

from __future__ import annotations

from datetime import datetime, timedelta

from sealkit.trees.evidence import Model
from sealkit.trees.lineage import Lines

POINTERS = ("latest", "current", "newest", "last")
CLOCKS = timedelta(hours=14)  # between the local time in the name of a training and UTC


def all_kept(lines: Lines) -> bool:
    """Whether every training that is recorded here kept a model, so that a pointer can be to none that is lost."""
    return all(lines.exports(one) or lines.checkpoints(one) for one in lines.evidence.ids("training"))


def beside(model: Model, pointer: Model) -> bool:
    """Whether a model lies beside a pointer, under a name of its own."""
    return not model.pointer and model.path.rpartition("/")[0] == pointer.path.rpartition("/")[0]


def trained_after(pointer: Model, lines: Lines) -> str | None:
    """The training that made what a pointer leads to, where its name says that it began after the matrix did: by the time in the name
    of that, which is of the same clock, else by the time in its record."""
    evidence = lines.evidence
    by_name = time_of(evidence.document["matrix"].rpartition("/")[2])
    recorded = next((time_of(str(one.value)) for one in evidence.all("matrix", what="created_at")), None)
    made = by_name or (recorded + CLOCKS if recorded else None)
    began = {maker: time_of(maker) for maker in lines.makers[pointer.path]}
    later = [maker for maker, time in began.items() if made and time and time > made]
    return later[0] if later and len(later) == len(began) else None


def time_of(text: str) -> datetime | None:
    """The date and time of day that a text begins with: 2026-02-03T00:57:29Z, 20260203_005729_cd195e."""
    digits = "".join(character for character in text[:19] if character.isdigit())[:14]
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S") if len(digits) == 14 else None
    except ValueError:
        return None
