"""What a matrix writes of itself: `matrix.json`, after every change of state, and `experiments_resolved.yaml` before the first run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sealkit import consumer, digest, world, write
from sealkit.completion import MODEL_MANIFEST
from sealkit.finding import Finding, ReadError, Status, UsageError, Verdict, dotted
from sealkit.matrix_config import MatrixConfig
from sealkit.matrix_plan import Planned, resolved
from sealkit.pack import Pack
from sealkit.plan import MODEL
from sealkit.read import json
from sealkit.rundir import MATRIX, RUNS, workspace
from sealkit.worker import Ended

RESOLVED = "experiments_resolved.yaml"
PENDING: dict[str, Any] = {
    "run_id": None,
    "status": "pending",
    "verdict": None,
    "exit_code": None,
    "reason": None,
    "seconds": None,
    "summary": None,
    "models": [],
}


def document(config: MatrixConfig, planned: Sequence[Planned], folder: Path) -> dict[str, Any]:
    """A `matrix/v1` in which every run is pending, but for the digest of the resolved experiments."""
    _, repository = world.find_repository([Path.cwd(), folder], without=folder)
    place = workspace(folder)
    return {
        "schema": "matrix/v1",
        "matrix_id": config.name,
        "created_at_utc": write.now(),
        "git_hash": repository.commit,
        "base_config": _file(config.base) if config.base else None,
        "matrix_config": {"path": config.path.as_posix(), "digest": config.digest},
        "experiments_resolved": {"path": RESOLVED, "digest": ""},
        "resumed": [],
        **{what: [one.document() for one in config.consumers if one.what == what] for what in consumer.WHAT},
        "experiments": [_pending(one, place) for one in planned],
    }


def _file(path: Path) -> dict[str, str]:
    return {"path": path.as_posix(), "digest": digest.file(path)}


def _pending(one: Planned, place: Path) -> dict[str, Any]:
    experiment = one.experiment
    return {
        "index": experiment.index,
        "label": experiment.label,
        "tag": experiment.tag,
        "repeat": experiment.repeat,
        "base_config": _file(experiment.base),
        "overrides": one.plan.config.redactor(place).value(list(experiment.overrides)),
        "run_dir": f"{RUNS}/{experiment.name}",
        **PENDING,
    }


def save(folder: Path, record: dict[str, Any]) -> None:
    write.atomic(folder / MATRIX, write.dumps(record))


def write_resolved(folder: Path, record: dict[str, Any], planned: Sequence[Planned]) -> None:
    """Write what every run would be, and its digest into the record."""
    entries = [resolved(one, workspace(folder)) for one in planned]
    found = {"schema": "experiments_resolved/v1", "matrix_id": record["matrix_id"], "experiments": entries}
    text = as_yaml(found)
    write.atomic(folder / RESOLVED, text)
    record["experiments_resolved"]["digest"] = digest.of_bytes(text.encode())


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, which our reader refuses, and texts that begin like a number in quotes: YAML 1.1 takes others for
    numbers than 1.2 does."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, '"' if data[:1] in "+-.0123456789" else None)


_Dumper.add_representer(str, _Dumper.text)


def as_yaml(value: Any) -> str:
    """A JSON value as YAML that is read as that value, by our reader and by others."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def read(folder: Path, pack: Pack) -> dict[str, Any]:
    """The `matrix.json` of a matrix folder. Raises UsageError where it does not keep its contract."""
    path, fix = folder / MATRIX, "put it back, or choose another matrix.name or --out"
    try:
        record: dict[str, Any] = json.read(path, str(path))
    except ReadError as error:
        raise UsageError(f"{error.at}: {error.message}", fix) from error
    for violation in pack.contracts["matrix/v1"].violations(record):
        raise UsageError(f"{path}: {dotted(violation.pointer)}: {violation.message}", fix)
    return record


def config_of(folder: Path, row: Mapping[str, Any]) -> Any:
    """The config that a run was begun with, by its own record; empty where it wrote none."""
    return _read(folder / row["run_dir"] / "resolved_config.json").get("config", {})


def complete(folder: Path, row: Mapping[str, Any]) -> bool:
    """Whether a run came to its end, also where the matrix was killed before it could say so."""
    return row["status"] == "ok" or _read(folder / row["run_dir"] / "summary.json").get("status") == "ok"


def began(row: dict[str, Any]) -> None:
    row |= {**PENDING, "status": "running"}


