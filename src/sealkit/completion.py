"""The completion record of a stage: digests of what it took and wrote, and its key. The last thing written of it."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sealkit import digest, rundir, world
from sealkit.engine import Engine
from sealkit.plan import MODEL, Step
from sealkit.stage import Context, Input

MODEL_MANIFEST = "model_manifest.json"


def complete(engine: Engine, step: Step, inputs: Mapping[str, Input], context: Context, seconds: float) -> None:
    """Digest the outputs, and write the stage's completion record: the last thing that is written of it."""
    outputs = {}
    for output, (contract, path, folder) in step.outputs.items():
        place = engine.root / path
        found = digest.tree(place) if folder else digest.file(place)
        outputs[output] = {"contract": contract, "path": path, "digest": found}
        engine.outputs[f"{step.name}.{output}"] = _as_input(engine.root, step, output, place, found)
    engine.metrics |= {**context.metrics, f"time/{step.name}": round(seconds, 3)}
    keys = engine.pack.metric_keys
    headline = {key: value for key, value in engine.metrics.items() if (family := keys.find(key)) and family.derivable}
    engine.summary["metrics"] = headline
    engine.summary["counters"] |= {f"{step.name}.{key}": value for key, value in context.counters.items()}
    engine.summary["stages"].append(
        {
            "name": step.name,
            "uses": step.uses,
            "key": _key(engine, step, inputs),
            "inputs": {key: value.digest for key, value in inputs.items()},
            "outputs": outputs,
            "facts": engine.redactor.value(context.facts),
            "seconds": round(seconds, 3),
            "peak_rss_mb": round(_peak_rss_mb(), 1),
        }
    )
    engine.save()


def _as_input(root: Path, step: Step, output: str, place: Path, found: str) -> Input:
    """An output as the stages after it are handed it: an exported model by its own folder and its weights."""
    contract, name = step.outputs[output][0], f"{step.name}.{output}"
    manifest_path = place / MODEL_MANIFEST
    if contract != MODEL or not manifest_path.is_file():
        return Input(name, contract, place, found)
    manifest = json.loads(manifest_path.read_text("utf-8"))
    folder, _ = model_folder(root, manifest_path, manifest)
    return Input(name, contract, folder, manifest["weights"], manifest["tree"])


def _key(engine: Engine, step: Step, inputs: Mapping[str, Input]) -> str:
    """Everything that decides what a stage writes, as one digest."""
    return digest.of_value(
        {
            "uses": step.uses,
            "code": engine.pack.code(step.uses.split(".")[0]),
            "sealkit": importlib.metadata.version("sealkit"),
            "libraries": world.versions(step.stage.libraries),
            "params": engine.redactor.value(dict(step.params)),
            "inputs": {key: [value.contract, value.digest, value.tree] for key, value in inputs.items()},
            "outputs": {output: contract for output, (contract, _, _) in step.outputs.items()},
        }
    )


def _peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MiB (getrusage: KiB on Linux, bytes on macOS); 0 on Windows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def model_folder(root: Path, path: Path, manifest: Mapping[str, Any]) -> tuple[Path, list[str]]:
    """Where a manifest's model lies, and what in that folder is not the model."""
    if manifest.get("exported_to"):
        return rundir.workspace(root) / manifest["exported_to"], []
    return path.parent, [path.name]
