"""The recorder: the guarantees of a pipeline from inside a user's own script."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sealkit import measures, rundir, script, world, write
from sealkit.contract import did_you_mean
from sealkit.finding import UsageError
from sealkit.index import identity
from sealkit.pack import BUILT_IN, Pack
from sealkit.plan import MODEL
from sealkit.read import faiss
from sealkit.recording import Recording, start, told
from sealkit.stage import Context, Input, Out

Place = str | os.PathLike[str]
HISTORY = Path("recording", "metric_history.jsonl")  # where rows wait until the history is complete
OWN = {"model_manifest": "run.model", "index_manifest": "run.index", "metric_history": "run.history"}


def record(
    path: Place,
    *,
    config: script.Given | object = None,
    seed: int | None = None,
    purpose: str = "bench",
    pack: Pack = BUILT_IN,
) -> Recorder:
    """Begin to record a run in a new folder, as `with sealkit.record("outputs/x", config=…) as run:`.

    `config` is a mapping, a dataclass, an argparse Namespace, or the path of a YAML or JSON file; its `seed` is the run's
    where none is given. Of the processes that a launcher starts only the first writes (RANK 0): in the others every method
    does nothing. Raises UsageError where the folder exists already.
    """
    root = Path(path).expanduser()
    if not script.writes():
        return Recorder(root, None)
    origin = script.called_from()
    run = {"name": root.name, "output_dir": str(root.parent), "seed": seed, "purpose": purpose, "limit": None, "device": "auto"}  # fmt: skip
    resolved = script.config(config, run, origin)
    if seed is None:
        resolved.data["run"]["seed"] = script.seed(resolved)
    return Recorder(root, start(root, resolved, pack, script.command(), script.place(origin)))


class Recorder:
    """One run while a script records it. Whatever is handed over is held against its contract at once: what breaks it raises
    Refused, lies in `quarantine/`, and the run has failed. Left by an exception the run says `failed`; killed, it says `running`.
    """

    def __init__(self, path: Path, recording: Recording | None) -> None:
        self.path = path
        self._recording = recording
        self._base: str | None = None
        self._seen: set[tuple[int, str]] = set()
        self._measured: dict[str, list[str]] = {}
        self._over = False

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes the run."""
        return self._recording is not None

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Report metrics under keys of the registry. Raises UsageError for a key that it does not know."""
        if (recording := self._open()) is None:
            return
        found = {key: float(value) for key, value in values.items()}
        keys = recording.engine.pack.metric_keys
        for key in found:
            if keys.find(key) is None:
                close = keys.suggest(key)
                fix = f"write it as {close}" if close else "known keys: spec/metrics/keys.yaml"
                raise UsageError(f"unknown metric key {key}{f'; did you mean `{close}`?' if close else ''}", fix)

        def report(_: Mapping[str, Input], __: Out, context: Context) -> None:
            context.metrics |= found

        recording.add("metrics", "Metrics", {}, {}, report, script.called_from())
        for key in found:
            if match := re.fullmatch(r"retrieval/([^/]+)/(.+)", key):
                self._measured.setdefault(match[1], []).append(match[2])

    def history(self, values: Mapping[str, Any], *, step: int, epoch: float | None = None) -> None:
        """Append values of one training step to the metric history; they are on disk when this returns."""
        if (recording := self._open()) is None:
            return
        contract = recording.engine.pack.contracts["metric_history/v1"]
        path = self.path / HISTORY
        path.parent.mkdir(exist_ok=True)
        for key, value in values.items():
            row = {"step": int(step), "epoch": None if epoch is None else float(epoch), "key": key, "value": float(value)}  # fmt: skip
            wrong = [violation.message for violation in contract.violations(row)]
            if (row["step"], key) in self._seen:
                wrong.append("was recorded already")
            if wrong:
                raise told(f"history: {key} at step {step}: {'; '.join(wrong)}", ())
            self._seen.add((row["step"], key))
            write.append(path, row)

    def model(
        self,
        path: Place,
        role: str = "final",
        *,
        step: int | None = None,
        base: Place | None = None,
        selection: Mapping[str, Any] | None = None,
        loss: str | None = None,
        hard_negatives: bool | None = None,
    ) -> None:
        """Bind a model folder by its digests; it stays where it is. `role` is base, step, best or final.

        A base model (a folder, `package:NAME`, or a name on the Hub) is that of the models after it. `selection` says by
        what the best was chosen: {metric (a key of the history), direction, step, value}.
        """
        if (recording := self._open()) is None:
            return
        if role == "base":
            self._base = self._named(recording, str(path))
            return
        folder = Path(path).expanduser().absolute()
        if not folder.is_dir():
            raise UsageError(f"{path}: no such model folder", "save the model before it is handed over")
        engine = recording.engine
        workspace = rundir.workspace(self.path)
        lies = folder.resolve()
        place = lies.relative_to(workspace).as_posix() if lies.is_relative_to(workspace) else str(lies)
        name = self._named(recording, str(base)) if base is not None else self._base
        manifest = {
            "role": role,
            "step": step,
            "exported_to": place,
            "base": {"name": name, "weights": engine.models[name].weights.digest} if name else None,
            "training": {
                "run_id": engine.metadata["run_id"],
                "commit": engine.metadata["git"]["commit"],
                "loss": loss,
                "hard_negatives": hard_negatives,
                "purpose": engine.metadata["purpose"],
                "seed": engine.metadata["seed"],
            },
            "selection": dict(selection) if selection else None,
        }
        inputs = {"base": name} if name else {}
        inputs |= {f"train_{kind}": f"train_{kind}.{kind}" for kind in ("corpus", "queries", "qrels") if recording.holds(f"train_{kind}")}  # fmt: skip
        recording.add(
            f"model_{role}" if step is None or role != "step" else f"model_step_{step}",
            f"Model: {role}",
            inputs,
            {"model": MODEL},
            lambda _, out, __: out.manifest(out["model"], "model_manifest", manifest),
            script.called_from(),
        )

    def index(
        self,
        path: Place,
        *,
        ids: Place | Sequence[str],
        encoder: Place,
        space: Mapping[str, Any],
        subset: str = "test",
    ) -> None:
        """Copy a FAISS index into the run, with the fingerprint of its space: `ids` is the doc_id of each row (or a text file of
        them), `encoder` names the model, and `space` holds what the file cannot say (tokenizer, prompts, pooling, modules,
        normalise, as in index_manifest/v1). What is left out is refused: an unknown space fits no query.

        The corpus of the subset must have been handed over. Raises UsageError, ReadError, Refused.
        """
        if (recording := self._open()) is None:
            return
        corpus = f"{_stem(subset)}_corpus"
        if not recording.holds(corpus):
            raise UsageError("index: its corpus is not in the run", f'run.artifact("corpus", rows, subset="{subset}")')
        source, header = Path(path), faiss.read_header(Path(path))
        names = Path(ids).read_text("utf-8").splitlines() if isinstance(ids, str | os.PathLike) else list(ids)
        name = self._named(recording, str(encoder))
        model = recording.engine.models[name]
        run_id = recording.engine.metadata["run_id"]

        def build(taken: Mapping[str, Input], out: Out, _: Context) -> None:
            fingerprint = {
                "corpus": {"digest": taken["corpus"].digest, "count": sum(1 for _ in taken["corpus"].rows())},
                "encoder": {"name": name, "weights": model.weights.digest, "tree": model.tree},
                **script.plain(space),
                "metric": header.metric,
                "dimension": header.dimension,
                "count": header.count,
            }
            shutil.copyfile(source, out["index"] / "index.faiss")
            (out["index"] / "ids.txt").write_text("".join(f"{one}\n" for one in names), "utf-8", newline="\n")
            manifest = {"file": "index.faiss", "ids": "ids.txt", "run_id": run_id, "fingerprint": fingerprint}
            out.manifest(out["index"], "index_manifest", {**manifest, "identity": identity(fingerprint)})

        inputs = {"corpus": f"{corpus}.corpus", "model": name}
        recording.add("index", "Index", inputs, {"index": "index_manifest/v1"}, build, script.called_from())

    def artifact(self, kind: str, content: Iterable[Mapping[str, Any]] | Place, subset: str = "test") -> None:
        """Hand over rows (or a file of them) of a kind: corpus, queries, qrels, rankings, … of a subset.

        With the rankings and the judgments of a subset in the run its metrics can be recomputed, and are no longer taken on trust.
        """
        if (recording := self._open()) is None:
            return
        kinds = sorted({rule.kind for rule in recording.engine.layout.rules if rule.path.startswith("stages/")})
        if kind in OWN or kind not in kinds:
            known = ", ".join(one for one in kinds if one not in OWN)
            raise UsageError(f"unknown kind `{kind}`{did_you_mean(kind, kinds)}", f"{OWN[kind]}(…)" if kind in OWN else f"known: {known}")  # fmt: skip
        name = f"{_stem(subset)}_{kind}"
        if recording.holds(name):
            raise UsageError(f"the run holds the {kind} of {subset} already", "give another `subset`")

        def hand(_: Mapping[str, Input], out: Out, __: Context) -> None:
            if isinstance(content, str | os.PathLike):
                shutil.copyfile(content, out[kind])
            elif isinstance(content, Mapping):
                out.document(kind, script.plain(content))
            else:
                out.rows(kind, (script.plain(row) for row in content))

        inputs = {}
        if kind == "rankings":
            sources = {"queries": f"{_stem(subset)}_queries", "corpus": f"{_stem(subset)}_corpus", "index": "index"}
            inputs = {key: f"{stage}.{key}" for key, stage in sources.items() if recording.holds(stage)}
        recording.add(name, f"{kind} of {subset}", inputs, {kind: f"{kind}/v1"}, hand, script.called_from(), subset=subset)  # fmt: skip

    def trainer(self, arguments: Mapping[str, Any], *, seed: int | None, device: str | None) -> None:
        """Keep what a trainer says of itself: its arguments in the config, the seed where none is known, the device that it used."""
        if (recording := self._open()) is None:
            return
        engine, line = recording.engine, script.called_from()
        script.add(engine.config, "trainer", arguments, line)
        engine.metadata["device"]["used"] = device
        if engine.metadata["seed"] is None:
            engine.metadata["seed"] = engine.config.data["run"]["seed"] = seed
            engine.config.origins["/run/seed"] = line
        recording.rewrite()

    def close(self) -> None:
        """End the run well: complete the history, wire what was measured, and judge. Raises Refused where a check fails."""
        if (recording := self._open()) is None:
            return
        self._over = True
        self._settle(recording)
        recording.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._over or self._recording is None:
            return
        if error is None:
            self.close()
            return
        self._over = True
        with contextlib.suppress(Exception):  # the script's own error is the one to tell
            self._settle(self._recording)
        self._recording.raised(error)

    def _open(self) -> Recording | None:
        if self._over:
            raise UsageError(f"{self.path}: the run is closed", "hand things over inside the `with` block")
        return self._recording

    def _named(self, recording: Recording, name: str) -> str:
        """A model outside the run, found and digested once. Raises UsageError."""
        engine = recording.engine
        if name not in engine.models:
            engine.models = {**engine.models, name: world.model(name)}
            engine.metadata["models"] = [model.document() for model in engine.models.values()]
            engine.save()
        return name

    def _settle(self, recording: Recording) -> None:
        """What can only be said once nothing more comes: the whole history, and which rows the metrics are of."""
        waiting = self.path / HISTORY
        line = script.called_from()
        if waiting.is_file():
            outputs = {"metric_history": "metric_history/v1"}
            recording.add("history", "Metrics during training", {}, outputs, lambda _, out, __: waiting.replace(out["metric_history"]), line)  # fmt: skip
            waiting.parent.rmdir()
        for step in [step for step in recording.steps if "rankings" in step.outputs]:
            subset = str(step.params["subset"])
            if recording.holds(f"{_stem(subset)}_qrels"):
                inputs = {"rankings": f"{step.name}.rankings", "qrels": f"{_stem(subset)}_qrels.qrels"}
                named = [name for name in self._measured.get(subset, []) if measures.known(name)]
                recording.add(f"evaluate_{_stem(subset)}", "What was measured", inputs, {}, lambda *_: None, line, subset=subset, measures=named)  # fmt: skip


def _stem(subset: str) -> str:
    """A subset as a part of stage names. Raises UsageError for one that no metric key could hold."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", subset):
        raise UsageError(f"subset {subset!r}: expected letters, digits, `_`, `.` and `-`")
    return re.sub(r"[^A-Za-z0-9_]", "_", subset)