def ended(
    record: Mapping[str, Any], row: dict[str, Any], folder: Path, one: Planned, how: Ended, seconds: float
) -> None:
    """Write into a run's row how it ended, and what its own records say; `seconds` are those of its process.

    A run that is complete and lacks a metric that a table or figure needs is a FAIL here, whatever its own checks say: nothing
    in the run itself is wrong, and what is made of the matrix would have a hole.
    """
    run = folder / row["run_dir"]
    metadata, summary = _read(run / "run_metadata.json"), _read(run / "summary.json")
    models, why = list(_models(run, one, metadata, summary)), reason(how)
    row |= {
        "run_id": metadata.get("run_id"),
        "status": "ok" if summary.get("status") == "ok" and how.report is not None else "failed",
        "verdict": _verdict(how),
        "exit_code": how.exit_code,
        "reason": why and one.plan.config.redactor(workspace(folder)).text(why),
        "seconds": summary.get("seconds") or round(seconds, 3),
        "summary": f"{row['run_dir']}/summary.json" if summary else None,
        "models": models,
    }
    if row["status"] == "ok":
        absent = list(consumer.missing(record, row["label"], _read(run / "metrics.json")))
        if absent:
            row |= {"verdict": str(Verdict.FAIL), "exit_code": 1}
            row["reason"] = "; ".join([*absent, *([row["reason"]] if row["reason"] else [])])
    row.pop("model_sha256", None)
    loaded = _loaded(one, models)
    if len(loaded) == 1 and None not in loaded:
        row["model_sha256"] = loaded.pop()


def _read(path: Path) -> dict[str, Any]:
    """A document that the run wrote, empty where there is none."""
    try:
        found = json.read(path, path.name)
    except ReadError:
        return {}
    return found if isinstance(found, dict) else {}


def _verdict(how: Ended) -> str | None:
    if how.report is None:
        return None
    if how.error:  # stopped: what came after was never looked at
        return {1: str(Verdict.FAIL), 3: str(Verdict.INCONCLUSIVE)}.get(how.exit_code)
    return str(how.report.verdict)


def reason(how: Ended) -> str | None:
    """The first thing that was wrong with a run that did not exit with 0, on one line; of one that did, what somebody signed for."""
    if how.exit_code == 0:
        return "; ".join(_signed(how)) or None
    bad = (Status.FAILED,) if how.error else (Status.FAILED, Status.CRASHED, Status.BLOCKED)
    for status in bad:
        for outcome in how.report.outcomes if how.report else ():
            if outcome.status is status:
                finding = next(iter(outcome.findings), None)
                return _told(outcome.id, finding) if finding else f"{outcome.id}: {outcome.reason}"
    head, *more = (how.error or "").partition("\n  fix: ")[0].split("\n")
    said = "; ".join(line.strip() for line in more) if head.endswith(":") else ""
    return f"{head} {said}".rstrip() or None


def _signed(how: Ended) -> Iterator[str]:
    """The checks that passed only by a waiver, with who signed."""
    for outcome in how.report.outcomes if how.report else ():
        signed = dict.fromkeys(
            f"waived by {one.waiver['owner']} until {one.waiver['expires']}: {one.waiver['reason']}"
            for one in outcome.findings
            if one.waiver
        )
        if signed:
            yield f"{outcome.id}: {'; '.join(signed)}".replace("\n", " ")


def _told(check: str, finding: Finding) -> str:
    return f"{finding.at}: {check}: {finding.message}".partition("\n")[0]


def _models(run: Path, one: Planned, metadata: dict[str, Any], summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every model that a finished stage was handed, by the digests that the run recorded of it."""
    named = {model["name"]: model for model in metadata.get("models", [])}
    finished = {record["name"]: record["inputs"] for record in summary.get("stages", [])}
    made = {f"{step.name}.{name}": path for step in one.plan.steps for name, (_, path, _) in step.outputs.items()}
    found: dict[tuple[str, str], list[str]] = {}
    for step in one.plan.steps:
        for name, reference in step.inputs.items():
            handed = finished.get(step.name, {}).get(name)
            if step.contract(name) == MODEL and handed:
                found.setdefault((reference, handed), []).append(step.name)
    for (reference, handed), stages in found.items():
        model = named.get(reference) or _read(run / made.get(reference, reference) / MODEL_MANIFEST)
        same = model.get("weights") == handed
        digests = (handed, model["tree"]) if same else (None, handed)
        yield {"name": reference, "weights": digests[0], "tree": digests[1], "stages": stages}


def _loaded(one: Planned, models: Sequence[Mapping[str, Any]]) -> set[str | None]:
    """The weights that the stages were handed which write no model themselves."""
    making = {step.name for step in one.plan.steps if MODEL in {contract for contract, _, _ in step.outputs.values()}}
    return {model["weights"] for model in models if set(model["stages"]) - making}
