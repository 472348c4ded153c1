"""The world around a run, observed once, and a run as it is handed to checks: with what was observed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sealkit import lineage, world, write
from sealkit.audit import audit
from sealkit.finding import Report, SealkitError
from sealkit.pack import BUILT_IN, Pack
from sealkit.rundir import SEAL, Run, open_run, workspace

FOLDER, OBSERVED = SEAL, "observed.json"


def look(path: Path, pack: Pack = BUILT_IN) -> Run:
    """Open a run for judging: a sealed one with what its seal observed, another with the world as it is now."""
    run = open_run(path, pack.layout(), pack.contracts, pack.metric_keys)
    if (path / FOLDER).exists():
        return run
    return run.with_documents({f"{FOLDER}/{OBSERVED}": observe(run)})


def check(path: Path, pack: Pack = BUILT_IN) -> Report:
    """Judge a run directory as it lies there; writes nothing."""
    run = look(path, pack)
    return audit(run, pack.checks, sealed=(path / FOLDER).exists())


def observe(run: Run) -> dict[str, Any]:
    """What lies outside the run, as an `observed/v1` document. Nothing is fetched."""
    metadata = run.document("run_metadata") or {"git": {"commit": None}, "models": [], "run_id": "unknown"}
    commit = metadata["git"]["commit"]
    place, repository = world.find_repository([workspace(run.root), Path.cwd()], commit)
    trainings = {
        manifest.document["training"]["run_id"]: manifest.document["training"]["commit"]
        for manifest in lineage.manifests(run)
        if manifest.document["training"]
    }

    def related(other: str | None) -> dict[str, Any]:
        return {"commit": other, "relation": world.ancestry(place, other, repository.commit)}

    return {
        "schema": "observed/v1",
        "observed_at": write.now(),
        "repository": repository.document(),
        "run": related(commit),
        "training": [{"run_id": run_id, **related(other)} for run_id, other in sorted(trainings.items())],
        "models": [
            *(_observed_model(model["name"], "named", model["weights"], Path.cwd()) for model in metadata["models"]),
            *(
                _observed_model(m.document["exported_to"], "exported", m.document["weights"], workspace(run.root))
                for m in lineage.exported(run)
            ),
        ],
    }


def _observed_model(name: str, role: str, recorded: str, base: Path) -> dict[str, Any]:
    try:
        found = world.model(name, base, fetch=False)
    except SealkitError:
        return {"name": name, "role": role, "recorded": recorded, "state": "missing", "weights": None, "tree": None}
    state = "same" if found.weights.digest == recorded else "changed"
    return {
        "name": name,
        "role": role,
        "recorded": recorded,
        "state": state,
        "weights": found.weights.digest,
        "tree": found.tree,
    }
