"""The completion record of a stage: digests of what it took and wrote, and its key. The last thing written of it.

`summary.json` holds the records and is the truth of a run: `metrics.json` and the headline are added up from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sealkit import digest, key, memory, rundir
from sealkit.engine import Engine
from sealkit.plan import MODEL, Step
from sealkit.stage import Context, Input

MODEL_MANIFEST = "model_manifest.json"


def complete(
    engine: Engine,
    step: Step,
    fields: Mapping[str, Any],
    inputs: Mapping[str, Input],
    files: Mapping[str, str],
    context: Context,
    seconds: float,
    **more: Any,
) -> dict[str, Any]:
    """Write the stage's completion record. `files` are the digests of what it wrote, by name in its folder."""
    outputs = {
        output: {"contract": contract, "path": path, "digest": output_digest(path, folder, files)}
        for output, (contract, path, folder) in step.outputs.items()
    }
    record = {
        "name": step.name,
        "uses": step.uses,
        "key": key.of(fields),
        "key_fields": dict(fields),
        "inputs": {name: value.digest for name, value in inputs.items()},
        "outputs": outputs,
        "facts": engine.redactor.value(context.facts),
        "counters": context.counters,
        "metrics": context.metrics,
        "seconds": round(seconds, 3),
        "peak_rss_mb": round(memory.peak_mib(), 1),
        **more,
    }
    records = [*(other for other in engine.summary["stages"] if other["name"] != step.name), record]
    engine.summary["stages"] = sorted(records, key=lambda one: engine.order.index(one["name"]))
    add_up(engine)
    engine.save()
    take(engine, step, record)
    return record


def output_digest(path: str, folder: bool, files: Mapping[str, str]) -> str:
    """The digest of an output, from the digests of the files in its stage's folder."""
    name = path.rpartition("/")[2]
    if not folder:
        return files[name]
    return digest.listing({f.removeprefix(f"{name}/"): value for f, value in files.items() if f.startswith(f"{name}/")})


def take(engine: Engine, step: Step, record: Mapping[str, Any]) -> None:
    """Hand the outputs of a finished stage on to the stages after it."""
    for output, (_, path, _) in step.outputs.items():
        found = record["outputs"][output]["digest"]
        engine.outputs[f"{step.name}.{output}"] = as_input(engine.root, step, output, engine.root / path, found)


def add_up(engine: Engine) -> None:
    """Metrics, headline, counters and the device that was used, all from the records of the stages."""
    engine.metrics.clear()
    engine.summary["counters"] = {}
    for record in engine.summary["stages"]:
        engine.metrics |= {**record["metrics"], f"time/{record['name']}": record["seconds"]}
        engine.summary["counters"] |= {f"{record['name']}.{name}": n for name, n in record["counters"].items()}
        engine.metadata["device"] |= record.get("device", {})
    keys = engine.pack.metric_keys
    headline = {name: value for name, value in engine.metrics.items() if (f := keys.find(name)) and f.derivable}
    engine.summary["metrics"] = headline


def as_input(root: Path, step: Step, output: str, place: Path, found: str) -> Input:
    """An output as the stages after it are handed it: an exported model by its own folder and its weights."""
    contract, name = step.outputs[output][0], f"{step.name}.{output}"
    manifest_path = place / MODEL_MANIFEST
    if contract != MODEL or not manifest_path.is_file():
        return Input(name, contract, place, found)
    manifest = json.loads(manifest_path.read_text("utf-8"))
    folder, _ = model_folder(root, manifest_path, manifest)
    return Input(name, contract, folder, manifest["weights"], manifest["tree"])


def model_folder(root: Path, path: Path, manifest: Mapping[str, Any]) -> tuple[Path, list[str]]:
    """Where a manifest's model lies, and what in that folder is not the model."""
    if manifest.get("exported_to"):
        return rundir.workspace(root) / manifest["exported_to"], [path.name]
    return path.parent, [path.name]
