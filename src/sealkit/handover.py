"""What a script may hand over: rows, models, an index, metrics, each with what it was made of."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sealkit import manifest, measures, opened, rundir, script, vector_file, write
from sealkit.contract import did_you_mean
from sealkit.describe import declared, described
from sealkit.encoders import Encoder
from sealkit.finding import UsageError
from sealkit.plan import MODEL
from sealkit.read import text
from sealkit.recording import Handover, Known, Recording
from sealkit.stage import Context, Input, Out

Place = str | os.PathLike[str]
OWN = {"model_manifest": "run.model", "index_manifest": "run.index", "metric_history": "run.history"}


def metrics(recording: Recording, values: Mapping[str, float]) -> Handover:
    """Metrics under keys of the registry. Raises UsageError for a key that it does not know."""
    keys = recording.engine.pack.metric_keys
    for key in values:
        if keys.find(key) is None:
            close = keys.suggest(key)
            hint = f"; did you mean `{close}`?" if close else ""
            raise UsageError(f"unknown metric key {key}{hint}", "known keys: spec/metrics/keys.yaml")

    def report(_: Mapping[str, Input], __: Out, context: Context) -> None:
        context.metrics |= values

    return Handover("metrics", "Metrics", report)


def artifact(recording: Recording, kind: str, content: Iterable[Mapping[str, Any]] | Place, subset: str) -> Handover:
    """Rows, or one document, or a file of either. Raises UsageError for a kind that no stage writes, or that is there already."""
    kinds = sorted({rule.kind for rule in recording.engine.layout.rules if rule.path.startswith("stages/")})
    if kind in OWN:
        raise UsageError(f"a {kind} is handed over by itself", f"{OWN[kind]}(…)")
    if kind not in kinds:
        known = ", ".join(one for one in kinds if one not in OWN)
        raise UsageError(f"unknown kind `{kind}`{did_you_mean(kind, kinds)}", f"known: {known}")
    name = f"{stem(subset)}_{kind}"
    if recording.holds(name):
        raise UsageError(f"the run holds the {kind} of {subset} already", "give another `subset`")

    def hand(_: Mapping[str, Input], out: Out, __: Context) -> None:
        if isinstance(content, str | os.PathLike):
            shutil.copyfile(content, out[kind])
        elif isinstance(content, Mapping):
            out.document(kind, script.plain(content))
        else:
            out.rows(kind, (script.plain(row) for row in content))

    sources = {"queries": f"{stem(subset)}_queries", "corpus": f"{stem(subset)}_corpus", "index": "index"}
    inputs = {key: f"{stage}.{key}" for key, stage in sources.items() if kind == "rankings" and recording.holds(stage)}
    return Handover(name, f"{kind} of {subset}", hand, inputs, {kind: f"{kind}/v1"}, Known(subset=subset))


def model(recording: Recording, path: Place, role: str, base: str | None, **said: Any) -> Handover:
    """A model folder, bound by its digests where it lies. `said`: step, selection, loss, hard_negatives. Raises UsageError."""
    engine = recording.engine
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(f"{path}: no such model folder", "save the model before it is handed over")
    workspace, lies = rundir.workspace(engine.root), folder.resolve()
    manifest = {
        "role": role,
        "step": said["step"],
        "exported_to": lies.relative_to(workspace).as_posix() if lies.is_relative_to(workspace) else str(lies),
        "base": {"name": base, "weights": engine.models[base].weights.digest} if base else None,
        "training": {
            "run_id": engine.metadata["run_id"],
            "commit": engine.metadata["git"]["commit"],
            "loss": said["loss"],
            "hard_negatives": said["hard_negatives"],
            "purpose": engine.metadata["purpose"],
            "seed": engine.metadata["seed"],
        },
        "selection": said["selection"],
    }

    def bind(_: Mapping[str, Input], out: Out, __: Context) -> None:
        out.manifest(out["model"], "model_manifest", manifest)

    trained_on = [f"train_{kind}" for kind in ("corpus", "queries", "qrels")]
    inputs = {name: f"{name}.{name.removeprefix('train_')}" for name in trained_on if recording.holds(name)}
    name = f"model_step_{said['step']}" if role == "step" else f"model_{role}"
    return Handover(name, f"Model: {role}", bind, {**inputs, **({"base": base} if base else {})}, {"model": MODEL})


def index(
    recording: Recording,
    path: Place,
    ids: Place | Sequence[str],
    encoder: str,
    space: Mapping[str, Any] | Encoder,
    subset: str,
    inputs: Sequence[Any] | None,
) -> Handover:
    """An index, copied, with the fingerprint of its space. Raises UsageError and ReadError."""
    corpus = f"{stem(subset)}_corpus"
    if not recording.holds(corpus):
        raise UsageError("index: its corpus is not in the run", f'run.artifact("corpus", rows, subset="{subset}")')
    facts, model = vector_file.facts(Path(path), follow=True), recording.engine.models[encoder]
    names = [line for _, line in text.lines(Path(ids))] if isinstance(ids, str | os.PathLike) else list(ids)
    known = {"name": encoder, "weights": model.weights.digest, "tree": model.tree}
    if isinstance(space, Encoder):
        loaded = space.space["encoder"].get("weights")
        if loaded not in (None, known["weights"]):
            message = f"index: the encoder in memory has the weights {loaded}; {encoder} has {known['weights']}"
            raise UsageError(message, "save the encoder, and name the folder that it was saved to")
    elif loose := [key for key, group in space.items() if not isinstance(group, Mapping)]:
        message = f"index: `{loose[0]}` of the space is no group; expected {{group: {{field: value}}}} as in {manifest.CONTRACT}"
        raise UsageError(message, 'write {"encoder": {"pooling": …}, …}, or give the Encoder itself (sealkit.encoders)')
    file = "index.npy" if facts.kind == "array" else "index.faiss"

    def build(taken: Mapping[str, Input], out: Out, context: Context) -> None:
        rows = list(taken["corpus"].rows())
        about: dict[str, dict[str, Any]] = {
            "corpus": {"digest": taken["corpus"].digest, "count": len(rows), "name": subset},
            "encoder": known,
            "time": {"built_at": write.now(), "run_id": context.run_id},
        }
        target = out["index"] / file
        shutil.copyfile(path, target)
        (out["index"] / "ids.txt").write_text("".join(f"{one}\n" for one in names), "utf-8", newline="\n")
        if isinstance(space, Encoder):
            texts = (
                inputs if inputs is not None else [" ".join(filter(None, (r.get("title"), r["text"]))) for r in rows]
            )
            vectors = opened.load(target, facts.metric or space.space["vectors"]["metric"])
            found = described(vectors, facts, space, texts, names, about, str(path))
        else:
            found = declared(script.plain(space), facts, names, about)
        document = {
            "schema": manifest.CONTRACT,
            "witness": "built",
            "file": file,
            "ids": "ids.txt",
            "run_id": context.run_id,
        }
        out.manifest(out["index"], manifest.KIND, {**document, "fingerprint": found})

    return Handover(
        "index", "Index", build, {"corpus": f"{corpus}.corpus", "model": encoder}, {"index": manifest.CONTRACT}
    )


def history(waiting: Path) -> Handover:
    """The rows that were appended while the script ran."""

    def move(_: Mapping[str, Input], out: Out, __: Context) -> None:
        waiting.replace(out["metric_history"])

    return Handover("history", "Metrics during training", move, {}, {"metric_history": "metric_history/v1"})


def evaluations(recording: Recording) -> list[Handover]:
    """Which rankings and judgments the metrics are of: one for each subset that has both."""
    found = []
    for step in recording.steps:
        subset = str(step.params.get("subset"))
        if "rankings" in step.outputs and recording.holds(f"{stem(subset)}_qrels"):
            prefix = f"retrieval/{subset}/"
            named = [key.removeprefix(prefix) for key in recording.engine.metrics if key.startswith(prefix)]
            known = Known(subset=subset, measures=[name for name in named if measures.known(name)])
            inputs = {"rankings": f"{step.name}.rankings", "qrels": f"{stem(subset)}_qrels.qrels"}
            found.append(Handover(f"evaluate_{stem(subset)}", "What was measured", lambda *_: None, inputs, {}, known))
    return found


def stem(subset: str) -> str:
    """A subset as a part of stage names. Raises UsageError for one that no metric key could hold."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", subset):
        raise UsageError(f"subset {subset!r}: expected letters, digits, `_`, `.` and `-`")
    return re.sub(r"[^A-Za-z0-9_]", "_", subset)
