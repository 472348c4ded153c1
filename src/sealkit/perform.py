"""Performs one stage: a private folder, the contracts, the final name, and last the record. Or quarantine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit import digest, folders, key, manifest, mask_misfit, rundir, write
from sealkit.check import View
from sealkit.completion import MODEL_MANIFEST, complete, model_folder
from sealkit.engine import Engine, Event
from sealkit.finding import Finding, Location, ReadError, parts
from sealkit.folders import PARTIAL, QUARANTINE, SCRATCH
from sealkit.plan import Step, files_input, model_input
from sealkit.reuse import alone, from_cache, keep
from sealkit.stage import FILES, Context, Input, Out
from sealkit.stop import Broken, stopped

WAIVED = "waived"  # in the facts of a stage: check → input → who signed


def perform(engine: Engine, step: Step) -> None:
    """One stage, from its private folder to its record. Raises Stop; then what it wrote lies in quarantine."""
    with ExitStack() as held:
        _perform(engine, step, held)


def _perform(engine: Engine, step: Step, held: ExitStack) -> None:
    engine.tell(Event("stage-started", step.name, step.stage.title))
    started = time.monotonic()
    partial = engine.root / PARTIAL / step.name
    taken = inputs(engine, step)
    context, more = _context(engine, step), {}
    try:
        fields = key.fields(engine.pack, step, engine.config.data["run"], taken, engine.redactor)
        partial.mkdir(parents=True)
        held.enter_context(alone(engine, step, fields))
        kept = from_cache(engine, step, fields, partial)
        if kept:
            context.metrics, context.counters, context.facts = kept.metrics, kept.counters, kept.facts
            context.device_used = kept.device
            more["cached"] = {"run_id": kept.run_id, "finished": kept.finished, "seconds": kept.seconds}
        else:
            folders.scratch(engine.root, step.name, key.of(fields))
            step.stage.run(taken, step.values(), Out(_places(step, partial)), context)
            _fill_manifests(engine.root, partial)
        if findings := list(_broken(engine, step, partial, context)):
            raise Broken(findings)
        files = _digests(partial)
        write.sync_tree(partial)
    except BaseException as error:
        raise stopped(engine, step, partial, error) from error
    final = engine.root / "stages" / step.name
    final.parent.mkdir(exist_ok=True)
    os.rename(partial, final)
    write.sync_folder(final.parent)
    if context.device_used:
        more["device"] = context.device_used
    record = complete(engine, step, fields, taken, files, context, time.monotonic() - started, **more)
    partial.parent.rmdir()
    folders.drop_scratch(engine.root, step.name)
    # What was done under a waiver would come to a run that nobody signed for.
    if not kept and WAIVED not in context.facts:
        keep(engine, step, record, files)
    engine.tell(Event("stage-finished", step.name, f"{time.monotonic() - started:.1f} s"))


def _places(step: Step, partial: Path) -> dict[str, Path]:
    places = {output: partial / path.rpartition("/")[2] for output, (_, path, _) in step.outputs.items()}
    for output, (_, _, folder) in step.outputs.items():
        if folder:
            places[output].mkdir()
    return places


@dataclass
class _Context(Context):
    """With the device that the stage said it used, for its record."""

    device_used: dict[str, Any] = field(default_factory=dict)


def _context(engine: Engine, step: Step) -> _Context:
    def used_device(device: str, threads: int) -> None:
        context.device_used |= {"used": device, "threads": threads}
        engine.metadata["device"] |= context.device_used

    def waived(check: str, name: str) -> str | None:
        reason = _waived(engine, step, check, name)
        if reason:
            context.facts.setdefault(WAIVED, {}).setdefault(check, {})[name] = reason
        return reason

    section = engine.config.data["run"]
    context = _Context(
        run_id=engine.metadata["run_id"],
        run_name=section["name"],
        stage=step.name,
        seed=section["seed"],
        limit=section["limit"],
        device=section["device"],
        workspace=rundir.workspace(engine.root),
        models=engine.exports,
        scratch=engine.root / SCRATCH / step.name,
        commit=engine.metadata["git"]["commit"],
        report=lambda what, done, total: engine.tell(Event("progress", step.name, what, done, total)),
        say=lambda line: engine.tell(Event("output", step.name, line)),
        waived=waived,
        used_device=used_device,
        purpose=section["purpose"],
    )
    return context


def _waived(engine: Engine, step: Step, check: str, name: str) -> str | None:
    """Who signed for what a check told of an input; None where nobody did, and where it told nothing of it, since a waiver that
    nothing needs must not keep a stage from the cache."""
    run = View(engine.run(), {"resolved_config": 1, "mask": 1})
    place = mask_misfit.place_of(run, step.name, step.inputs.get(name, ""))
    told = engine.outcomes[check].findings if check in engine.outcomes else ()
    if place is None or not any((one.at.path, one.at.pointer) == (place.path, place.pointer) for one in told):
        return None
    return engine.policy.reason(check, place, engine.metadata["name"], write.now()[:10])


def inputs(engine: Engine, step: Step) -> dict[str, Input]:
    """What a stage is handed, by the names of its inputs."""
    return {name: _input(engine, step.contract(name), reference) for name, reference in step.inputs.items()}


def _input(engine: Engine, contract: str, reference: str) -> Input:
    if contract == FILES:
        return files_input(engine.files[reference])
    if reference in engine.outputs:
        return engine.outputs[reference]
    return model_input(engine.models[reference])


def _fill_manifests(root: Path, partial: Path) -> None:
    """Put the digests into the manifests that a stage wrote: digests are the engine's to take."""
    for path in sorted(partial.rglob(MODEL_MANIFEST)):
        document = json.loads(path.read_text("utf-8"))
        folder, without = model_folder(root, path, document)
        weights = digest.weights(folder)
        document |= {
            "tree": digest.tree(folder, without=without),
            "weights": weights.digest,
            "tensors": weights.tensors,
            "excluded": list(weights.excluded),
        }
        path.write_text(write.dumps(document), "utf-8", newline="\n")
    for path in sorted(partial.rglob(manifest.NAME)):
        path.write_text(write.dumps(_index_manifest(path)), "utf-8", newline="\n")


def _index_manifest(path: Path) -> dict[str, Any]:
    """The manifest of an index that a stage wrote, with the digests of its files."""
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if document["schema"] != manifest.CONTRACT:
        listing = document["ids"]
        found = {"file": listing, "digest": digest.file(path.parent / listing)}
        return {**document, "digest": digest.file(path.parent / document["file"]), "ids": found}
    return manifest.whole(document, path.parent, manifest.companions(path.parent))


def _digests(partial: Path) -> dict[str, str]:
    """The digest of every file that a stage wrote."""
    try:
        return digest.files(partial, digest.walk(partial))
    except ReadError as error:
        raise Broken([error.finding()]) from error


def _broken(engine: Engine, step: Step, partial: Path, context: Context) -> Iterator[Finding]:
    """What a stage's outputs and metrics break of their contracts. Places are named as they will lie in quarantine."""
    shown = f"{QUARANTINE}/{folders.free_aside(engine.root, step.name).name}"
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
            f"reported the metric {'/'.join(parts(violation.pointer))}, which {violation.message}",
            Location(shown),
        )
    for name in sorted(context.metrics.keys() & engine.metrics.keys()):
        yield Finding(
            f"reported the metric {name}, which another stage reported already",
            Location(shown),
            fix="evaluate under another `subset`",
        )
