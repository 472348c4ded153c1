"""What the engine knows of a run while it goes on, and how it writes it down."""

from __future__ import annotations

import importlib.metadata
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sealkit import expectation, named, world, write
from sealkit.artifact import Held
from sealkit.cache import Cache
from sealkit.finding import Outcome
from sealkit.layout import Layout
from sealkit.pack import Pack
from sealkit.plan import Step
from sealkit.policy import Policy
from sealkit.provenance import Config
from sealkit.redact import Redactor
from sealkit.rundir import Run, outermost, workspace
from sealkit.stage import Input


@dataclass(frozen=True)
class Event:
    """Something that happened, for whoever watches: `kind` is run-started (of a matrix), left-out, stage-started, stage-cached, stage-kept,
    stage-finished, progress, output, check, note, warning, refused (a line for each reason), traceback or failed.
    """

    kind: str
    stage: str | None = None
    message: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None


@dataclass(eq=False)
class Stop(Exception):
    """Ends the run with an exit code. `kind` and `stage` go into the summary's `failure`."""

    exit_code: int
    kind: str
    message: str
    stage: str | None = None


@dataclass
class Engine:
    """One run while it goes on. `order` holds the names of its stages; of a run that is `over` nothing is written any more."""

    root: Path
    config: Config
    layout: Layout
    pack: Pack
    models: Mapping[str, named.Model]
    files: Mapping[str, named.Files]
    on_event: Callable[[Event], None]
    policy: Policy = field(default_factory=Policy)
    reference: Run | None = None
    models_folder: Path | None = None
    order: tuple[str, ...] = ()
    cache: Cache | None = None
    over: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, Input] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    # check → how many artifacts of each of its growing kinds there were when it last ran
    judged_on: dict[str, dict[str, int]] = field(default_factory=dict)
    held: Held = field(default_factory=dict)

    @property
    def exports(self) -> Path:
        """Where models are exported to: where the project says, else beside the runs."""
        return (self.models_folder or workspace(self.root) / "models").resolve()

    @cached_property
    def redactor(self) -> Redactor:
        """What takes the config's secrets out of everything that is written of the run."""
        return self.config.redactor(workspace(self.root))

    def run(self) -> Run:
        """The run directory as it lies there now."""
        contracts, keys = self.pack.contracts, self.pack.metric_keys
        return Run(self.root, self.layout, contracts, keys, reference=self.reference, ongoing=True, held=self.held)

    def save(self) -> None:
        """Write the three documents; the summary, which holds the records, last: the others can be made again from it."""
        if self.over:
            return
        write.atomic(self.root / "run_metadata.json", write.dumps(self.metadata))
        write.atomic(self.root / "metrics.json", write.dumps(self.metrics))
        write.atomic(self.root / "summary.json", write.dumps(self.summary))

    def tell(self, event: Event) -> None:
        if event.kind != "progress" and not self.over:
            row = {"time": write.now(), "event": event.kind, "stage": event.stage}
            row["message"] = self.redactor.text(event.message)
            write.append(self.root / "logging.jsonl", row)
        self.on_event(event)

    def fail(self, stop: Stop) -> None:
        """Write the run's last words."""
        stop.message = self.redactor.text(stop.message)
        failure = {"stage": stop.stage, "type": stop.kind, "message": stop.message}
        self.summary |= {"status": "failed", "finished": write.now(), "failure": failure}
        self.save()
        self.tell(Event("failed", stop.stage, stop.message))


def begin(engine: Engine, steps: list[Step], command: list[str]) -> None:
    """Write everything that is known before the first stage."""
    section, started = engine.config.data["run"], write.now()
    run_id = f"{section['name']}-{started.replace('-', '').replace(':', '')}-{secrets.token_hex(3)}"
    _, repository = world.find_repository([Path.cwd(), engine.root], without=outermost(engine.root))
    engine.metadata = {
        "schema": "run_metadata/v1",
        "layout": engine.layout.id,
        "run_id": run_id,
        "name": section["name"],
        "command": engine.redactor.value(command),
        "purpose": section["purpose"],
        "seed": section["seed"],
        "started": started,
        "sealkit": importlib.metadata.version("sealkit"),
        "python": world.python(),
        "host": world.host(),
        "packages": world.packages(),
        "git": repository.document(),
        "device": {"asked": section["device"], "used": None, "threads": None},
        "packs": engine.pack.records(),
        "models": [model.document() for model in engine.models.values()],
        "expect": expectation.identity(engine.config.data.get("expect", [])),
        "files": [files.document() for files in engine.files.values()],
    }
    engine.summary = {
        "schema": "summary/v1",
        "run_id": run_id,
        "status": "running",
        "failure": None,
        "started": started,
        "finished": None,
        "seconds": None,
        "counters": {},
        "metrics": {},
        "stages": [],
    }
    redacted = write_config(engine, steps)
    engine.save()
    for message in engine.config.warnings(redacted):
        engine.tell(Event("warning", None, message))


def write_config(engine: Engine, steps: list[Step]) -> list[str]:
    """Write the config files as they were read, and what was made of them. Returns the places of secrets."""
    (engine.root / "sources").mkdir(exist_ok=True)
    for source in engine.config.sources:
        document = source.document
        write.atomic(engine.root / source.name, engine.redactor.source(source.text, document.data, document.lines))
    promised = [
        {"stage": step.name, "output": output, "contract": contract, "path": path}
        for step in steps
        for output, (contract, path, _) in step.outputs.items()
    ]
    resolved = {
        "schema": "resolved_config/v1",
        **engine.config.document(engine.redactor),
        "artifacts": promised,
        "left_out": engine.config.left_out,
    }
    write.atomic(engine.root / "resolved_config.json", write.dumps(resolved))
    redacted: list[str] = resolved.get("redacted", [])
    return redacted
