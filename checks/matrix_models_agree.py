"""Config, override, resolved config and log of a run name one model, and it still has the digest that the matrix recorded."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View
from sealkit.trees.evidence import Evidence, Model, Statement, same_name
from sealkit.trees.lineage import Lines, disagree
from sealkit.trees.words import called, few, names

ASKED = ("config", "override", "resolved")  # of which a layout may know none


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    silent = []
    for one in lines.runs:
        if lines.named(one) is not None:
            yield from names_agree(one, evidence, lines.loaded(one))
            silent += [] if lines.loaded(one) else [one]
    yield from digests_hold(evidence, lines)
    if silent:
        where = ", ".join(evidence.looked("run model"))
        fix = "log the name of the model that is loaded"
        raise Blocked(f"{names(silent, evidence)}: nothing tells which model was really loaded; looked in {where}", fix)


def names_agree(run: str, evidence: Evidence, lines: list[Statement]) -> Iterator[Finding]:
    said = {by: evidence.all("run", run, "model", by) for by in ASKED}
    label, resolved = called(run, evidence), said["resolved"]
    asked, where = (said["override"][-1:], "override") if said["override"] else (said["config"], "config")
    meant = [one for one in resolved if any(not disagree(one, other, evidence) for other in asked)]
    if asked and resolved and not meant:
        old = next((one for one in said["config"] if not disagree(one, resolved[0], evidence)), None)
        won = f": `{old.key}` of its config won" if old and said["override"] else ""
        message = f"{label} resolved {resolved[0].value}, and its {where} says {asked[-1].value}{won}"
        also = (*(one.at for one in asked), *([old.at] if old else []))
        yield Finding(message, resolved[0].at, also=also, fix=f"run {label} again with {asked[-1].value}")
    told, place = (meant or resolved, "resolved config") if resolved else (asked, where)
    others = [line for line in lines if told and all(disagree(line, one, evidence) for one in told)]
    if len(others) < len(lines):  # beside its own it may load what it is configured to: a reranker
        configured = [str(one.value) for one in evidence.all("run", run, "setting") if isinstance(one.value, str)]
        others = [line for line in others if not any(same_name(str(line.value), name) for name in configured)]
    if others:
        fix, also = f"run {label} again with {told[0].value}", tuple(one.at for one in (*others[1:], *told))
        among = len(others) < len(lines)
        verb = "also loaded" if among else "loaded"
        message = f"{label} {verb} {others[0].value}, and its {place} says {told[0].value}"
        yield Finding(message, others[0].at, Severity.WARNING if among else None, also, fix)
    elif lines and not told and any(one.by in ASKED for one in evidence.all("run", what="model")):
        message = (
            f"{label} loaded {lines[0].value}, and neither its configs nor an override name a model: taken on trust"
        )
        yield Finding(message, lines[0].at, Severity.WARNING, fix="keep config.resolved.yaml as it was used")


def digests_hold(evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    """Of each model and digest that do not belong together one finding, for all runs that it concerns."""
    broken: dict[tuple[str, str], list[Statement]] = {}
    for run in lines.runs:
        recorded, model = evidence.one("run", run, "model_digest"), lines.model_of(run)
        if (
            recorded
            and recorded.value
            and model
            and model.state == "here"
            and not model.is_named_by(str(recorded.value))
        ):
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
