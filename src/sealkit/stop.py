"""What becomes of a stage that does not end well: the reason in words, and what it wrote in quarantine."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sealkit import folders
from sealkit.audit import concrete
from sealkit.engine import Engine, Event, Stop
from sealkit.finding import Finding, Outcome, ReadError, Refused, SealkitError, Severity, Status
from sealkit.folders import PARTIAL, QUARANTINE, SCRATCH
from sealkit.plan import Step


class Broken(Refused):
    """The stage's output breaks its contract."""


def stopped(engine: Engine, step: Step, partial: Path, error: BaseException) -> Stop:
    """What became of a stage that did not end well, with what it wrote moved to quarantine."""
    quarantine = folders.free_aside(engine.root, step.name)
    try:
        quarantine.parent.mkdir(exist_ok=True)
        os.rename(partial, quarantine)
        partial.parent.rmdir()
        kept = f"what it wrote lies in {quarantine}"
    except OSError as trouble:
        kept = f"what it wrote lies in {partial} ({trouble.strerror})"
    findings: tuple[Finding, ...] = ()
    if isinstance(error, ReadError):
        code, kind, why, findings = 1, "Refused", "its input cannot be read", (error.finding(),)
    elif isinstance(error, Refused):
        kind = "ContractBroken" if isinstance(error, Broken) else "Refused"
        code, why, findings = (
            1,
            "its output breaks its contract" if isinstance(error, Broken) else "it refused",
            error.findings,
        )
    elif isinstance(error, SealkitError):
        code, kind, why = error.exit_code, "Refused", str(error)
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        code, kind, why = 4, "Interrupted", "it was interrupted"
    else:
        code, kind, why = 4, "StageRaised", f"it raised {in_words(error)}"
        _keep_traceback(engine, step, error)
    scratch = engine.root / SCRATCH / step.name
    if code != 4 or not (scratch.is_dir() and any(scratch.iterdir())):
        folders.drop_scratch(engine.root, step.name)  # it would come to the same end from there
    if findings:
        outcome = Outcome(
            f"stage-{step.name}", step.stage.title, Status.FAILED, tuple(_placed(engine, step, quarantine, findings))
        )
        engine.outcomes[outcome.id] = outcome
        for finding in outcome.findings:
            engine.tell(Event("refused", step.name, f"{finding.at}: {finding.message}"))
    return Stop(code, kind, f"stage {step.name} stopped: {why}; {kept}", step.name)


def in_words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    return f"{type(error).__name__}: {error}"


def _keep_traceback(engine: Engine, step: Step, error: BaseException) -> None:
    with contextlib.suppress(OSError):  # the disk may be what failed; the message itself still reaches the user
        engine.tell(Event("traceback", step.name, "".join(traceback.format_exception(error))))


def _placed(engine: Engine, step: Step, quarantine: Path, findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """The findings with lines and quotes; files inside the run are called by their names below it."""
    root, run = engine.root.resolve(), engine.run()
    for finding in findings:
        path = Path(finding.at.path).absolute().resolve()
        if path != root and path.is_relative_to(root):
            name = path.relative_to(root).as_posix()
            if name.startswith(f"{PARTIAL}/{step.name}"):  # it was moved since
                name = f"{QUARANTINE}/{quarantine.name}" + name.removeprefix(f"{PARTIAL}/{step.name}")
            finding = replace(finding, at=replace(finding.at, path=name))
        yield concrete(run, finding, Severity.ERROR)
