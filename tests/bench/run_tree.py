"""A workspace of many run directories, each one a run that this toolkit made (tests/sealed), with digests and names of its own.

    python -m tests.bench.run_tree FOLDER [RUNS]

Every fourth run is a fine-tuning that exports its model, the others evaluate: the base, or the model that was exported last. Half
of them are rows of matrices of ten, the others lie loose; all are sealed. Weights are real, and their digests those of the files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import sys
from pathlib import Path

from sealkit import digest, write

KEPT = Path(__file__).parent.parent / "sealed" / "0.1.0"
BASE, TUNED = "base", "ft_mnr"
IN_MATRIX = 10


def grow(root: Path, runs: int) -> Path:
    """Write the workspace to a folder, and return it."""
    models = {
        kind: json.loads((KEPT / kind / "run_metadata.json").read_text("utf-8"))["models"][0] for kind in (BASE, TUNED)
    }
    latest = models[BASE]["name"], models[BASE]["weights"], models[BASE]["tree"]
    for number in range(runs):
        loose = number >= runs // 2
        matrix = f"m{number // IN_MATRIX:03d}"
        name = f"run{number:04d}"
        place = root / "outputs" / (name if loose else f"{matrix}/runs/{name}")
        if number % 4 == 0:
            latest = _tuned(place, name, number, root)
        else:
            _evaluated(place, name, number, latest if number % 2 else None)
    for folder in sorted(root.glob("outputs/m*")):
        _matrix(folder)
    return root


def _copy(kind: str, place: Path, name: str, number: int, other: dict[str, str]) -> None:
    """Copy a kept run under a name, an id and digests of its own; what its data stage wrote stays the same."""
    shutil.copytree(KEPT / kind, place)
    summary = json.loads((place / "summary.json").read_text("utf-8"))
    outputs = [one for stage in summary["stages"] if stage["name"] != "data" for one in stage["outputs"].values()]
    own = {one["digest"]: _another(one["digest"], number) for one in outputs}
    run_id = summary["run_id"]
    texts = {
        run_id: f"{name}-{run_id.partition('-')[2][:-6]}{number:06x}",
        f"/{kind}": f"/{name}",
        f'"{kind}"': f'"{name}"',
    }
    for path in place.rglob("*.json"):
        if "reference" in path.parts:
            continue
        text = path.read_text("utf-8")
        for old, new in {**own, **other, **texts}.items():
            text = text.replace(old, new).replace(old.removeprefix("sha256:"), new.removeprefix("sha256:"))
        path.write_text(text, "utf-8")


def _another(value: str, number: int) -> str:
    return f"sha256:{hashlib.sha256(f'{value}{number}'.encode()).hexdigest()}"


def _tuned(place: Path, name: str, number: int, root: Path) -> tuple[str, str, str]:
    """A fine-tuning and its export; returns the export's name, weights and tree."""
    scratch = root / ".scratch"
    changed: dict[str, str] = {}
    weights: dict[str, bytes] = {}
    for checkpoint in sorted((KEPT / TUNED / "stages/train/model").iterdir()):
        manifest = json.loads((checkpoint / "model_manifest.json").read_text("utf-8"))
        if manifest["weights"] == manifest["base"]["weights"]:
            continue  # before the first step
        data = (checkpoint / "model.safetensors").read_bytes()[:-4] + struct.pack("<f", number / 1000)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        (scratch / "model.safetensors").write_bytes(data)
        changed[manifest["weights"]] = digest.weights(scratch).digest
        changed[manifest["tree"]] = _another(manifest["tree"], number)
        weights[checkpoint.name] = data
    shutil.rmtree(scratch)
    _copy(TUNED, place, name, number, changed)
    for checkpoint_name, data in weights.items():
        (place / "stages/train/model" / checkpoint_name / "model.safetensors").write_bytes(data)
    manifest = json.loads((place / "stages/export/model/model_manifest.json").read_text("utf-8"))
    matrix = place.parent.parent if place.parent.name == "runs" else place
    target = matrix.parent.parent / manifest["exported_to"]
    shutil.copytree(place / "stages/train/model/best", target)
    return manifest["exported_to"], manifest["weights"], manifest["tree"]


def _evaluated(place: Path, name: str, number: int, model: tuple[str, str, str] | None) -> None:
    old = json.loads((KEPT / BASE / "run_metadata.json").read_text("utf-8"))["models"][0]
    same = (old["name"], old["weights"], old["tree"])
    _copy(BASE, place, name, number, {} if model is None else dict(zip(same, model, strict=True)))


def _matrix(folder: Path) -> None:
    """The `matrix.json` of the runs in a folder."""
    rows = []
    for index, run in enumerate(sorted((folder / "runs").iterdir()), 1):
        metadata = json.loads((run / "run_metadata.json").read_text("utf-8"))
        summary = json.loads((run / "summary.json").read_text("utf-8"))
        config = {"path": "configs/retriever_base.yaml", "digest": _another("base", 0)}
        models = [{"name": m["name"], "weights": m["weights"], "tree": m["tree"], "stages": ["index", "search"]} for m in metadata["models"]]  # fmt: skip
        rows.append(
            {
                "index": index, "label": run.name, "tag": None, "repeat": None, "base_config": config, "overrides": [],
                "run_dir": f"runs/{run.name}", "run_id": metadata["run_id"], "status": "ok", "verdict": "PASS (with warnings)",
                "exit_code": 0, "reason": None, "seconds": summary["seconds"], "summary": f"runs/{run.name}/summary.json",
                "models": models,
            }
        )  # fmt: skip
    config = {"path": "configs/retriever_matrix.yaml", "digest": _another("matrix", 0)}
    resolved = {"path": "experiments_resolved.yaml", "digest": _another("resolved", 0)}
    document = {
        "schema": "matrix/v1", "matrix_id": folder.name, "created_at_utc": "2026-11-21T12:00:00Z", "git_hash": None,
        "base_config": None, "matrix_config": config, "experiments_resolved": resolved, "resumed": [], "experiments": rows,
    }  # fmt: skip
    (folder / "matrix.json").write_text(write.dumps(document), "utf-8")


if __name__ == "__main__":
    grow(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
