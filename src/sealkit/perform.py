"""Performs one stage: a private folder, the contracts, the final name, and last the record. Or quarantine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealkit import digest, rundir, world, write
from sealkit.audit import concrete
from sealkit.engine import Engine, Event, Stop
from sealkit.finding import Finding, Location, Outcome, ReadError, Refused, SealkitError, Severity, Status
from sealkit.pack import Pack
from sealkit.plan import MODEL, Step
from sealkit.stage import Context, Input, Out

PARTIAL, QUARANTINE = ".partial", "quarantine"
MODEL_MANIFEST, INDEX_MANIFEST = "model_manifest.json", "index_manifest.json"


def perform(engine: Engine, step: Step) -> None:
    """One stage, from its private folder to its record. Raises Stop; then what it wrote lies in quarantine."""
    engine.tell(Event("stage-started", step.name, step.stage.title))
    started = time.monotonic()
    partial = engine.root / PARTIAL / step.name
    inputs = {key: _input(engine, reference) for key, reference in step.inputs.items()}
    context = _context(engine, step)
    try:
        partial.mkdir(parents=True)
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
    _record(engine, step, inputs, context, time.monotonic() - started)
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
            {"time": write.now(), "event": "traceback", "stage": step.name, "message": text},
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
        folder, without = _model_folder(root, path, manifest)
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


def _model_folder(root: Path, path: Path, manifest: Mapping[str, Any]) -> tuple[Path, list[str]]:
    """Where a manifest's model lies, and what in that folder is not the model."""
    if manifest.get("exported_to"):
        return rundir.workspace(root) / manifest["exported_to"], []
    return path.parent, [path.name]


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


def _record(engine: Engine, step: Step, inputs: Mapping[str, Input], context: Context, seconds: float) -> None:
    """Digest the outputs, and write the stage's completion record: the last thing that is written of it."""
    outputs = {}
    for output, (contract, path, folder) in step.outputs.items():
        place = engine.root / path
        found = digest.tree(place) if folder else digest.file(place)
        outputs[output] = {"contract": contract, "path": path, "digest": found}
        engine.outputs[f"{step.name}.{output}"] = _as_input(engine.root, step, output, place, found)
    engine.metrics |= {**context.metrics, f"time/{step.name}": round(seconds, 3)}
    keys = engine.pack.metric_keys
    headline = {key: value for key, value in engine.metrics.items() if (family := keys.find(key)) and family.derivable}
    engine.summary["metrics"] = headline
    engine.summary["counters"] |= {f"{step.name}.{key}": value for key, value in context.counters.items()}
    engine.summary["stages"].append(
        {
            "name": step.name,
            "uses": step.uses,
            "key": _key(engine.pack, step, inputs),
            "inputs": {key: value.digest for key, value in inputs.items()},
            "outputs": outputs,
            "facts": context.facts,
            "seconds": round(seconds, 3),
            "peak_rss_mb": round(_peak_rss_mb(), 1),
        }
    )
    engine.save()


def _as_input(root: Path, step: Step, output: str, place: Path, found: str) -> Input:
    """An output as the stages after it are handed it: an exported model by its own folder and its weights."""
    contract, name = step.outputs[output][0], f"{step.name}.{output}"
    manifest_path = place / MODEL_MANIFEST
    if contract != MODEL or not manifest_path.is_file():
        return Input(name, contract, place, found)
    manifest = json.loads(manifest_path.read_text("utf-8"))
    folder, _ = _model_folder(root, manifest_path, manifest)
    return Input(name, contract, folder, manifest["weights"], manifest["tree"])


def _key(pack: Pack, step: Step, inputs: Mapping[str, Input]) -> str:
    """Everything that decides what a stage writes, as one digest."""
    return digest.of_value(
        {
            "uses": step.uses,
            "code": pack.code(step.uses.split(".")[0]),
            "sealkit": importlib.metadata.version("sealkit"),
            "libraries": world.versions(step.stage.libraries),
            "params": dict(step.params),
            "inputs": {key: [value.contract, value.digest, value.tree] for key, value in inputs.items()},
            "outputs": {output: contract for output, (contract, _, _) in step.outputs.items()},
        }
    )


def _peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MiB (getrusage: KiB on Linux, bytes on macOS); 0 on Windows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
