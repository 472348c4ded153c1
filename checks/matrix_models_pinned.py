"""No run of a matrix loads its model by a name that the next training moves to another one."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import POINTERS, Evidence, Statement, normal
from sealkit.trees.lineage import Lines
from sealkit.trees.pointers import beside, moved
from sealkit.trees.words import few, names

KEEP = "keep a copy under a name of its own, and name that"
TOLD = ("override", "resolved", "loaded", "mentioned")  # a config that an override replaced does not count


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    by_path: dict[str, dict[str, list[Statement]]] = {}
    for one in lines.runs:
        for by in TOLD if lines.named(one) else ():
            for said in evidence.named_models(one, by):
                model, name = evidence.model(str(said.value)), normal(str(said.value))
                if model.pointer if model else "/" in name and name.rpartition("/")[2] in POINTERS:
                    by_path.setdefault(model.path if model else name, {}).setdefault(by, []).append(said)
    for path, places in by_path.items():
        yield loaded_by(path, places, evidence, lines)


def loaded_by(path: str, said: dict[str, list[Statement]], evidence: Evidence, lines: Lines) -> Finding:
    pointer, runs = evidence.models.get(path), list(dict.fromkeys(one.id for by in TOLD for one in said.get(by, ())))
    who = f"{names(runs, evidence)} {'loads' if len(runs) == 1 else 'load'} it"
    moved_by = evidence.all("code", what="moves_pointer")
    shown = [said[by][0] for by in TOLD if by in said]
    shown = shown[:-1] if len(shown) > 1 and "mentioned" in said else shown
    move = moved(pointer, runs, lines) if pointer else None
    also, more = few([one.at for one in (*shown, *(move.at if move else ()), *moved_by)])
    if move:
        severity = Severity.ERROR if move.sure else None
        return Finding(f"{path} {move.how}; {who}{more}", also[0], severity, also[1:], move.fix)
    twins = [model.path for model in lines.twins(pointer)] if pointer else []
    by_whom = "training again moves it" if moved_by else "it can be moved to another model"
    own = [model.path for model in evidence.models.values() if pointer and beside(model, pointer)]
    fix = next((twin for twin in twins if twin in own), twins[0] if twins else KEEP)
    return Finding(f"{path} is a pointer, and {by_whom}; {who}{more}", also[0], also=also[1:], fix=fix)


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
