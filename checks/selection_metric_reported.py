"""The metric that chose the checkpoint is also reported, and of another set than the one that it chose by."""

from collections.abc import Iterator

from sealkit import Artifact, Check, Finding, Severity, View


def find(run: View) -> Iterator[Finding]:
    metrics = run.one("metrics")
    reported = [key for key in metrics.document if (family := run.metric_keys.find(key)) and family.derivable]
    best = [m for m in run.all("model_manifest") if m.document["role"] == "best" and m.document["selection"]]
    for key, manifest in {m.document["selection"]["metric"]: m for m in best}.items():
        place, (subset, measure) = manifest.at("selection", "metric"), key.split("/")[-2:] if "/" in key else ("", key)
        others = [other for other in reported if other.split("/")[-1] == measure and other != key]
        if key in reported and (subset == "test" or not others):
            message = (
                f"chosen by {key}, which is reported as a result: of several checkpoints the luckiest one was kept"
            )
            fix = "choose by another set than the one that is reported"
            yield Finding(message, place, also=(metrics.at(key),), fix=fix)
        elif reported and not others:
            message = f"chosen by {key}; {measure} is not among what was measured afterwards: {', '.join(reported)}"
            yield Finding(message, place, fix=f"add {measure} to the `measures` of the evaluation")
    if best:
        yield from same_sets(run)


def same_sets(run: View) -> Iterator[Finding]:
    """Sets that are evaluated as another one and are, by content, the development set."""
    for name, training in run.wired("dev_queries", "dev_qrels"):
        dev = {kind: run.produced(training["in"][f"dev_{kind}"]) for kind in ("queries", "qrels")}
        for _, evaluation in run.wired("rankings", "qrels"):
            search = dict(run.wired("queries")).get(evaluation["in"]["rankings"].partition(".")[0])
            tested = {
                "queries": run.produced(search["in"]["queries"]) if search else None,
                "qrels": run.produced(evaluation["in"]["qrels"]),
            }
            for kind, ours in dev.items():
                theirs = tested[kind]
                if ours and theirs and evaluation["with"].get("subset") != "dev" and same(run, ours, theirs):
                    message = (
                        f"the {kind} are those by which {name} chose its checkpoint, and they are reported as a test"
                    )
                    fix = "give the training a development set of its own, or evaluate with `subset: dev`"
                    yield Finding(message, theirs.at(), also=(ours.at(),), fix=fix)


def same(run: View, one: Artifact, other: Artifact) -> bool:
    return run.digest(one.path) == run.digest(other.path)


CHECK = Check(
    since="0.1.0",
    title="The selection metric is reported",
    why="Checkpoints were chosen by one metric and reported by another, or by a key that was not there (transformers#31450, "
    "#22027, LlamaFactory#7906); the best of several on the test set itself is no result.",
    fix="choose by a development set, and report the same measure of the test set",
    reads={"model_manifest": 1, "metrics": 1, "resolved_config": 1, "queries?": 1, "qrels?": 1, "rankings?": 1},
    find=find,
    severity=Severity.WARNING,
)
