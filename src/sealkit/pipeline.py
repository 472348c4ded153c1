"""Runs a config: one claimed run directory, stage after stage, each output held against its contract before it gets
its final name, each check run as soon as all that it reads exists."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import resource
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from sealkit import config as configuration
from sealkit import digest, rundir, world, write
from sealkit.audit import audit, judge
from sealkit.config import Config
from sealkit.contract import did_you_mean
from sealkit.finding import (
    Finding,
    Location,
    Outcome,
    ReadError,
    Refused,
    Report,
    SealkitError,
    Severity,
    Status,
    UsageError,
    pointer,
)
from sealkit.layout import Layout
from sealkit.pack import BUILT_IN, Pack
from sealkit.rundir import Run
from sealkit.stage import Context, Input, Out, Ready, Stage

PARTIAL, QUARANTINE = ".partial", "quarantine"
MODEL, INDEX = "model_manifest", "index_manifest"


@dataclass(frozen=True)
class Event:
    """Something that happened, for whoever watches: `kind` is stage-started, stage-finished, progress, check, or ended."""

    kind: str
    stage: str | None = None
    message: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Result:
    """The run directory, what was judged, and the exit code of the public table. `error` says why it stopped early."""

    path: Path
    report: Report
    exit_code: int
    error: str | None = None


@dataclass(frozen=True)
class Step:
    """One stage of the plan: what it is, and where each output lies, as (contract id, path, whether a folder)."""

    name: str
    uses: str
    stage: Stage
    inputs: Mapping[str, str]
    params: Mapping[str, Any]
    outputs: Mapping[str, tuple[str, str, bool]]


@dataclass
class _State:
    """What the engine knows while a run goes on."""

    root: Path
    steps: list[Step]
    summary: dict[str, Any]
    metadata: dict[str, Any]
    models: dict[str, world.Model]
    on_event: Callable[[Event], None]
    metrics: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, Input] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def save(self) -> None:
        write.atomic(self.root / "run_metadata.json", write.dumps(self.metadata))
        write.atomic(self.root / "metrics.json", write.dumps(self.metrics))
        write.atomic(self.root / "summary.json", write.dumps(self.summary))

    def tell(self, event: Event) -> None:
        if event.kind != "progress":
            row = {"time": now(), "event": event.kind, "stage": event.stage, "message": event.message}
            write.append(self.root / "logging.jsonl", row)
        self.on_event(event)


def now() -> str:
    """The time as every artifact writes it: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(
    path: Path,
    overrides: list[str],
    command: list[str],
    on_event: Callable[[Event], None] = lambda event: None,
    pack: Pack = BUILT_IN,
) -> Result:
    """Run the config at `path`. Raises UsageError or ReadError before the run directory exists; from then on whatever
    goes wrong is in the Result and in the run's own summary."""
    layout = pack.layout()
    config = configuration.load(
        path, overrides, pack.contracts["pipeline/v1"], pack.sections(pack.domains), lambda uses: pack.stage(uses).params
    )
    steps = plan(config, layout, pack)
    section = config.data["run"]
    root = Path(section["output_dir"]).expanduser() / section["name"]
    models = _named_models(config, steps)
    for step in steps:
        if step.stage.ready:
            step.stage.ready(_params(step), Ready(section["name"], rundir.workspace(root)))
    write.claim(root)
    reserve = write.Reserve(root)
    state = _State(root, steps, {}, {}, models, on_event)
    try:
        reserve.take()
        _begin(state, config, steps, command, pack)
        exit_code, error = _stages(state, config, layout, pack)
    except OSError as trouble:
        reserve.release()
        exit_code, error = 4, f"{trouble.strerror or trouble}: {trouble.filename or root}"
        _last_words(state, None, type(trouble).__name__, error)
    finally:
        reserve.release()
    return _end(state, layout, pack, exit_code, error)


