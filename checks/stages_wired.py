"""Every stage worked on what the config gave it: outputs of other stages and named models, by digest."""

from collections.abc import Iterator

from sealkit import Artifact, Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    summary = run.one("summary")
    known = digests(run, summary)
    for i, stage in enumerate(summary.document["stages"]):
        wired = dict(run.wired()).get(stage["name"], {}).get("in", {})
        for key, reference in wired.items():
            place, expected = summary.at("stages", i, "inputs", key), known.get(reference)
            taken = stage["inputs"].get(key)
            if expected is not None and taken != expected:
                yield Finding(f"the stage {stage['name']} took {taken} as {key}; {reference} is {expected}", place)
        manifests = [
            m for kind in ("index_manifest", "search_manifest") for m in run.all(kind) if stage_of(m) == stage["name"]
        ]
        asked = dict(run.wired()).get(stage["name"], {}).get("with", {}).get("mode")
        for manifest in manifests:
            yield from manifest_of(manifest, stage["inputs"])
            said = manifest.document.get("mode", "dense")
            if manifest.kind == "search_manifest" and asked not in (None, said):
                message = f"says that it searched in the mode {said}; the config asked for {asked}"
                yield Finding(message, manifest.at("mode" if "mode" in manifest.document else "schema"))


def digests(run: View, summary: Artifact) -> dict[str, str]:
    """`stage.output` or the name of a model or of files → digest; a named model, or an output that is one, counts by its weights."""
    metadata = run.one("run_metadata").document
    named = {model["name"]: model["weights"] for model in metadata["models"]}
    named |= {files["name"]: files["digest"] for files in metadata.get("files", [])}
    made = {
        f"{stage['name']}.{name}": output["digest"]
        for stage in summary.document["stages"]
        for name, output in stage["outputs"].items()
    }
    # stages/<stage>/<output>/model_manifest.json; one that lies deeper is a checkpoint among others, and no input by itself
    models = [m for m in run.all("model_manifest") if m.path.count("/") == 3]
    return {**named, **made, **{".".join(m.path.split("/")[1:3]): m.document["weights"] for m in models}}


def stage_of(artifact: Artifact) -> str:
    return artifact.path.split("/")[1]


def manifest_of(manifest: Artifact, inputs: dict[str, str]) -> Iterator[Finding]:
    """What an index or a search says that it was made of, against what its stage was given."""
    for key, place in (
        ("model", ("fingerprint", "encoder", "weights")),
        ("corpus", ("fingerprint", "corpus", "digest")),
        ("haplotypes", ("fingerprint", "corpus", "digest")),
        ("queries", ("queries", "digest")),
        ("haplotypes", ("queries", "digest")),
        ("corpus", ("bm25", "corpus")),
    ):
        said = manifest.document
        for part in place:
            said = (said or {}).get(part, {})
        if key in inputs and said and said != inputs[key]:
            yield Finding(f"names other {key} than its stage was given, {inputs[key]}", manifest.at(*place))


CHECK = Check(
    since="0.1.0",
    title="Stages worked on what the config gave them",
    why="`latest` was made again by the next training, and runs read another model than they named (wandb/docs#523, mlflow#17146).",
    fix="run the config again under another name",
    reads={
        "summary": 1,
        "resolved_config": 1,
        "run_metadata": 1,
        "model_manifest?": 1,
        "index_manifest?": 2,
        "search_manifest?": 2,
    },
    find=find,
)
