"""The index is as new as the encoder in every epoch of a training, and every search of it is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sealkit import Artifact, Check, Finding, Location, Severity, View, mask_content, mask_group

Row = dict[str, Any]


def find(run: View) -> Iterator[Finding]:
    for history in run.all("search_history"):
        # As they were searched: the validation comes last in its epoch, wherever the row stands.
        rows = sorted(history.rows(), key=lambda row: (row[1]["epoch"], row[1]["part"]))
        encoders = {row["query_encoder"] for _, row in rows} - {None}
        indexes = [one for one in run.all("index_manifest") if inside(one, given(run, history, "index_manifest"))]
        masks = {part: masks_of(run, history, part) for part in {row["part"] for _, row in rows}}
        invariant = {name for index in run.all("index_manifest") for name in index.document.get("invariant", {})}
        # The indexes that a training builds for itself are declared among its settings.
        said = settings(run, history).get("invariant")
        invariant |= {name for name, reason in said.items() if reason} if isinstance(said, dict) else set()
        known, encoded = Known(), embedded(run, history, [row for _, row in rows])
        for line, row in rows:
            for message in behind(known, row, encoded):
                yield Finding(f"{named(row)}: {message}", history.at(line=line))
            contents = {"index": contents_of(indexes), "query": contents_of(masks[row["part"]], row["epoch"])}
            for message, severity in masked_otherwise(contents, bool({"mask", "mask.content"} & invariant), row):
                fix = "search with the masks that the stage is given: with that of the index, or one that it is invariant to"
                yield Finding(f"{named(row)}: {message}", history.at(line=line), severity, fix=fix)
            known.add(row)
        yield from left_out(run, history, [row for _, row in rows])
        yield from best_never_searched(run, history, encoders)


@dataclass
class Known:
    """What the searches before a row tell: the last one of a part, one since then by another encoder than its index's, the last
    one with an encoder of queries, and the encoders that references were encoded with."""

    last: dict[str, Row] = field(default_factory=dict)
    moved: dict[str, Row] = field(default_factory=dict)
    queried: dict[str, Row] = field(default_factory=dict)
    encoded: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        for part, last in self.last.items():
            if row["query_encoder"] not in (None, last["index_encoder"]):
                self.moved[part] = row
        self.moved.pop(row["part"], None)
        self.last[row["part"]] = self.queried[row["query_encoder"]] = row
        self.encoded.add(row["index_encoder"])


def behind(known: Known, row: Row, encoded: bool) -> Iterator[str]:
    """The index is not of the encoder of the queries, or still of one that was trained since; or not all of it is new."""
    index, query = row["index_encoder"], row["query_encoder"]
    last, moved = known.last.get(row["part"]), known.moved.get(row["part"])
    if index != query:
        age = f", that of {named(known.queried[index])}" if index in known.queried and index else ""
        yield f"the index is of the encoder {index or 'unknown'}{age}; the queries are of {query or 'unknown'}"
    elif index is None and encoded:
        yield "says no encoder, and vectors of one are searched"
    elif last and moved and last["index_encoder"] == index:
        since = f"{named(moved)} was searched with {moved['query_encoder']}"
        yield f"the index is still that of {named(last)}, of the encoder {index}; {since}"
    if index and index not in known.encoded and row["encoded"] < row["references"]:
        yield f"{row['encoded']} of {row['references']} references were encoded with the encoder {index}"


def settings(run: View, history: Artifact) -> dict[str, Any]:
    """What the config sets of the training that wrote a history."""
    found: dict[str, Any] = dict(run.wired()).get(run.maker(history) or "", {}).get("with", {})
    return found


def embedded(run: View, history: Artifact, rows: list[Row]) -> bool:
    """Whether vectors of an encoder were searched, by whatever tells: a row that names none proves nothing."""
    return (
        any(row["query_encoder"] or row["encoded"] for row in rows)
        or settings(run, history).get("space") == "embedding"
        or any(map(encoder_of, run.all("index_manifest")))
    )


def left_out(run: View, history: Artifact, rows: list[Row]) -> Iterator[Finding]:
    """Searches that the history does not tell of: a part is searched in each epoch of the training, or in none."""
    last, fix = max(row["epoch"] for row in rows), "keep the history as the training wrote it"
    for part in sorted({row["part"] for row in rows}):
        told = {row["epoch"] for row in rows if row["part"] == part}
        missing = next((epoch for epoch in range(1, last + 1) if epoch not in told), None)
        if missing is not None:
            message = f"has no search of epoch {missing}, {part}, and goes on to epoch {last}"
            yield Finding(message, history.at(), fix=fix, firm=True)
    for count, at in lengths(run, history):
        if count != last:
            message = f"ends with epoch {last}, and the training had {count}"
            yield Finding(message, history.at(), also=(at,), fix=fix, firm=True)


def lengths(run: View, history: Artifact) -> Iterator[tuple[int, Location]]:
    """The epochs of the training by what else counts them: the summary, and metrics of whole epochs."""
    stage = run.maker(history)
    counter = f"{stage}.epochs"
    for summary in run.all("summary"):
        if counter in summary.document["counters"]:
            yield summary.document["counters"][counter], summary.at("counters", counter)
    for metrics in run.all("metric_history"):
        if stage is not None and run.maker(metrics) == stage:
            epochs = [row["epoch"] or 0 for _, row in metrics.rows()]
            if all(epoch >= 1 and epoch % 1 == 0 for epoch in epochs):
                yield int(max(epochs)), metrics.at()


def named(row: Row) -> str:
    return f"epoch {row['epoch']}, {row['part']}"


def masked_otherwise(
    contents: dict[str, set[str | None]], invariant: bool, row: Row
) -> Iterator[tuple[str, Severity | None]]:
    """The masks of a search are not those that its stage was given, and of which mask-fits-index tells whether they fit; or, where
    it was given none, differ, and nobody declared the mask invariant."""
    for side, known in contents.items():
        if known and row[f"{side}_mask"] not in known:
            yield f"the mask of the {side} is none that the stage was given for it: {row[f'{side}_mask']}", None
    if not all(contents.values()) and not invariant and row["index_mask"] != row["query_mask"]:
        message = f"the index has the mask {row['index_mask']}, the queries {row['query_mask']}"
        said = "; ".join(row["waived"].values())
        yield (f"{message} (waived: {said})", Severity.WARNING) if said else (message, None)


def contents_of(artifacts: list[Artifact], epoch: int | None = None) -> set[str | None]:
    """The contents of masks; of those that are redrawn, what was drawn for that epoch too."""
    found = {mask_group(one).get("content") for one in artifacts if mask_group(one)}
    drawn = (
        [row for row in one.document["windows"] if row["epoch"] == epoch] for one in artifacts if one.kind == "mask"
    )
    return found | {mask_content(rows) for rows in drawn if rows}


def given(run: View, history: Artifact, kind: str) -> dict[str, str]:
    """`stage.output` → its file or folder, of what a training was given of a kind."""
    return run.taken(run.maker(history) or "", kind)


def masks_of(run: View, history: Artifact, part: str) -> list[Artifact]:
    """The masks that a training was given for a part: by its input `train_mask`, say; all of them where no input tells parts apart."""
    wires, taken = dict(run.wired()).get(run.maker(history) or "", {}).get("in", {}), given(run, history, "mask")
    own = wires.get(f"{part}_mask")
    return [one for one in run.all("mask") if inside(one, {own: taken[own]} if own in taken else taken)]


def encoder_of(index: Artifact) -> str | None:
    found: str | None = index.document.get("fingerprint", {}).get("encoder", {}).get("weights")
    return found


def inside(artifact: Artifact, taken: dict[str, str]) -> bool:
    return any(f"{artifact.path}/".startswith(f"{path}/") for path in taken.values())


def best_never_searched(run: View, history: Artifact, encoders: set[str]) -> Iterator[Finding]:
    """The best model of a training is none of the encoders that it searched with."""
    for model in run.all("model_manifest"):
        ours = run.maker(model) is not None and run.maker(model) == run.maker(history)
        if encoders and ours and model.document["role"] == "best" and model.document["weights"] not in encoders:
            message = "the best model is none of the encoders that the training searched with"
            yield Finding(message, model.at("weights"), also=(Location(history.path),), fix="export the model that won")


CHECK = Check(
    since="0.2.0",
    title="The index is as new as the encoder",
    why="Negatives were to be mined anew after every epoch, and came out of a cache that the first encoder had filled "
    "(BioMedical-EL#5); queries moved on while the documents kept the vectors of the encoder before (pytorch-realm-orqa#9).",
    fix="encode every reference again once the encoder was trained, and build the index from that, before it is searched",
    reads={
        "resolved_config": 1,
        "search_history~": 1,
        "index_manifest?~": 2,
        "mask?~": 1,
        "model_manifest?~": 1,
        "metric_history?~": 1,
        "summary?~": 1,
    },
    find=find,
)
