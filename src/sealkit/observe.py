"""The world around a run, observed once, and a run as it is handed to checks: with what was observed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sealkit import lineage, named, world, write
from sealkit.audit import audit
from sealkit.finding import Report, SealkitError, UsageError
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy
from sealkit.rundir import SEAL, Run, open_run, workspace

OBSERVED, REFERENCE = "observed.json", "reference"


def look(path: Path, reference: Path | None = None, policy: Policy = NO_POLICY, pack: Pack = BUILT_IN) -> Run:
    """Open a run for judging: a sealed one with what its seal observed, another with the world as it is now.

    A sealed run is judged by the policy of its seal. Raises UsageError where it is to be held against another reference.
    """
    run = open_run(path, pack.layout(), pack.contracts, pack.metric_keys)
    if (path / SEAL).exists():
        if reference is not None:
            raise UsageError(f"{path}: is sealed, with the reference of its seal", "leave --reference out")
        return replace(run, reference=sealed_reference(run))
    compared = open_run(reference, run.layout, pack.contracts, pack.metric_keys) if reference else None
    return replace(run.with_documents({f"{SEAL}/{OBSERVED}": observe(run, policy)}), reference=compared)


def sealed_reference(run: Run) -> Run | None:
    """What a seal kept of the run that it compares with."""
    folder = run.place(f"{SEAL}/{REFERENCE}")
    return Run(folder, run.layout, run.contracts, run.metric_keys) if folder.is_dir() else None


def check(path: Path, reference: Path | None = None, policy: Policy = NO_POLICY, pack: Pack = BUILT_IN) -> Report:
    """Judge a run directory as it lies there; writes nothing."""
    run = look(path, reference, policy, pack)
    return audit(run, pack.checks_of(run.layout), sealed=(path / SEAL).exists())


Found = dict[tuple[str, Path], "named.Model | None"]


def observe(run: Run, policy: Policy = NO_POLICY, found: Found | None = None) -> dict[str, Any]:
    """What lies outside the run, as an `observed/v1` document, with the policy to judge by. Nothing is fetched. `found` holds the
    models that were observed a moment ago, for another run of the same matrix."""
    found = {} if found is None else found
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
            *(
                _observed_model(model["name"], "named", model["weights"], Path.cwd(), found)
                for model in metadata["models"]
            ),
            *(
                _observed_model(
                    m.document["exported_to"], "exported", m.document["weights"], workspace(run.root), found
                )
                for m in lineage.exported(run)
            ),
        ],
        "policy": policy.document(),
    }


def _observed_model(name: str, role: str, recorded: str, base: Path, found: Found) -> dict[str, Any]:
    if (name, base) not in found:
        try:
            found[name, base] = named.model(name, base, fetch=False)
        except SealkitError:
            found[name, base] = None
    model = found[name, base]
    if model is None:
        return {"name": name, "role": role, "recorded": recorded, "state": "missing", "weights": None, "tree": None}
    state = "same" if model.weights.digest == recorded else "changed"
    return {
        "name": name,
        "role": role,
        "recorded": recorded,
        "state": state,
        "weights": model.weights.digest,
        "tree": model.tree,
    }
