"""Goes on with a run that was cut off: nothing is taken for finished that is not recorded and whole, and nothing counts twice.

The config comes from the user; what the run directory says is compared with it, and never run.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sealkit import comparison, completion, digest, folders, key, world, write
from sealkit.comparison import START_ANEW
from sealkit.engine import Engine, Event, write_config
from sealkit.finding import ReadError, UsageError, dotted
from sealkit.perform import inputs
from sealkit.plan import MODEL, Step
from sealkit.read import json
from sealkit.rundir import SEAL

BEGINNING = ("sources", "resolved_config.json", "run_metadata.json", "metrics.json", write.Reserve.NAME)


def unfinished(root: Path) -> bool:
    """Whether a run lies there that `--resume` can go on with."""
    if (root / SEAL).exists() or not root.is_dir():
        return False
    try:
        return bool(json.read(root / "summary.json", "summary.json").get("status") != "ok")
    except (ReadError, AttributeError):
        return not list(_foreign(root))


def began(root: Path) -> bool:
    """Whether the run that lies there came as far as its first stage; else what it wrote is cleared, to begin again.

    Raises UsageError where what lies there is no run, one whose records are lost, or one that leads out of its folder.
    """
    _refuse_links(root)
    if (root / "summary.json").is_file():
        return True
    if foreign := list(_foreign(root)):
        message = (
            f"{root}: holds no summary.json, so that nothing is known of what finished, but {', '.join(foreign[:3])}"
        )
        raise UsageError(message, "put summary.json back, or choose another run.name")
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return False


def _refuse_links(root: Path) -> None:
    """Raise UsageError where something that is written, moved or cleared on resuming is a link: it may lead anywhere."""
    for path in (*root.glob("*"), *root.glob("*/*"), *(root / folders.SCRATCH).rglob("*")):
        if path.is_symlink():
            raise UsageError(f"{path}: is a symbolic link, and no run is resumed through one", START_ANEW)


def _foreign(root: Path) -> Iterator[str]:
    """What no run wrote before its first stage."""
    for path in sorted(root.iterdir()):
        if path.name not in BEGINNING and not (path.name.startswith(".") and path.name.endswith(".tmp")):
            yield path.name


def take_up(engine: Engine, steps: list[Step]) -> None:
    """Make the engine know what the run directory knows, and tidy up there; a finished run is left as it is (`engine.over`).

    Raises UsageError, before anything is changed, where the config or what a finished stage was made with is another
    now, and where the run is sealed.
    """
    run, old = engine.run(), {}
    for kind in ("run_metadata", "resolved_config", "summary"):
        artifact = run.one(kind)
        if artifact is None or artifact.problems:
            why = artifact.problems[0].message if artifact else "it is missing"
            raise UsageError(f"{engine.root}/{kind}.json: cannot be resumed from: {why}", START_ANEW)
        old[kind] = artifact.document
    engine.metadata, engine.summary = old["run_metadata"], old["summary"]
    changed = list(comparison.changes(old["resolved_config"]["config"], engine.redactor.value(engine.config.data)))
    comparison.refuse(engine, steps, changed)
    completion.add_up(engine)
    if engine.summary["status"] == "ok" and not changed:
        engine.over = True
        if all(holds(engine, step) for step in steps):
            if not (engine.root / SEAL).exists():
                folders.sweep(engine.root)  # cut off after its last word, it may have left these
            engine.tell(Event("note", None, "the run had finished; it is judged again, and nothing is written"))
            return
        engine.over = False
        engine.outputs.clear()
    if (engine.root / SEAL).exists():
        raise UsageError(f"{engine.root}: is sealed, and nothing in it is changed any more", START_ANEW)
    _tidy(engine, steps, changed)


def holds(engine: Engine, step: Step) -> bool:
    """Whether a stage's record still holds: same key, same content. Then its outputs are known to the engine.

    Where it does not, the record goes, and what the stage wrote goes to quarantine.
    """
    if engine.over and all(f"{step.name}.{output}" in engine.outputs for output in step.outputs):
        return True  # it was hashed already, to see that the run is over
    record = next((one for one in engine.summary["stages"] if one["name"] == step.name), None)
    trouble = _trouble(engine, step, record) if record else None
    if record and not trouble:
        completion.take(engine, step, record)
        if not engine.over:
            folders.drop_scratch(engine.root, step.name)
        engine.tell(Event("stage-kept", step.name, "finished before, and unchanged"))
        return True
    if engine.over:
        return False
    if record:
        engine.summary["stages"].remove(record)
        completion.add_up(engine)
        engine.save()  # first: from here on nothing there is taken for finished
    if (written := engine.root / "stages" / step.name).exists():
        place = folders.put_aside(engine.root, written, step.name)
        why = trouble or "it was not finished"
        engine.tell(Event("note", step.name, f"starts again, since {why}; what lay there is in {place}"))
    return False


def _trouble(engine: Engine, step: Step, record: dict[str, Any]) -> str | None:
    """Why what a finished stage wrote cannot be kept."""
    fields = key.fields(engine.pack, step, engine.config.data["run"], inputs(engine, step), engine.redactor)
    if key.of(fields) != record["key"]:
        return "; ".join(key.differences(record["key_fields"], fields)) or "its key is another"
    try:
        for output, (contract, path, folder) in step.outputs.items():
            place, said = engine.root / path, record["outputs"][output]["digest"]
            if (digest.tree(place) if folder else digest.file(place)) != said:
                return f"{path} is not what it wrote"
            if contract == MODEL:
                for manifest_path in sorted(place.rglob(completion.MODEL_MANIFEST)):
                    manifest = json.read(manifest_path, path)
                    model, without = completion.model_folder(engine.root, manifest_path, manifest)
                    if manifest["exported_to"] and digest.tree(model, without=without) != manifest["tree"]:
                        return f"{manifest['exported_to']} is not what it exported"
    except ReadError as error:
        return f"{error.at}: {error.message}"
    return None


def _tidy(engine: Engine, steps: list[Step], changed: list[tuple[str, str]]) -> None:
    """Say that and how the run goes on, and put aside what a crash left behind."""
    torn = _mend_log(engine.root)
    aside = folders.sweep(engine.root)
    stages = engine.root / "stages"
    for folder in sorted(stages.iterdir()) if stages.is_dir() else []:
        if folder.name not in engine.order and (place := folders.put_aside(engine.root, folder, folder.name)):
            aside.append(place)
    if changed:
        _change_config(engine, steps)
    names = [record["name"] for record in engine.summary["stages"]]
    _, repository = world.find_repository([Path.cwd(), engine.root])
    again = {"time": write.now(), "host": platform.node(), "commit": repository.commit, "finished": names}
    engine.summary |= {"status": "running", "failure": None, "finished": None}
    engine.summary["resumed"] = [*engine.summary.get("resumed", []), again]
    engine.save()
    engine.tell(Event("note", None, f"resumed: {', '.join(names) or 'no stage'} finished before"))
    if torn:
        engine.tell(Event("note", None, f"the last line of logging.jsonl was torn; it lies in {torn}"))
    for place in aside:
        engine.tell(Event("note", place.name, f"was not finished; what it wrote lies in {place}"))
    for where, values in changed:
        engine.tell(Event("note", None, f"changed since the run began: {dotted(where)} {values}"))


def _change_config(engine: Engine, steps: list[Step]) -> None:
    """Write the config of the stages that are still to run, with a copy of what it was before in quarantine."""
    before = folders.free_aside(engine.root, "config")
    (engine.root / "sources").mkdir(exist_ok=True)
    shutil.copytree(engine.root / "sources", before / "sources")
    shutil.copyfile(engine.root / "resolved_config.json", before / "resolved_config.json")
    write_config(engine, steps)
    current = {source.name for source in engine.config.sources}
    for path in (engine.root / "sources").iterdir():
        if f"sources/{path.name}" not in current:
            path.unlink()


def _mend_log(root: Path) -> Path | None:
    """Cut a last line that a crash tore off the log, once it is safe in quarantine; returns its place there."""
    log = root / "logging.jsonl"
    whole, torn = write.torn_end(log)
    if not torn:
        return None
    place = folders.free_aside(root, "logging.torn")
    place.parent.mkdir(exist_ok=True)
    write.atomic(place, torn)
    os.truncate(log, whole)
    return place
