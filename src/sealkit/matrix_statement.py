"""What the seal of a matrix states, derived from its evidence, its report and its numbers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealkit import digest, write
from sealkit.finding import Location
from sealkit.trees import selection
from sealkit.trees.agreement import ASKED, Agreement
from sealkit.trees.contrasts import contrasts
from sealkit.trees.evidence import Evidence, Model, Statement, normal
from sealkit.trees.lineage import Lines

TYPE = "urn:sealkit:matrix_seal/v1"


def predicate(
    document: Mapping[str, Any],
    report: Mapping[str, Any],
    numbers: Mapping[str, Any],
    sealed_at: str,
    version: str,
    packs: Sequence[Mapping[str, str]],
    risks: Mapping[str, str | None],
) -> dict[str, Any]:
    """A `matrix_seal/v1`. `document` is the `evidence/v1` of the tree, `risks` maps each check to the code of its risk, or None."""
    evidence = Evidence(document)
    lines = Lines(evidence)
    return {
        "schema": "matrix_seal/v1",
        "sealkit": version,
        "packs": list(packs),
        "sealed_at": sealed_at,
        "layout": document["layout"],
        "matrix": _matrix(evidence),
        "verdict": report["verdict"],
        "exit_code": report["exit_code"],
        "checks": [outcome["id"] for outcome in report["checks"]],
        "risks": {check: code for check, code in risks.items() if code},
        "report": digest.of_bytes(write.dumps(report).encode()),
        "evidence": digest.of_bytes(write.dumps(document).encode()),
        "commits": _commits(evidence),
        "trainings": [_training(training, runs, lines) for training, runs in lines.trainings.items()],
        "runs": [_run(run, lines) for run in evidence.ids("run")],
        "models": [_model(model, lines) for model in evidence.models.values()],
        "lineage": list(_lineage(lines)),
        "contrasts": [_contrast(name, contrast, evidence) for name, contrast in contrasts(lines).items()],
        "outside": _outside(evidence),
        "numbers": dict(numbers),
    }


def _matrix(evidence: Evidence) -> dict[str, Any]:
    folder = evidence.document["matrix"]
    said = {
        what: _said(_first(evidence.all("matrix", what=what)))
        for what in ("id", "created_at", "base_config", "matrix_config")
    }
    return {"name": folder.rpartition("/")[2], "folder": folder, **said}


def _first(said: Sequence[Statement]) -> Statement | None:
    return said[0] if said else None


def _said(one: Statement | None) -> dict[str, Any] | None:
    """A value with its place."""
    return None if one is None else {"value": one.value, "at": _place(one.at)}


def _place(at: Location) -> dict[str, Any]:
    return {"path": at.path, "line": at.line, "quote": at.quote}


def _commits(evidence: Evidence) -> dict[str, Any]:
    repository = evidence.document["repository"]
    audit = {name: repository[name] for name in ("commit", "state", "reason", "dirty")}
    relation = {one["commit"]: one["relation"] for one in evidence.document["commits"]}
    said = [_first(evidence.all("matrix", what="commit")), *evidence.all("training", what="commit")]
    rows = [
        {"of": one.of, "id": one.id, "relation": relation.get(str(one.value), "unknown"), **(_said(one) or {})}
        for one in said
        if one
    ]
    return {"audit": audit, "said": rows}


def _training(training: str, runs: Sequence[str], lines: Lines) -> dict[str, Any]:
    evidence, best, chosen = lines.evidence, selection.best(lines, training), selection.best_checkpoint(lines, training)
    fields = ("run_id", "commit", "seed", "base", "exported", "final_step")
    hard = {
        by: _said(_first(evidence.all("training", training, "hard_negatives", by)[-1:]))
        for by in ("config", "record", "log")
    }
    return {
        "id": training,
        "runs": [evidence.label(run) for run in runs],
        **{what: _said(evidence.one("training", training, what)) for what in fields},
        "selected_by": _said(_first(best.at)) if best.metric else None,
        "best": {
            "metric": best.metric,
            "step": best.step,
            "value": best.value,
            "model": chosen.path if chosen else None,
        },
        "exports": [model.path for model in lines.exports(training)],
        "checkpoints": [model.path for model in lines.checkpoints(training).values()],
        "hard_negatives": {**hard, "on": lines.hard(training)},
    }


def _run(run: str, lines: Lines) -> dict[str, Any]:
    evidence, model, places = lines.evidence, lines.model_of(run), Agreement(run, lines.evidence)
    told = {by: places.said(by) for by in ASKED}
    told |= {"override": told["override"][-1:], "loaded": places.loaded}  # of overrides the last one holds
    recorded, named = evidence.one("run", run, "model_digest"), lines.named(run)
    fields = ("tag", "status", "mode", "commit", "seed")
    return {
        "id": run,
        "label": evidence.label(run),
        "ended": evidence.one("run", run, "ended") is not None,
        **{what: _said(evidence.one("run", run, what)) for what in fields},
        "model": {
            **{by: _said(_first(those)) for by, those in told.items()},
            "recorded": _said(recorded),
            "weights": model.weights if model and named else None,
            "loads": lines.loads(run),
            "agree": places.holds(lines),
            "training": lines.maker(run),
        },
    }


def _model(model: Model, lines: Lines) -> dict[str, Any]:
    return {
        "path": model.path,
        "state": model.state,
        "pointer": model.pointer,
        "weights": model.weights,
        "tree": model.tree,
        "made_by": list(lines.makers[model.path]),
        "loaded_by": [lines.evidence.label(run) for run in lines.evidence.ids("run") if lines.model_of(run) is model],
    }


def _lineage(lines: Lines) -> Iterator[dict[str, Any]]:
    """pre-FT, post-FT and HN-FT, each with its models, or where it was looked for. A training with hard negatives is of both of the
    last: it is fine-tuned too."""
    evidence, found = lines.evidence, contrasts(lines)
    hard = [one for one in lines.behind if lines.hard(one)]
    bases = {
        normal(str(said.value)): said
        for training in lines.behind
        for said in evidence.all("training", training, "base")
    }
    for run in found["pre_post"].before if "pre_post" in found else ():
        if (said := lines.named(run)) is not None:
            bases.setdefault(normal(str(said.value)), said)
    for name, said in bases.items():
        model = evidence.model(name)
        yield _line("pre-FT", name, model.weights if model else None, None, said.at, lines, name)
    if not bases:
        yield _absent("pre-FT", evidence, "training base", "run model")
    for role, trainings in (("post-FT", list(lines.behind)), ("HN-FT", hard)):
        for training in trainings:
            for model in (
                lines.exports(training) or [one for run in lines.behind[training] if (one := lines.model_of(run))][:1]
            ):
                at = (evidence.all("training", training, "exported") or evidence.all("training", training))[0].at
                yield _line(role, model.path, model.weights, training, at, lines, None)
        if not trainings:
            yield _absent(role, evidence, "training hard_negatives")


def _line(
    role: str, name: str, weights: str | None, training: str | None, at: Location, lines: Lines, base: str | None
) -> dict[str, Any]:
    evidence = lines.evidence
    if base is not None:
        runs = [
            run
            for run in evidence.ids("run")
            if lines.maker(run) is None and (said := lines.named(run)) and normal(str(said.value)) == base
        ]
    else:
        runs = [
            run
            for run in lines.behind.get(training or "", [])
            if (model := lines.model_of(run)) is None or model.weights == weights
        ]
    return {
        "role": role,
        "found": True,
        "name": name,
        "weights": weights,
        "training": training,
        "at": _place(at),
        "runs": [evidence.label(run) for run in runs],
        "looked": [],
    }


def _absent(role: str, evidence: Evidence, *fields: str) -> dict[str, Any]:
    looked = list(dict.fromkeys(where for field in fields for where in evidence.looked(field)))
    empty: dict[str, Any] = {"name": None, "weights": None, "training": None, "at": None, "runs": []}
    return {"role": role, "found": False, **empty, "looked": looked}


def _contrast(name: str, contrast: Any, evidence: Evidence) -> dict[str, Any]:
    return {
        "name": name,
        "required": contrast.required,
        "found": contrast.found,
        "before": [evidence.label(run) for run in contrast.before],
        "after": [evidence.label(run) for run in contrast.after],
        "missing": contrast.missing,
        "looked": list(contrast.looked),
    }


def _outside(evidence: Evidence) -> list[dict[str, str]]:
    """The files outside of the matrix folder that say something in the seal, by digest."""
    folder = f"{evidence.document['matrix']}/"
    found = {
        one.at.path: one.at.digest
        for one in evidence.statements
        if one.at.digest and not one.at.path.startswith(folder)
    }
    return [{"path": path, "digest": value} for path, value in sorted(found.items())]
