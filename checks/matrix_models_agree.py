"""Config, override, resolved config and log of a run name one model, and it still has the digest that the matrix recorded."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, View
from sealkit.evidence import Evidence
from sealkit.tree_lineage import Lines, disagree, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    silent = []
    for one in evidence.ids("run"):
        if lines.named(one) is not None:
            yield from names_agree(one, evidence)
            silent += [one] if not evidence.all("run", one, "model", "loaded") else []
        yield from digest_holds(one, evidence, lines)
    if silent:
        where = ", ".join(evidence.looked("run model"))
        raise Blocked(f"{names(silent, evidence)}: nothing tells which model was really loaded; looked in {where}")


def names_agree(run: str, evidence: Evidence) -> Iterator[Finding]:
    said = {by: evidence.all("run", run, "model", by) for by in ("config", "override", "resolved", "loaded")}
    label, resolved = evidence.label(run), said["resolved"]
    asked = said["override"][-1:] or said["config"]
    if asked and resolved and all(disagree(one, other, evidence) for one in asked for other in resolved):
        where = "override" if said["override"] else "config"
        old = next((one for one in said["config"] if not disagree(one, resolved[0], evidence)), None)
        won = f": `{old.key}` of its config won" if old and said["override"] else ""
        message = f"{label} resolved {resolved[0].value}, and its {where} says {asked[-1].value}{won}"
        also = (*(one.at for one in asked), *([old.at] if old else []))
        yield Finding(message, resolved[0].at, also=also, fix=f"run {label} again with {asked[-1].value}")
    meant, where = (resolved, "resolved config") if resolved else (asked, "config")
    for line in said["loaded"]:
        if meant and all(disagree(line, one, evidence) for one in meant):
            message = f"{label} loaded {line.value}, and its {where} says {meant[0].value}"
            fix = f"run {label} again with {meant[0].value}"
            yield Finding(message, line.at, also=tuple(one.at for one in meant), fix=fix)


def digest_holds(run: str, evidence: Evidence, lines: Lines) -> Iterator[Finding]:
    recorded, model = evidence.one("run", run, "model_digest"), lines.model_of(run)
    if recorded is None or not recorded.value or model is None or model.state != "here":
        return
    if not model.is_named_by(str(recorded.value)):
        message = (
            f"{evidence.label(run)} was run on {recorded.value}, and {model.path} has the weights {model.weights} now"
        )
        said = lines.named(run)
        also = (said.at,) if said else ()
        yield Finding(message, recorded.at, also=also, fix="put back the model that was recorded, or run it again")


CHECK = Check(
    since="0.2.0",
    title="A run loaded the model that it says",
    why="A reload fell back to another model, and an old key won over an override; the table named the model of the config "
    "(llama_index#17836, vllm-ascend#14067).",
    fix="run it again, and log what is loaded",
    reads={"evidence": 1},
    needs=("run model",),
    find=find,
    risk="R5",
)
