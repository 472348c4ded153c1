"""What was cut short to see whether it works is called a smoke run, and nothing else is built on it."""

from collections.abc import Iterator

from sealkit import Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    metadata, config = run.one("run_metadata"), run.one("resolved_config")
    purpose = metadata.document["purpose"]
    if purpose == "smoke":
        return  # it says so itself, in its metadata and on its seal
    section = config.document["config"].get("run")
    if isinstance(section, dict) and section.get("limit") is not None:
        message = f"the run was cut to {section['limit']} documents, and is called {purpose}"
        yield Finding(
            message,
            metadata.at("purpose"),
            also=(config.at("config", "run", "limit"),),
            fix="run it without run.limit, under another name",
        )
    compared = run.reference.all("run_metadata") if run.reference else []
    for other in (one.document for one in compared if not one.problems):
        if other["purpose"] == "smoke":
            message = f"a {purpose} run is compared with {other['run_id']}, which is a smoke run"
            yield Finding(message, metadata.at("purpose"), fix="compare with a reference that ran whole")
    for i, model in enumerate(metadata.document["models"]):
        if model.get("purpose") == "smoke":
            message = f"a {purpose} run on the model {model['name']}, which a smoke run trained"
            yield Finding(message, metadata.at("models", i, "purpose"), fix=f"train it in a {purpose} run")
    for manifest in run.all("model_manifest"):
        if (manifest.document["training"] or {}).get("purpose") == "smoke":
            message = f"a {purpose} run holds a model that a smoke run trained"
            yield Finding(message, manifest.at("training", "purpose"), fix=f"train it in a {purpose} run")


CHECK = Check(
    since="0.1.0",
    title="A smoke run is no evidence",
    why="Numbers of runs with `limit` set were compared with whole ones (evalscope#1496, mteb#5228); 24 documents are easy to "
    "rank, and a model trained on 24 pairs is no model.",
    fix="run it whole",
    reads={"run_metadata": 1, "resolved_config": 1, "model_manifest?": 1},
    find=find,
)