def plan(config: Config, layout: Layout, pack: Pack) -> list[Step]:
    """The stages in an order in which every input exists before it is needed. Raises UsageError."""
    stages = config.data["stages"]
    needs: dict[str, set[str]] = {}
    for name, section in stages.items():
        stage = pack.stage(section["uses"])
        given = section["in"]
        required = {key for key in stage.inputs if not key.endswith("?")}
        known = [key.rstrip("?") for key in stage.inputs]
        needs[name] = set()
        for key in given:
            where = pointer("stages", name, "in", key)
            if key not in known:
                raise config.error(where, f"stage {name} takes no input `{key}`{did_you_mean(key, known)}", f"known: {', '.join(known)}")
            contract = stage.inputs.get(key) or stage.inputs[f"{key}?"]
            producer = _producer(given[key], stages)
            if producer is not None:
                _fits(config, where, given[key], contract, stages, pack)
                needs[name].add(producer)
            elif contract != f"{MODEL}/v1":
                references = [f"{other}.{output}" for other in stages for output in pack.stage(stages[other]["uses"]).outputs]
                raise config.error(
                    where, f"stages.{name}.in.{key}: `{given[key]}` is no output of a stage{did_you_mean(given[key], references)}"
                )
        for key in sorted(required - set(given)):
            raise config.error(pointer("stages", name), f"stage {name} needs the input `{key}` ({stage.inputs[key]})", "add it under `in`")
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise UsageError(f"the stages wait for each other: {' → '.join(error.args[1])}", "break the circle") from None
    # Where the wiring leaves a choice, the order of the document decides, so that a run is the same twice.
    order = _stable(list(stages), needs) if len(order) > 1 else order
    return [_step(name, stages[name], layout, pack) for name in order]


def _stable(names: list[str], needs: Mapping[str, set[str]]) -> list[str]:
    done: list[str] = []
    while len(done) < len(names):
        done.append(next(name for name in names if name not in done and needs[name] <= set(done)))
    return done


def _producer(reference: str, stages: Mapping[str, Any]) -> str | None:
    stage, dot, _ = reference.partition(".")
    return stage if dot and stage in stages else None


def _fits(config: Config, where: str, reference: str, contract: str, stages: Mapping[str, Any], pack: Pack) -> None:
    stage, _, output = reference.partition(".")
    offered = pack.stage(stages[stage]["uses"]).outputs
    if output not in offered:
        known = [f"{stage}.{name}" for name in offered]
        raise config.error(where, f"`{reference}`: stage {stage} has no such output{did_you_mean(reference, known)}", f"known: {', '.join(known)}")
    if offered[output] != contract:
        raise config.error(where, f"`{reference}` is {offered[output]}, expected {contract}")


def _step(name: str, section: Mapping[str, Any], layout: Layout, pack: Pack) -> Step:
    stage = pack.stage(section["uses"])
    outputs = {}
    for output, contract in stage.outputs.items():
        path, folder = layout.place(contract, name, output)
        outputs[output] = (contract, path, folder)
    return Step(name, section["uses"], stage, section["in"], section["with"], outputs)


def _params(step: Step) -> Any:
    return step.stage.params.model_validate(configuration.reveal(dict(step.params)))


def _named_models(config: Config, steps: list[Step]) -> dict[str, world.Model]:
    stages = config.data["stages"]
    found: dict[str, world.Model] = {}
    for step in steps:
        for key, reference in step.inputs.items():
            if _producer(reference, stages) is None and reference not in found:
                try:
                    found[reference] = world.model(reference)
                except UsageError as error:
                    raise config.error(pointer("stages", step.name, "in", key), error.message, error.fix) from error
    return found


