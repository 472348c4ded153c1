"""Names of models that are made to be moved, and whether one has moved since the matrix ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sealkit.trees import selection
from sealkit.trees.evidence import Model, Statement
from sealkit.trees.lineage import Lines, differ, is_final
from sealkit.trees.words import step_of

CLOCKS = timedelta(hours=14)  # between the local time in the name of a training and UTC


@dataclass(frozen=True)
class Move:
    """That a pointer has moved: how that shows, what says it, and the model that is meant. `sure`: nothing else explains it."""

    how: str
    fix: str
    at: tuple[Statement, ...] = ()
    sure: bool = True


def moved(pointer: Model, runs: Sequence[str], lines: Lines) -> Move | None:
    """Whether a pointer that runs load has moved: away from the digest that was recorded of them, to a training that came later, to
    another checkpoint than its training exported, or to a model that nothing here knows."""
    evidence, twins = lines.evidence, lines.twins(pointer)
    own = [model for model in evidence.models.values() if beside(model, pointer)]
    said = (one for run in runs if (one := evidence.one("run", run, "model_digest")) and one.value)
    known = [(one, kept) for one in said if (kept := lines.recorded(str(one.value))) and not kept.pointer]
    recorded, kept = next((pair for pair in known if not pointer.is_named_by(str(pair[0].value))), (None, None))
    if later := trained_after(pointer, lines):
        how = f"has moved: it leads to the model of {later}, trained after the matrix ran"
        fix = kept.path if kept else "run them again on the model that is meant, by its own name"
        return Move(how, fix, (recorded,) if recorded else ())
    if recorded and kept:
        return Move(f"has moved: the matrix recorded the digest of {kept.path}", kept.path, (recorded,))
    if twins and not any(one in own for one in twins):
        return _elsewhere(pointer, twins[0], own, lines)
    if pointer.weights and own and not twins and all_kept(lines):
        how = "has the weights of no model that is kept here, so it has moved"
        return Move(how, f"name the model that is meant: {own[-1].path}")
    return None


def _elsewhere(pointer: Model, twin: Model, own: Sequence[Model], lines: Lines) -> Move | None:
    """A pointer with the weights of a checkpoint, where its training exported another one beside it. Some tools keep the best under
    one name and the final one under another: sure is what the record contradicts."""
    for training in lines.makers[pointer.path]:
        exported = next((one for one in lines.exports(training) if one in own and differ(one, pointer)), None)
        if exported:
            said = lines.evidence.all("training", training, "exported")
            how = f"leads to {twin.path}, and not to what {training} exported beside it"
            chosen, last = selection.best_checkpoint(lines, training), step_of(twin.path.rpartition("/")[2])
            final = (
                last is not None and last == selection.last_step(lines, training) and any(is_final(one) for one in said)
            )
            sure = bool(said) and not final and (chosen is None or differ(chosen, pointer) is not False)
            return Move(f"has moved: it {how}" if sure else how, exported.path, tuple(said), sure)
    return None


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
