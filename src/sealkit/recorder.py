"""The recorder: the guarantees of a pipeline from inside a user's own script."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sealkit import handover, project, script, write
from sealkit.encoders import Encoder
from sealkit.finding import UsageError
from sealkit.handover import Place
from sealkit.pack import Pack
from sealkit.recording import Recording, start

HISTORY = Path("recording", "metric_history.jsonl")  # where rows wait until the history is complete


def record(
    path: Place,
    *,
    config: script.Given | object = None,
    seed: int | None = None,
    purpose: str = "bench",
    pack: Pack | None = None,
) -> Recorder:
    """Begin to record a run in a new folder, as `with sealkit.record("outputs/x", config=…) as run:`.

    `config` is a mapping, a dataclass, an argparse Namespace, or the path of a YAML or JSON file; its `seed` is the run's
    where none is given. Of the processes that a launcher starts only the first writes (RANK 0): in the others every method
    does nothing. `pack` is by default ours with what the project of the current directory adds. Raises UsageError where the folder
    exists already.
    """
    root = Path(path).expanduser()
    if not script.writes():
        return Recorder(root, None)
    origin = script.called_from()
    run = {"name": root.name, "output_dir": str(root.parent), "seed": seed, "purpose": purpose, "limit": None, "device": "auto"}  # fmt: skip
    resolved = script.config(config, run, origin)
    if seed is None:
        resolved.data["run"]["seed"] = script.seed(resolved)
    return Recorder(
        root, start(root, resolved, pack or project.load(Path.cwd()).pack, script.command(), script.place(origin))
    )


class Recorder:
    """One run while a script records it. Whatever is handed over is held against its contract at once: what breaks it raises
    Refused, lies in `quarantine/`, and the run has failed. Left by an exception the run says `failed`; killed, it says `running`.
    """

    def __init__(self, path: Path, recording: Recording | None) -> None:
        self.path = path
        self._recording = recording
        self._base: str | None = None
        self._seen: set[tuple[int, str]] = set()
        self._over = False

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes the run."""
        return self._recording is not None

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Report metrics under keys of the registry, each once. Raises UsageError for a key that it does not know."""
        if recording := self._open():
            found = {key: float(value) for key, value in values.items()}
            recording.add(handover.metrics(recording, found), script.called_from())

    def history(self, values: Mapping[str, Any], *, step: int, epoch: float | None = None) -> None:
        """Append values of one training step to the metric history; they are on disk when this returns."""
        if (recording := self._open()) is None:
            return
        contract = recording.engine.pack.contracts["metric_history/v1"]
        path = self.path / HISTORY
        path.parent.mkdir(exist_ok=True)
        at = {"step": int(step), "epoch": None if epoch is None else float(epoch)}
        for key, value in values.items():
            row = {**at, "key": key, "value": float(value)}
            wrong = [violation.message for violation in contract.violations(row)]
            if (step, key) in self._seen:
                wrong.append("was recorded already")
            if wrong:
                raise recording.refuse(f"history: {key} at step {step}: {'; '.join(wrong)}")
            self._seen.add((step, key))
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
            self._base = recording.named(str(path))
            return
        said = {"step": step, "selection": selection, "loss": loss, "hard_negatives": hard_negatives}
        made_from = recording.named(str(base)) if base is not None else self._base
        recording.add(handover.model(recording, path, role, made_from, **script.plain(said)), script.called_from())

    def index(
        self,
        path: Place,
        *,
        ids: Place | Sequence[str],
        encoder: Place,
        space: Mapping[str, Any] | Encoder,
        subset: str = "test",
        inputs: Sequence[Any] | None = None,
    ) -> None:
        """Copy an index (.faiss, .npy) into the run, with the fingerprint of its space: `ids` is the doc_id of each row (or a
        text file of them), and `encoder` names the model.

        `space` is its description (`sealkit.encoders`): then a few rows are encoded again and held against the index, and
        a probe is kept. `inputs` is what was encoded, in row order; without it, title and text of the corpus. A mapping of
        groups as in index_manifest/v2 is taken at its word; what it leaves out is unknown, and fits no query.

        The corpus of the subset must have been handed over. Raises UsageError, ReadError, Refused.
        """
        if recording := self._open():
            name = recording.named(str(encoder))
            recording.add(handover.index(recording, path, ids, name, space, subset, inputs), script.called_from())

    def artifact(self, kind: str, content: Iterable[Mapping[str, Any]] | Place, subset: str = "test") -> None:
        """Hand over rows (or a file of them) of a kind: corpus, queries, qrels, rankings, … of a subset.

        With the rankings and the judgments of a subset in the run its metrics can be recomputed, and are no longer taken on trust.
        """
        if recording := self._open():
            recording.add(handover.artifact(recording, kind, content, subset), script.called_from())

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
        try:
            self._settle(recording)
            recording.close()
        except BaseException as error:
            if recording.engine.summary["status"] != "failed":
                recording.raised(error)
            raise

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

    def _settle(self, recording: Recording) -> None:
        """What can only be said once nothing more comes: the whole history, and which rows the metrics are of."""
        waiting, line = self.path / HISTORY, script.called_from()
        if waiting.is_file():
            recording.add(handover.history(waiting), line)
            waiting.parent.rmdir()
        for evaluation in handover.evaluations(recording):
            recording.add(evaluation, line)
