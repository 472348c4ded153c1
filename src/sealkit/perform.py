"""Performs one stage: a private folder, the contracts, the final name, and last the record. Or quarantine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sealkit import digest, rundir, write
from sealkit.audit import concrete
from sealkit.completion import MODEL_MANIFEST, complete, model_folder
from sealkit.engine import Engine, Event, Stop
from sealkit.finding import Finding, Location, Outcome, ReadError, Refused, SealkitError, Severity, Status
from sealkit.plan import MODEL, Step
from sealkit.stage import Context, Input, Out

PARTIAL, SCRATCH, QUARANTINE = ".partial", ".scratch", "quarantine"
INDEX_MANIFEST = "index_manifest.json"


def perform(engine: Engine, step: Step) -> None:
    """One stage, from its private folder to its record. Raises Stop; then what it wrote lies in quarantine."""
    engine.tell(Event("stage-started", step.name, step.stage.title))
    started = time.monotonic()
    partial = engine.root / PARTIAL / step.name
    inputs = {key: _input(engine, reference) for key, reference in step.inputs.items()}
    context = _context(engine, step)
    try:
        partial.mkdir(parents=True)
        context.scratch.mkdir(parents=True)
        step.stage.run(inputs, step.values(), Out(_places(step, partial)), context)
        _fill_manifests(engine.root, partial)
        if findings := list(_broken(engine, step, partial, context)):
            raise _Broken(findings)
        write.sync_tree(partial)
    except BaseException as error:
        raise _stopped(engine, step, partial, error) from error
    final = engine.root / "stages" / step.name
    final.parent.mkdir(exist_ok=True)
    os.rename(partial, final)
    write.sync_folder(final.parent)
    shutil.rmtree(engine.root / PARTIAL)
    shutil.rmtree(engine.root / SCRATCH)
    complete(engine, step, inputs, context, time.monotonic() - started)
    engine.tell(Event("stage-finished", step.name, f"{time.monotonic() - started:.1f} s"))


class _Broken(Refused):
    """The stage's output breaks its contract."""


def _places(step: Step, partial: Path) -> dict[str, Path]:
    places = {output: partial / path.rpartition("/")[2] for output, (_, path, _) in step.outputs.items()}
    for output, (_, _, folder) in step.outputs.items():
        if folder:
            places[output].mkdir()
    return places


def _stopped(engine: Engine, step: Step, partial: Path, error: BaseException) -> Stop:
    """What became of a stage that did not end well, with what it wrote moved to quarantine."""
    quarantine = engine.root / QUARANTINE / step.name
    shutil.rmtree(engine.root / SCRATCH, ignore_errors=True)
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
        kind = "ContractBroken" if isinstance(error, _Broken) else "Refused"
        code, why, findings = (
            1,
            "its output breaks its contract" if isinstance(error, _Broken) else "it refused",
            error.findings,
        )
    elif isinstance(error, SealkitError):
        code, kind, why = error.exit_code, "Refused", str(error)
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        code, kind, why = 4, "Interrupted", "it was interrupted"
    else:
        code, kind, why = 4, "StageRaised", f"it raised {in_words(error)}"
        _keep_traceback(engine, step, error)
    if findings:
        outcome = Outcome(f"stage-{step.name}", step.stage.title, Status.FAILED, tuple(_placed(engine, findings)))
        engine.outcomes[outcome.id] = outcome
    return Stop(code, kind, f"stage {step.name} stopped: {why}; {kept}", step.name)


def in_words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    return f"{type(error).__name__}: {error}"


def _keep_traceback(engine: Engine, step: Step, error: BaseException) -> None:
    text = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):  # the disk may be what failed; the message itself still reaches the user
        write.append(
            engine.root / "logging.jsonl",
            {"time": write.now(), "event": "traceback", "stage": step.name, "message": engine.redactor.text(text)},
        )


def _placed(engine: Engine, findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """The findings with lines and quotes; files inside the run are called by their names below it."""
    root, run = engine.root.resolve(), engine.run()
    for finding in findings:
        path = Path(finding.at.path).absolute().resolve()
        if path != root and path.is_relative_to(root):
            name = path.relative_to(root).as_posix()
            if name.startswith(f"{PARTIAL}/"):  # it was moved since
                name = QUARANTINE + name.removeprefix(PARTIAL)
            finding = replace(finding, at=replace(finding.at, path=name))
        yield concrete(run, finding, Severity.ERROR)


def _context(engine: Engine, step: Step) -> Context:
    def used_device(device: str, threads: int) -> None:
        engine.metadata["device"] |= {"used": device, "threads": threads}

    section = engine.config.data["run"]
    return Context(
        run_id=engine.metadata["run_id"],
        run_name=section["name"],
        stage=step.name,
        seed=section["seed"],
        limit=section["limit"],
        device=section["device"],
        workspace=rundir.workspace(engine.root),
        scratch=engine.root / SCRATCH / step.name,
        commit=engine.metadata["git"]["commit"],
        report=lambda what, done, total: engine.tell(Event("progress", step.name, what, done, total)),
        used_device=used_device,
    )


def _input(engine: Engine, reference: str) -> Input:
    if reference in engine.outputs:
        return engine.outputs[reference]
    model = engine.models[reference]
    return Input(reference, MODEL, model.path, model.weights.digest, model.tree)


def _fill_manifests(root: Path, partial: Path) -> None:
    """Put the digests into the manifests that a stage wrote: digests are the engine's to take."""
    for path in sorted(partial.rglob(MODEL_MANIFEST)):
        manifest = json.loads(path.read_text("utf-8"))
        folder, without = model_folder(root, path, manifest)
        weights = digest.weights(folder)
        manifest |= {
            "tree": digest.tree(folder, without=without),
            "weights": weights.digest,
            "tensors": weights.tensors,
            "excluded": list(weights.excluded),
        }
        path.write_text(write.dumps(manifest), "utf-8", newline="\n")
    for path in sorted(partial.rglob(INDEX_MANIFEST)):
        manifest = json.loads(path.read_text("utf-8"))
        manifest["digest"] = digest.file(path.parent / manifest["file"])
        manifest["ids"] = {"file": manifest["ids"], "digest": digest.file(path.parent / manifest["ids"])}
        path.write_text(write.dumps(manifest), "utf-8", newline="\n")


def _broken(engine: Engine, step: Step, partial: Path, context: Context) -> Iterator[Finding]:
    """What a stage's outputs and metrics break of their contracts. Places are named as they will lie in quarantine."""
    shown = f"{QUARANTINE}/{step.name}"
    for output, (contract_id, path, folder) in step.outputs.items():
        contract, place = engine.pack.contracts[contract_id], partial / path.rpartition("/")[2]
        files = sorted(place.rglob(f"{contract.kind}.json")) if folder else [place] * place.is_file()
        if not files:
            at = Location(f"{shown}/{place.name}")
            yield Finding(
                f"the output `{output}` ({contract_id}) was not written", at, fix="write every declared output"
            )
        for file in files:
            yield from contract.problems(file, f"{shown}/{file.relative_to(partial).as_posix()}")[0]
    for violation in engine.pack.contracts["metrics/v1"].violations(context.metrics):
        yield Finding(
            f"reported the metric {violation.pointer[1:].replace('~1', '/')}, which {violation.message}",
            Location(shown),
        )
    for key in sorted(context.metrics.keys() & engine.metrics.keys()):
        yield Finding(
            f"reported the metric {key}, which another stage reported already",
            Location(shown),
            fix="evaluate under another `subset`",
        )