def _begin(state: _State, config: Config, steps: list[Step], command: list[str], pack: Pack) -> None:
    section = config.data["run"]
    started = now()
    run_id = f"{section['name']}-{started.replace('-', '').replace(':', '')}-{secrets.token_hex(3)}"
    _, repository = world.find_repository([Path.cwd(), state.root])
    state.metadata = {
        "schema": "run_metadata/v1",
        "layout": "native/v1",
        "run_id": run_id,
        "name": section["name"],
        "command": command,
        "purpose": section["purpose"],
        "seed": section["seed"],
        "started": started,
        "sealkit": importlib.metadata.version("sealkit"),
        "python": world.python(),
        "host": world.host(),
        "packages": world.packages(),
        "git": repository.document(),
        "device": {"asked": section["device"], "used": None, "threads": None},
        "packs": [pack.record()],
        "models": [model.document() for model in state.models.values()],
    }
    state.summary = {
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
    (state.root / "sources").mkdir()
    for source in config.sources:
        write.atomic(state.root / source.name, source.text)
    document = {
        "schema": "resolved_config/v1",
        "config": config.data,
        "provenance": config.provenance(),
        "overrides": config.overrides,
        "sources": [source.name for source in config.sources],
        "artifacts": [
            {"stage": step.name, "output": output, "contract": contract, "path": path}
            for step in steps
            for output, (contract, path, _) in step.outputs.items()
        ],
    }
    write.atomic(state.root / "resolved_config.json", write.dumps(document))
    state.save()


def _stages(state: _State, config: Config, layout: Layout, pack: Pack) -> tuple[int, str | None]:
    """Run the stages and the checks between them: (exit code so far, why it stopped)."""
    started = time.monotonic()
    pending = list(state.steps)
    code, error = _checks(state, layout, pack, pending, ended=False)
    while pending and not code:
        step = pending.pop(0)
        code, error = _stage(state, step, config, pack)
        if not code:
            code, error = _checks(state, layout, pack, pending, ended=False)
    state.summary["seconds"] = round(time.monotonic() - started, 3)
    state.summary["finished"] = now()
    if code:
        return code, error
    state.summary["status"] = "ok"
    state.save()
    code, error = _checks(state, layout, pack, [], ended=True)
    if code:
        _fail(state, None, "CheckFailed", error or "")
    return code, error


def _stage(state: _State, step: Step, config: Config, pack: Pack) -> tuple[int, str | None]:
    """One stage, from its private folder to its record: (0, None), or the exit code and why."""
    state.tell(Event("stage-started", step.name, step.stage.title))
    started = time.monotonic()
    partial = state.root / PARTIAL / step.name
    partial.mkdir(parents=True)
    inputs = {key: _input(state, reference) for key, reference in step.inputs.items()}
    context = _context(state, step, config)
    try:
        places = {output: partial / path.rpartition("/")[2] for output, (_, path, _) in step.outputs.items()}
        for output, (_, _, folder) in step.outputs.items():
            if folder:
                places[output].mkdir()
        step.stage.run(inputs, _params(step), Out(places), context)
        _fill_manifests(state, partial)
        code, error, findings = 0, None, _broken(step, partial, context, pack)
        if findings:
            code, error = 1, "its output breaks its contract"
    except Refused as refused:
        code, error, findings = 1, "it refused", list(refused.findings)
    except ReadError as unread:
        code, error, findings = 1, "it could not read its input", [unread.finding()]
    except SealkitError as trouble:
        code, error, findings = trouble.exit_code, str(trouble), []
    except (KeyboardInterrupt, SystemExit):
        code, error, findings = 4, "it was interrupted", []
    except Exception as trouble:
        code, error, findings = 4, _in_words(trouble), []
        _keep_traceback(state, step, trouble)
    if code:
        return code, _stage_failed(state, step, partial, f"stage {step.name}: {error}", findings, code)
    write.sync_tree(partial)
    (state.root / "stages").mkdir(exist_ok=True)
    os.rename(partial, state.root / "stages" / step.name)
    write.sync_folder(state.root / "stages")
    shutil.rmtree(state.root / PARTIAL)
    _record(state, step, inputs, context, time.monotonic() - started, pack)
    state.tell(Event("stage-finished", step.name, f"{time.monotonic() - started:.1f} s"))
    return 0, None


def _in_words(trouble: Exception) -> str:
    if isinstance(trouble, OSError):
        return f"{trouble.strerror or trouble}: {trouble.filename or 'while writing'}"
    return f"{type(trouble).__name__}: {trouble}"


def _keep_traceback(state: _State, step: Step, trouble: Exception) -> None:
    import traceback

    text = "".join(traceback.format_exception(trouble))
    try:
        write.append(state.root / "logging.jsonl", {"time": now(), "event": "traceback", "stage": step.name, "message": text})
    except OSError:
        pass  # the disk may be what failed; the message itself still reaches the user


def _context(state: _State, step: Step, config: Config) -> Context:
    def used_device(device: str, threads: int) -> None:
        state.metadata["device"] |= {"used": device, "threads": threads}

    section = config.data["run"]
    return Context(
        run_id=state.metadata["run_id"],
        run_name=section["name"],
        stage=step.name,
        seed=section["seed"],
        limit=section["limit"],
        device=section["device"],
        workspace=rundir.workspace(state.root),
        commit=state.metadata["git"]["commit"],
        report=lambda what, done, total: state.tell(Event("progress", step.name, what, done, total)),
        used_device=used_device,
    )


def _input(state: _State, reference: str) -> Input:
    if reference in state.outputs:
        return state.outputs[reference]
    model = state.models[reference]
    return Input(reference, f"{MODEL}/v1", model.path, model.weights.digest, model.tree)


def _fill_manifests(state: _State, partial: Path) -> None:
    """Put the digests into the manifests that a stage wrote: digests are the engine's to take."""
    import json

    for path in sorted(partial.rglob(f"{MODEL}.json")):
        manifest = json.loads(path.read_text("utf-8"))
        folder, without = _model_folder(state.root, path, manifest)
        found = digest.weights(folder)
        manifest |= {
            "tree": digest.tree(folder, without=without),
            "weights": found.digest,
            "tensors": found.tensors,
            "excluded": list(found.excluded),
        }
        path.write_text(write.dumps(manifest), "utf-8")
    for path in sorted(partial.rglob(f"{INDEX}.json")):
        manifest = json.loads(path.read_text("utf-8"))
        manifest["digest"] = digest.file(path.parent / manifest["file"])
        manifest["ids"] = {"file": manifest["ids"], "digest": digest.file(path.parent / manifest["ids"])}
        path.write_text(write.dumps(manifest), "utf-8")


def _model_folder(root: Path, path: Path, manifest: Mapping[str, Any]) -> tuple[Path, list[str]]:
    """Where a manifest's model lies, and what in that folder is not the model."""
    if manifest.get("exported_to"):
        return rundir.workspace(root) / manifest["exported_to"], []
    return path.parent, [path.name]


def _broken(step: Step, partial: Path, context: Context, pack: Pack) -> list[Finding]:
    """What a stage's outputs and metrics break of their contracts. Places are named as they will lie in quarantine."""
    found: list[Finding] = []
    for output, (contract_id, path, folder) in step.outputs.items():
        contract = pack.contracts[contract_id]
        place = partial / path.rpartition("/")[2]
        files = sorted(place.rglob(f"{contract.kind}.json")) if folder else [place]
        shown = f"{QUARANTINE}/{step.name}"
        if not files or not files[0].exists():
            found.append(Finding(f"the output `{output}` ({contract_id}) was not written", Location(f"{shown}/{place.name}"), Severity.ERROR))
            continue
        for file in files:
            found += contract.problems(file, f"{shown}/{file.relative_to(partial).as_posix()}")[0]
    for violation in pack.contracts["metrics/v1"].violations(context.metrics):
        found.append(Finding(f"metric {violation.pointer[1:]}: {violation.message}", Location(shown), Severity.ERROR))
    return found


def _stage_failed(state: _State, step: Step, partial: Path, error: str, findings: list[Finding], code: int) -> str:
    """Move what the stage wrote to quarantine and write the run's last words. Nothing that was written is lost."""
    quarantine = state.root / QUARANTINE
    try:
        quarantine.mkdir(exist_ok=True)
        os.rename(partial, quarantine / step.name)
        (state.root / PARTIAL).rmdir()
    except OSError as trouble:
        error += f" (and its folder stays at {partial}: {trouble.strerror})"
    if findings:
        outcome = Outcome(f"stage-{step.name}", step.stage.title, Status.FAILED, _lines(state, findings))
        state.outcomes[outcome.id] = outcome
        state.on_event(Event("check", step.name, outcome=outcome))
        error += ": " + "; ".join(f"{finding.at}: {finding.message}" for finding in findings[:3])
    kind = {1: "ContractBroken"}.get(code, "StageRaised")
    _last_words(state, step.name, kind, error)
    return error


def _lines(state: _State, findings: list[Finding]) -> tuple[Finding, ...]:
    """The findings with their lines, in files of the run by whatever name the stage knew them."""
    from dataclasses import replace

    from sealkit.audit import concrete

    layout = BUILT_IN.layout()
    run = Run(state.root, layout, BUILT_IN.contracts, BUILT_IN.metric_keys)
    shown = []
    for finding in findings:
        path = Path(finding.at.path)
        inside = path.resolve().is_relative_to(state.root.resolve()) and path.exists()
        name = path.resolve().relative_to(state.root.resolve()).as_posix() if inside else finding.at.path
        shown.append(concrete(run, replace(finding, at=replace(finding.at, path=name)), Severity.ERROR))
    return tuple(shown)


def _last_words(state: _State, stage: str | None, kind: str, message: str) -> None:
    """Write the failure into the summary; on a full disk with the room that was kept for it."""
    if not state.summary:
        return
    try:
        _fail(state, stage, kind, message)
    except OSError:
        write.Reserve(state.root).release()
        _fail(state, stage, kind, message)


def _fail(state: _State, stage: str | None, kind: str, message: str) -> None:
    state.summary |= {"status": "failed", "finished": now(), "failure": {"stage": stage, "type": kind, "message": message}}
    state.save()
    state.tell(Event("failed", stage, message))


def _record(state: _State, step: Step, inputs: Mapping[str, Input], context: Context, seconds: float, pack: Pack) -> None:
    """Digest the outputs, and write the stage's completion record: the last thing that is written of it."""
    outputs = {}
    for output, (contract, path, folder) in step.outputs.items():
        place = state.root / path
        found = digest.tree(place) if folder else digest.file(place)
        outputs[output] = {"contract": contract, "path": path, "digest": found}
        state.outputs[f"{step.name}.{output}"] = _output_input(state, step, output, place, found)
    clash = context.metrics.keys() & state.metrics.keys()
    if clash:
        raise SealkitError(f"two stages report the metric {sorted(clash)[0]}", "give one of them another subset")
    state.metrics |= context.metrics
    state.metrics[f"time/{step.name}"] = round(seconds, 3)
    keys = pack.metric_keys
    headline = {key: value for key, value in state.metrics.items() if (family := keys.find(key)) and family.derivable}
    state.summary["metrics"] = headline
    state.summary["counters"] |= {f"{step.name}.{key}": value for key, value in context.counters.items()}
    state.summary["stages"].append(
        {
            "name": step.name,
            "uses": step.uses,
            "key": _key(step, inputs, pack),
            "inputs": {key: value.digest for key, value in inputs.items()},
            "outputs": outputs,
            "facts": context.facts,
            "seconds": round(seconds, 3),
            "peak_rss_mb": round(_peak_rss_mb(), 1),
        }
    )
    state.save()


def _peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MiB (getrusage: KiB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _output_input(state: _State, step: Step, output: str, place: Path, found: str) -> Input:
    """An output as the stages after it are handed it: an exported model by its own folder and its weights."""
    import json

    contract = step.outputs[output][0]
    name = f"{step.name}.{output}"
    manifest_path = place / f"{contract.split('/')[0]}.json"
    if not manifest_path.is_file():
        return Input(name, contract, place, found)
    manifest = json.loads(manifest_path.read_text("utf-8"))
    if contract != f"{MODEL}/v1":
        return Input(name, contract, place, found, document=manifest)
    folder, _ = _model_folder(state.root, manifest_path, manifest)
    return Input(name, contract, folder, manifest["weights"], manifest["tree"], manifest)


def _key(step: Step, inputs: Mapping[str, Input], pack: Pack) -> str:
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


def _checks(state: _State, layout: Layout, pack: Pack, pending: list[Step], ended: bool) -> tuple[int, str | None]:
    """Run every check that has not run and whose kinds nobody will write any more; stop at a failed one."""
    waiting = {contract.split("/")[0] for step in pending for contract, _, _ in step.outputs.values()}
    waiting |= {"observed"} if ended else {"observed", "metrics", "summary"}
    run = Run(state.root, layout, pack.contracts, pack.metric_keys)
    failed = None
    for check in pack.checks.values():
        if check.id in state.outcomes or check.kinds & waiting:
            continue
        outcome = judge(run, check)
        if outcome.status is Status.BLOCKED and not ended:
            continue  # what blocks it may still come; the report at the end says what remained
        state.outcomes[check.id] = outcome
        state.tell(Event("check", None, f"{check.id}: {outcome.status}", outcome=outcome))
        if outcome.status is Status.FAILED and failed is None:
            failed = f"check {check.id}: " + "; ".join(f"{f.at}: {f.message}" for f in outcome.findings[:3])
    if failed and not ended:
        _fail(state, None, "CheckFailed", failed)
    return (1, failed) if failed else (0, None)


def _end(state: _State, layout: Layout, pack: Pack, exit_code: int, error: str | None) -> Result:
    """The report of the whole run: its artifacts, and the outcome of every check that could run."""
    run = Run(state.root, layout, pack.contracts, pack.metric_keys)
    artifacts = audit(run, {}).artifacts
    report = Report(state.metadata.get("run_id"), state.root.name, artifacts, tuple(state.outcomes.values()))
    return Result(state.root, report, exit_code or report.exit_code(), error)
