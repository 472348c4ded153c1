"""Config, override, resolved config and log of a run name one model, and it still has the digest that the matrix recorded."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View
from sealkit.trees.agreement import Agreement
from sealkit.trees.evidence import Evidence, Model, Statement
from sealkit.trees.lineage import Lines, disagree
from sealkit.trees.words import called, few, names


def find(run: View) -> Iterator[Finding]:
    evidence, lines = run.evidence, Lines(run.evidence)
    places = [Agreement(one, evidence) for one in lines.runs if lines.loads(one)]
    for one in places:
        yield from kept(one, evidence)
    yield from loaded_as_meant(places, evidence)
    yield from meant(places, evidence)
    yield from digests_hold(evidence, lines)
    if silent := [one.run for one in places if not one.loaded]:
        where = ", ".join(evidence.looked("run model"))
        fix = "log the name of the model that is loaded"
        raise Blocked(f"{names(silent, evidence)}: nothing tells which model was really loaded; looked in {where}", fix)


def kept(one: Agreement, evidence: Evidence) -> Iterator[Finding]:
    """The resolved config has the model that was asked for."""
    label, (asked, where) = called(one.run, evidence), one.asked
    if one.lost:
        first = one.said("resolved")[0]
        old = next((said for said in one.said("config") if not disagree(said, first, evidence)), None)
        won = f": `{old.key}` of its config won" if old and where == "override" else ""
        message = f"{label} resolved {first.value}, and its {where} says {asked[-1].value}{won}"
        also = (*(said.at for said in asked), *([old.at] if old else []))
        yield Finding(message, first.at, also=also, fix=f"run {label} again with {asked[-1].value}")


def loaded_as_meant(places: list[Agreement], evidence: Evidence) -> Iterator[Finding]:
    """What was loaded is what was meant; of each model in the place of another one finding, for all runs that it concerns."""
    found: dict[tuple[bool, str, str, str], list[Agreement]] = {}
    for one in places:
        if one.others:
            said, where = one.meant
            found.setdefault((one.amiss, str(one.others[0].value), where, str(said[0].value)), []).append(one)
    for (amiss, loaded, where, name), those in found.items():
        who, verb = names([one.run for one in those], evidence), "loaded" if amiss else "also loaded"
        told = f"its {where} says" if len(those) == 1 else f"their {where}s say"
        also, more = few([said.at for one in those for said in (*one.others, *one.meant[0])])
        message = f"{who} {verb} {loaded}, and {told} {name}{more}"
        yield Finding(message, also[0], None if amiss else Severity.WARNING, also[1:], f"run {who} again with {name}")


def meant(places: list[Agreement], evidence: Evidence) -> Iterator[Finding]:
    """Something tells which model a run was to load, and one alone."""
    for one in places:
        if one.several and not one.others:
            label, keys = called(one.run, evidence), ", ".join(f"{said.key}: {said.value}" for said in one.several)
            message = f"{label} names several models, and nothing tells which it was to load: {keys}"
            also, more = few([said.at for said in (*one.several, *one.loaded)])
            yield Finding(
                f"{message}{more}", also[0], Severity.WARNING, also[1:], "log what is loaded, and from which key"
            )
    untold = [one for one in places if one.loaded and not one.meant[0] and not one.unasked]
    if untold:
        who, looked = names([one.run for one in untold], evidence), ", ".join(evidence.looked("run setting"))
        models = ", ".join(dict.fromkeys(str(one.loaded[0].value) for one in untold))
        also, more = few([one.loaded[0].at for one in untold])
        message = f"{who} loaded {models}, and neither configs nor overrides name a model that can be read: taken on trust; looked in {looked}{more}"
        yield Finding(message, also[0], Severity.WARNING, also[1:], "keep config.resolved.yaml as it was used")


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
        yield Finding(message, also[0], also=also[1:], fix=way_out(lines.recorded(digest)))


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
