"""Config, override, resolved config and log of a run name one model, and it still has the digest that the matrix recorded."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View
from sealkit.trees.agreement import ASKED, Agreement
from sealkit.trees.evidence import Evidence, Model, Statement
from sealkit.trees.lineage import Lines, disagree
from sealkit.trees.words import called, few, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    places = [Agreement(one, evidence) for one in lines.runs if lines.named(one) is not None]
    for one in places:
        yield from names_agree(one, evidence)
    yield from digests_hold(evidence, lines)
    if silent := [one.run for one in places if not one.loaded]:
        where = ", ".join(evidence.looked("run model"))
        fix = "log the name of the model that is loaded"
        raise Blocked(f"{names(silent, evidence)}: nothing tells which model was really loaded; looked in {where}", fix)


def names_agree(one: Agreement, evidence: Evidence) -> Iterator[Finding]:
    label, (asked, where), (meant, place) = called(one.run, evidence), one.asked, one.meant
    if one.lost:
        first = one.said("resolved")[0]
        old = next((said for said in one.said("config") if not disagree(said, first, evidence)), None)
        won = f": `{old.key}` of its config won" if old and where == "override" else ""
        message = f"{label} resolved {first.value}, and its {where} says {asked[-1].value}{won}"
        also = (*(said.at for said in asked), *([old.at] if old else []))
        yield Finding(message, first.at, also=also, fix=f"run {label} again with {asked[-1].value}")
    if one.others:
        fix, also = f"run {label} again with {meant[0].value}", tuple(said.at for said in (*one.others[1:], *meant))
        verb, severity = ("loaded", None) if one.amiss else ("also loaded", Severity.WARNING)
        message = f"{label} {verb} {one.others[0].value}, and its {place} says {meant[0].value}"
        yield Finding(message, one.others[0].at, severity, also, fix)
    elif one.loaded and not meant and any(said.by in ASKED for said in evidence.all("run", what="model")):
        message = f"{label} loaded {one.loaded[0].value}, and neither its configs nor an override name a model: taken on trust"
        yield Finding(message, one.loaded[0].at, Severity.WARNING, fix="keep config.resolved.yaml as it was used")


def digests_hold(evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    """Of each model and digest that do not belong together one finding, for all runs that it concerns."""
    broken: dict[tuple[str, str], list[Statement]] = {}
    for run in lines.runs:
        recorded, model = Agreement(run, evidence).broken_digest(lines), lines.model_of(run)
        if recorded and model:
            broken.setdefault((str(recorded.value), model.path), []).append(recorded)
    for (digest, path), rows in broken.items():
        model, who = evidence.models[path], names([one.id for one in rows], evidence)
        said = lines.named(rows[0].id)
        also, more = few([rows[0].at, *([said.at] if said else []), *(one.at for one in rows[1:])])
        message = f"{who}: run on {digest}, and {path} has the weights {model.weights} now{more}"
        kept = next((other for other in evidence.models.values() if other.is_named_by(digest)), None)
        yield Finding(message, also[0], also=also[1:], fix=way_out(kept))


def way_out(kept: Model | None) -> str:
    if kept:
        return f"name the model that still has that digest: {kept.path}"
    return "put back the model that was recorded, or run again on the one that is here"


CHECK = Check(
    since="0.2.0",
    title="A run loaded the model that it says",
    why="A reload fell back to another model, and an old key won over an override; the table named the model of the config "
    "(llama_index#17836, vllm-ascend#14067).",
    fix="run it again, and log what is loaded",
    reads={"evidence": 1},
    needs=("run model",),
    find=find,
    risk="R5 another model was loaded than is said",
)
