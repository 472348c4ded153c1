"""What a run would do, stage by stage, without doing it: what the cache holds, what would run, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import key, rundir
from sealkit.cache import Cache, Entry
from sealkit.completion import as_input
from sealkit.finding import ReadError, SealkitError
from sealkit.pack import BUILT_IN, Pack
from sealkit.plan import Step, files_input, model_input, prepare
from sealkit.read import json
from sealkit.redact import KEY_FILE
from sealkit.stage import Input


@dataclass(frozen=True)
class Forecast:
    """`does` is `run`, `cached` or `kept`; `why` are the reasons, in words. `work` is the same for two stages, also of two
    runs, that would come to the same; None for one that no other run can take anything from."""

    stage: str
    does: str
    why: tuple[str, ...]
    work: str | None


def forecast(
    path: Path,
    overrides: list[str],
    pack: Pack = BUILT_IN,
    *,
    runs: Path | None = None,
    resume: bool = False,
    cache: bool = True,
    workspace: Path | None = None,
) -> list[Forecast]:
    """What `pipeline.run` would do with these; nothing is written, and what is kept is not hashed. Raises UsageError as it would.

    `workspace` is that of a run whose matrix is not there yet.
    """
    planned = prepare(path, overrides, pack, runs)
    run = planned.config.data["run"]
    workspace = workspace or rundir.workspace(planned.root)
    kept = Cache(workspace) if cache else None
    # A key that is not there yet is not made: then no secret was written with it that could be compared.
    redactor = planned.config.redactor(workspace if (workspace / KEY_FILE).is_file() else None)
    known: dict[str, Input] = {name: model_input(model) for name, model in planned.models.items()}
    known |= {name: files_input(found) for name, found in planned.files.items()}
    records = _records(planned.root) if resume else {}
    imagined: dict[str, Input] = {}  # what stages that would run would hand on
    found = []
    for step in planned.steps:
        unknown = {name: reference for name, reference in step.inputs.items() if reference not in known}
        inputs = {name: known[reference] for name, reference in step.inputs.items() if reference in known}
        fields = key.fields(pack, step, run, inputs, redactor)
        whole = inputs | {name: imagined[reference] for name, reference in unknown.items()}
        work = key.of(key.fields(pack, step, run, whole, redactor)) if unknown else key.of(fields)
        for output, (contract, _, _) in step.outputs.items():
            name = f"{step.name}.{output}"
            imagined[name] = Input(name, contract, planned.root, f"{work}/{output}")
        shared = work if step.stage.cache and cache else None
        record = records.get(step.name, {})
        if not unknown and record.get("key") == key.of(fields):
            for output, (_, place, _) in step.outputs.items():
                said = record["outputs"][output]["digest"]
                known[f"{step.name}.{output}"] = as_input(planned.root, step, output, planned.root / place, said)
            found.append(Forecast(step.name, "kept", ("finished before, if its files are unchanged",), shared))
            continue
        entry = _find(kept, step, fields) if not unknown else None
        if entry:
            for output, (digest, tree) in entry.record.outputs.items():
                name = f"{step.name}.{output}"
                known[name] = Input(name, step.outputs[output][0], entry.path, str(digest), tree)
        found.append(Forecast(step.name, *_judged(kept, step, fields, unknown, entry), shared))
    return found


def _judged(
    kept: Cache | None, step: Step, fields: Mapping[str, Any], unknown: Mapping[str, str], entry: Entry | None
) -> tuple[str, tuple[str, ...]]:
    if entry and step.stage.cache:
        return "cached", (f"as the run {entry.record.run_id} wrote it",)
    if kept is None:
        return "run", ("the cache is not asked",)
    makers = dict.fromkeys(reference.partition(".")[0] for reference in unknown.values())
    why = [f"takes what is made anew by {', '.join(makers)}"] if makers else []
    if entry:
        return "run", ("it is never taken from the cache",)
    open_fields = {f"inputs.{name}" for name in unknown}
    others = (
        {name: value for name, value in other.record.key_fields.items() if name not in open_fields}
        for other in _newest(kept, step.uses)
    )
    nearest = min((list(key.differences(other, fields)) for other in others), key=len, default=None)
    if nearest is None:
        why.append(f"the cache holds nothing of {step.uses}")
    return "run", (*why, *(nearest or ()))


def _find(kept: Cache | None, step: Step, fields: Mapping[str, Any]) -> Entry | None:
    try:
        return kept.find(step.uses, key.of(fields)) if kept else None
    except (SealkitError, OSError):
        return None


def _records(root: Path) -> dict[str, Any]:
    """The records of the run that lies there, by stage."""
    try:
        return {record["name"]: record for record in json.read(root / "summary.json", "summary.json")["stages"]}
    except (ReadError, TypeError, KeyError):
        return {}


def _newest(kept: Cache, uses: str) -> list[Entry]:
    return sorted(kept.entries(uses), key=lambda entry: entry.record.finished, reverse=True)
