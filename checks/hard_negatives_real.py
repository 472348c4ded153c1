"""Hard negatives are what the config, the training and the triples say of them: used, and none of them an answer."""

from collections.abc import Iterator

from sealkit import Artifact, Check, Finding, Severity, View

SHOWN = 3


def find(run: View) -> Iterator[Finding]:
    config = run.one("resolved_config")
    switch = config.document["config"].get("hard_negatives", {}).get("enabled")
    place = config.at("config", "hard_negatives", "enabled")
    trained = [m for m in run.all("model_manifest") if m.document["training"] and m.document["exported_to"] is None]
    used = [manifest for manifest in trained if manifest.document["training"]["hard_negatives"]]
    if switch and not used:
        yield Finding("hard negatives were asked for, and no training of this run used any", place)
    for manifest in used:
        if switch is False:
            message = "was trained with hard negatives, and hard_negatives.enabled is false"
            yield Finding(message, manifest.at("training", "hard_negatives"), also=(place,))
    triples = {run.digest(artifact.path): artifact for artifact in run.all("triples")}
    for manifest in trained:
        yield from record(manifest, triples)
    for _, stage in run.wired("negatives", "train_qrels"):
        mined, qrels = run.produced(stage["in"]["negatives"]), run.produced(stage["in"]["train_qrels"])
        if mined is not None and qrels is not None:
            yield from answers(mined, qrels)


def record(manifest: Artifact, triples: dict[str, Artifact]) -> Iterator[Finding]:
    """What a training says of its negatives, against itself and the triples of the run."""
    training = manifest.document["training"]
    negatives, at = training.get("negatives"), manifest.at("training", "hard_negatives")
    if not training["hard_negatives"]:
        if negatives or training["loss"] == "triplet":
            because = "names triples that it was trained on" if negatives else "was trained with the triplet loss"
            yield Finding(f"says that it had no hard negatives, and {because}", at)
    elif not negatives:
        message = "its hard negatives are taken on trust: no triples are named"
        yield Finding(message, at, severity=Severity.WARNING, fix="keep the triples in the run, and name their digest")
    elif negatives["triples"] not in triples:
        at = manifest.at("training", "negatives", "triples")
        yield Finding(
            "the triples that it was trained on are none of the run's", at, also=tuple(t.at() for t in triples.values())
        )


def answers(mined: Artifact, qrels: Artifact) -> Iterator[Finding]:
    """Triples whose positive is no answer, or whose negatives hold one."""
    relevant = {(row["query_id"], row["doc_id"]): line for line, row in qrels.rows() if row["relevance"] > 0}
    wrong = 0
    for line, row in mined.rows():
        query = row["query_id"]
        known = [relevant[query, name] for name in row["negatives"] if (query, name) in relevant]
        if not known and (query, row["doc_id"]) in relevant:
            continue
        wrong += 1
        if wrong <= SHOWN and known:
            message = f"a negative of query {query} was judged relevant for it"
            yield Finding(message, mined.at(line=line), also=(qrels.at(line=known[0]),))
        elif wrong <= SHOWN:
            message = f"the positive {row['doc_id']} of query {query} was not judged relevant"
            yield Finding(message, mined.at(line=line), also=(qrels.at(),))
    if wrong > SHOWN:
        yield Finding(f"and {wrong - SHOWN} further triples are wrong", mined.at())


CHECK = Check(
    since="0.1.0",
    title="Hard negatives are real",
    why="Other positives were mined as negatives, wrong counts were printed, and defaults left the margin unset "
    "(sentence-transformers#2848, #2697, #3504, PyHealth#1195, RAGatouille#100).",
    fix="mine again from the training judgments, and run the config again under another name",
    reads={"resolved_config": 1, "model_manifest?": 1, "triples?": 1, "qrels?": 1},
    find=find,
)
