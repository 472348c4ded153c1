"""No run of a matrix loads its model by a name that the next training moves to another one."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.evidence import Evidence, Model, Statement
from sealkit.tree_lineage import Lines, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    for pointer in (model for model in evidence.models.values() if model.pointer):
        said = [one for one in evidence.all("run", what="model") if evidence.model(str(one.value)) is pointer]
        said = [one for one in said if one.by != "config" and lines.named(one.id) is not None]
        if said:
            yield from loaded_by(pointer, said, evidence, lines)


def loaded_by(pointer: Model, said: list[Statement], evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    runs = [run for run in evidence.ids("run") if any(one.id == run for one in said)]
    moves = [one.at for one in evidence.all("code", what="moves_pointer")]
    first = [next(one for one in said if one.by == by).at for by in ("override", "resolved", "loaded") if has(said, by)]
    first = first or [said[0].at]
    also = (*first[1:], *moves)
    who = f"{names(runs, evidence)} {'loads' if len(runs) == 1 else 'load'} it"
    twins = lines.twins(pointer)
    dated = [twin for twin in twins if twin.path.rpartition("/")[0] == pointer.path.rpartition("/")[0]] or twins
    fix = dated[0].path if dated else "keep a copy under a name of its own, and name that"
    others = [model for model in evidence.models.values() if beside(model, pointer)]
    if later := trained_after(pointer, evidence, lines):
        message = f"{pointer.path} has moved: it leads to the model of {later}, trained after the matrix ran; {who}"
        yield Finding(
            message, first[0], Severity.ERROR, also, "run them again on the model that is meant, by its own name"
        )
    elif pointer.state == "here" and others and not twins:
        message = f"{pointer.path} has the weights of no model beside it, so it has moved or was never kept; {who}"
        yield Finding(message, first[0], Severity.ERROR, also, f"name the model that is meant: {others[-1].path}")
    else:
        by_whom = "training again moves it" if moves else "it can be moved to another model"
        yield Finding(f"{pointer.path} is a pointer, and {by_whom}; {who}", first[0], also=also, fix=fix)


def has(said: list[Statement], by: str) -> bool:
    return any(one.by == by for one in said)


def beside(model: Model, pointer: Model) -> bool:
    return not model.pointer and model.path.rpartition("/")[0] == pointer.path.rpartition("/")[0]


def trained_after(pointer: Model, evidence: Evidence, lines: Lines) -> str | None:
    """The only training that made what the pointer leads to, where its name says that it began after the matrix was made."""
    made = digits(next((str(one.value) for one in evidence.all("matrix", what="created_at")), ""))
    makers = lines.makers[pointer.path]
    return makers[0] if made and makers and all(digits(maker) > made for maker in makers) else None


def digits(time: str) -> str:
    """The date and time of day that a text begins with, as digits: of 2026-02-03T00:57:29Z and of 20260203_005729_cd195e."""
    found = "".join(character for character in time[:19] if character.isdigit())[:14]
    return found if len(found) == 14 else ""


CHECK = Check(
    since="0.2.0",
    title="Models are named by names of their own",
    why="`latest` was deleted and rebuilt by the next training, and sealed runs read another model (wandb/docs#523, mlflow#17146).",
    fix="name the folder that the pointer leads to",
    reads={"evidence": 1},
    needs=("run model",),
    find=find,
    severity=Severity.WARNING,
    risk="R1",
)
