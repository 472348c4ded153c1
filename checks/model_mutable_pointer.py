"""No model is named by a pointer that can be moved to another model."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View


def find(run: View) -> Iterator[Finding]:
    metadata, observed = run.one("run_metadata"), run.one("observed")
    now = {model["name"]: model for model in observed.document["models"] if model["role"] == "named"}
    for i, model in enumerate(metadata.document["models"]):
        if not model.get("mutable"):
            continue
        place, led_to = metadata.at("models", i, "name"), model.get("resolved")
        fix = f"name the place itself: {led_to}" if led_to else "keep a copy under a name of its own, and name that"
        seen = now.get(model["name"], {"state": "missing", "weights": None})
        if seen["state"] == "changed":
            message = f"{model['name']} has moved: it led to {model['weights']}, and leads to {seen['weights']}"
            yield Finding(message, place, fix=fix)
        else:
            message = f"{model['name']} is a pointer that can be moved; the run is bound to {model['weights']}"
            yield Finding(message, place, severity=Severity.WARNING, fix=fix)


CHECK = Check(
    since="0.1.0",
    title="No model is named by a pointer",
    why="`latest` was made again by the next training, and sealed runs read another model (wandb/docs#523, mlflow#17146).",
    fix="name the place that the pointer led to",
    reads={"run_metadata": 1, "observed": 1},
    find=find,
)
