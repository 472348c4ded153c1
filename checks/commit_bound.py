"""Training, run and audit stand on one line of commits, and a model digest binds them."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View

WAY_OUT = {
    "diverged": "seal from a branch that holds it: git branch --contains {commit}",
    "unknown": "fetch it (git fetch --unshallow, or the branch that holds {commit}), then seal",
}
SAID = {"diverged": "is no ancestor of the audit commit", "unknown": "is not known in the repository of the audit"}


def find(run: View) -> Iterator[Finding]:
    metadata, observed = run.one("run_metadata"), run.one("observed")
    if metadata.document["git"]["state"] != "ok":
        reason = metadata.document["git"]["reason"]
        yield Finding(
            f"code not bound to a commit: the run began outside a repository ({reason})", metadata.at("git", "state")
        )
    elif observed.document["repository"]["state"] != "ok":
        reason = observed.document["repository"]["reason"]
        yield Finding(
            f"code not bound to a commit: the audit found none ({reason})", observed.at("repository", "state")
        )
    else:
        relation = observed.document["run"]["relation"]
        bound = bool(metadata.document["models"] or run.all("model_manifest"))
        if relation in SAID:
            message = (
                f"code not bound to a commit: the run's commit {observed.document['run']['commit']} {SAID[relation]}"
            )
            fix = WAY_OUT[relation].format(commit=observed.document["run"]["commit"])
            yield Finding(message, observed.at("run", "relation"), also=(metadata.at("git", "commit"),), fix=fix)
        elif relation == "ancestor" and not bound:
            message = "code not bound to a commit: run and audit commit differ, and no model digest binds them"
            fix = "name the models in the config, so that their digests are kept, or seal at the commit of the run"
            yield Finding(message, observed.at("run", "commit"), also=(metadata.at("git", "commit"),), fix=fix)
    for i, training in enumerate(observed.document["training"]):
        if training["run_id"] != metadata.document["run_id"] and training["relation"] in SAID:
            commit, relation = training["commit"], training["relation"]
            told = SAID[relation] if commit else "was not recorded"
            message = f"code not bound to a commit: the commit {commit} of the training {training['run_id']} {told}"
            fix = WAY_OUT[relation].format(commit=commit) if commit else "train inside a repository"
            yield Finding(message, observed.at("training", i, "relation"), fix=fix)


CHECK = Check(
    since="0.1.0",
    title="Code is bound to a commit",
    why="Seal and training commit differed and no model hash tied them; commits were recorded without a dirty flag "
    "(mlflow#1912, #7017).",
    fix="run and seal inside the repository that holds the code, and keep the model digests",
    reads={"run_metadata": 1, "observed": 1, "model_manifest?": 1},
    find=find,
    severity=Severity.WARNING,
)
