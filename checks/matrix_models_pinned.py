"""No run of a matrix loads its model by a name that the next training moves to another one."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Evidence, Statement, normal
from sealkit.trees.lineage import Lines
from sealkit.trees.pointers import POINTERS, all_kept, beside, trained_after
from sealkit.trees.words import few, names

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
    if pointer and (later := trained_after(pointer, lines)):
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
