"""No run of a matrix loads its model by a name that the next training moves to another one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Evidence, Model, Statement, normal
from sealkit.trees.lineage import Lines
from sealkit.trees.words import few, names

POINTERS = ("latest", "current", "newest", "last")
CLOCKS = timedelta(hours=14)  # between the local time in the name of a training and UTC
TOLD = ("override", "resolved", "loaded", "mentioned")  # a config that an override replaced does not count


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    by_path: dict[str, list[Statement]] = {}
    for one in evidence.all("run", what="model"):
        model, name = evidence.model(str(one.value)), normal(str(one.value))
        moves = model.pointer if model else "/" in name and name.rpartition("/")[2] in POINTERS
        if moves and one.by in TOLD and one.id in lines.runs and lines.named(one.id) is not None:
            by_path.setdefault(model.path if model else name, []).append(one)
    for path, said in by_path.items():
        yield from loaded_by(path, said, evidence, lines)


def loaded_by(path: str, said: list[Statement], evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    pointer, runs = evidence.models.get(path), dict.fromkeys(one.id for one in said)
    who = f"{names(runs, evidence)} {'loads' if len(runs) == 1 else 'load'} it"
    moved_by = evidence.all("code", what="moves_pointer")
    firsts = [next((one for one in said if one.by == by), None) for by in TOLD]
    shown = [one for one in firsts if one]
    shown = shown[:-1] if len(shown) > 1 and shown[-1].by == "mentioned" else shown
    also, more = few([one.at for one in (*shown, *moved_by)])
    others = [model.path for model in evidence.models.values() if pointer and beside(model, pointer)]
    twins = [model.path for model in lines.twins(pointer)] if pointer else []
    if pointer and (later := trained_after(pointer, evidence, lines)):
        message = f"{path} has moved: it leads to the model of {later}, trained after the matrix ran; {who}{more}"
        fix = "run them again on the model that is meant, by its own name"
        yield Finding(message, also[0], Severity.ERROR, also[1:], fix)
    elif pointer and pointer.weights and others and not twins and all_kept(lines):
        message = f"{path} has the weights of no model that is kept here, so it has moved; {who}{more}"
        yield Finding(message, also[0], Severity.ERROR, also[1:], f"name the model that is meant: {others[-1]}")
    else:
        by_whom = "training again moves it" if moved_by else "it can be moved to another model"
        fix = next(
            (twin for twin in twins if twin in others),
            twins[0] if twins else "keep a copy under a name of its own, and name that",
        )
        yield Finding(f"{path} is a pointer, and {by_whom}; {who}{more}", also[0], also=also[1:], fix=fix)


def all_kept(lines: Lines) -> bool:
    """Whether every training that is recorded here kept a model, so that a pointer can be to none that is lost."""
    return all(lines.exports(one) or lines.checkpoints(one) for one in lines.evidence.ids("training"))


def beside(model: Model, pointer: Model) -> bool:
    return not model.pointer and model.path.rpartition("/")[0] == pointer.path.rpartition("/")[0]


def trained_after(pointer: Model, evidence: Evidence, lines: Lines) -> str | None:
    """The training that made what a pointer leads to, where its name says that it began after the matrix did: by the time in the name
    of that, which is of the same clock, else by the time in its record."""
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


CHECK = Check(
    since="0.2.0",
    title="Models are named by names of their own",
    why="`latest` was deleted and rebuilt by the next training, and sealed runs read another model (wandb/docs#523, mlflow#17146).",
    fix="name the folder that the pointer leads to",
    reads={"evidence": 1},
    needs=("run model",),
    find=find,
    severity=Severity.WARNING,
    risk="R1 a model is named by a mutable pointer",
)
