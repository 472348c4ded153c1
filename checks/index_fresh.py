"""An index is as new as the encoder that it is of: built after its training, searched with its weights, and not superseded."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sealkit import Artifact, Blocked, Check, Finding, Location, Severity, State, View, compare


def find(run: View) -> Iterator[Finding]:
    indexes, searches, undated = run.all("index_manifest"), run.all("search_manifest"), []
    used = {search.document["index"]["identity"] for search in searches if "index" in search.document}
    for search in searches:
        for index in indexes:
            if search.document.get("index", {}).get("identity") == index.document["identity"]:
                yield from other_weights(run, index, search)
    for index in indexes:
        time, at = index.document["fingerprint"].get("time", {}), index.at("fingerprint", "time")
        if time.get("superseded_by"):
            newer = [one.at("identity") for one in indexes if one.document["identity"] == time["superseded_by"]]
            soft = Severity.WARNING if used and index.document["identity"] not in used else None
            message = f"another index has taken its place: {time['superseded_by']}"
            fix = "search the index that took its place, and remove this one"
            yield Finding(message, index.at("fingerprint", "time", "superseded_by"), soft, also=tuple(newer), fix=fix)
        for when, words, where in dict.fromkeys(trainings(run, index)):  # a model may lie in several places
            if time.get("built_at") is None:
                undated.append((index, words, when))
            elif moment(time["built_at"], at) < moment(when, where):
                message = f"the index was built at {time['built_at']}, {words} {when}: it is older than its encoder"
                yield Finding(message, index.at("fingerprint", "time", "built_at"), also=(where,))
    undated = [one for one in undated if one[0].contract.version > 1]  # the first version knew no time
    if undated:
        index, words, when = undated[0]
        reason = f"{index.path} does not say when the index was built; {words} {when}"
        raise Blocked(reason, "describe the index where it is built")


def trainings(run: View, index: Artifact) -> Iterator[tuple[str, str, Location]]:
    """(time, what was then, where it stands) of all that the run knows of the training of an index's encoder."""
    said, summary = index.document["fingerprint"], run.one("summary")
    if said.get("time", {}).get("encoder_trained_at"):
        at = index.at("fingerprint", "time", "encoder_trained_at")
        yield said["time"]["encoder_trained_at"], "its encoder was trained until", at
    records = {record["name"]: (i, record) for i, record in enumerate(summary.document["stages"])}
    if "cached" in records.get(index.path.split("/")[1], (0, {}))[1]:
        return  # it came by its key, which holds the weights: the same training done again does not age it
    # A script may begin to record when all is done.
    made = {name for name, stage in run.wired() if stage["uses"] != "record"}
    for model in run.all("model_manifest"):
        training, name = model.document["training"], model.path.split("/")[1]
        if training is None or name not in made or model.document["weights"] != said.get("encoder", {}).get("weights"):
            continue
        i, record = records.get(name, (0, {}))
        if "cached" in record:
            at = summary.at("stages", i, "cached", "finished")
            yield record["cached"]["finished"], f"the stage {name} made its encoder at", at
        elif training["run_id"] == summary.document["run_id"]:
            yield summary.document["started"], "the run that trained its encoder began at", summary.at("started")


def moment(text: str, at: Location) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Blocked(f"{at}: {text!r} is no time", "write times as 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def other_weights(run: View, index: Artifact, search: Artifact) -> Iterator[Finding]:
    for one in compare(index.stated, search.stated):
        if one.field.name == "encoder.weights" and one.state is State.DIFFERS:
            message = f"the index was built with {called(run, one.index)}, searched with {called(run, one.query)}"
            at = ("fingerprint", "encoder", "weights")
            yield Finding(message, search.at(*at), also=(index.at(*at),))


def called(run: View, weights: str | None) -> str:
    """A model by its place in the run's lineage."""
    for model in run.all("model_manifest"):
        said = model.document
        if said["base"] and said["base"]["weights"] == weights:
            return "the base model"
        if said["weights"] == weights:
            step = "" if said["step"] is None else f" of step {said['step']}"
            return f"the fine-tuned model{step}" if said["training"] else "the base model"
    named = (model["name"] for model in run.one("run_metadata").document["models"] if model["weights"] == weights)
    return next(named, "a model that the run does not know")


CHECK = Check(
    since="0.2.0",
    title="The index is as new as its encoder",
    why="A model was fine-tuned, and its corpus index still that of the base model ('do I need to re-embed?', haystack#2429, "
    "#135); an incremental index reported success and kept old vectors (jdocmunch#109); a change of model must delete the "
    "index (codeqai#26).",
    fix="build the index again with the encoder that it is searched with",
    reads={
        "index_manifest": 2,
        "search_manifest?": 2,
        "model_manifest?": 1,
        "summary": 1,
        "run_metadata": 1,
        "resolved_config": 1,
    },
    find=find,
)
