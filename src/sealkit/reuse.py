"""A stage and the cache: what another run wrote under the same key is taken, and what this one wrote is kept for others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from sealkit import key, write
from sealkit.cache import Record
from sealkit.engine import Engine, Event
from sealkit.finding import SealkitError
from sealkit.plan import Step
from sealkit.stop import in_words


def alone(engine: Engine, step: Step, fields: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Held while a stage is looked up, worked on and kept, so that runs which need the same at a time work it out once."""
    if engine.cache is None or not step.stage.cache:
        return nullcontext()

    def wait(holder: str) -> None:
        engine.tell(Event("note", step.name, f"waits for another run that works on the same: {holder}"))

    return engine.cache.alone(step.uses, key.of(fields), wait)


def from_cache(engine: Engine, step: Step, fields: Mapping[str, Any], partial: Path) -> Record | None:
    """What the cache holds of this key, with its files put into the stage's private folder."""
    if engine.cache is None or not step.stage.cache:
        return None
    try:
        found = engine.cache.fetch(step.uses, key.of(fields), partial)
    except SealkitError as error:
        engine.tell(Event("note", step.name, error.message))
        shutil.rmtree(partial)
        partial.mkdir()
        return None
    if found:
        engine.tell(Event("stage-cached", step.name, f"as the run {found.run_id} wrote it"))
    return found


def keep(engine: Engine, step: Step, record: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Put a stage's work into the cache: its files, or, of one that is never taken from there, what it came to."""
    if engine.cache is None:
        return
    outputs = {name: engine.outputs[f"{step.name}.{name}"] for name in step.outputs}
    same = {name: record[name] for name in ("uses", "key_fields", "seconds", "facts", "counters", "metrics")}
    entry = Record(
        **same,
        run_id=engine.metadata["run_id"],
        finished=write.now(),
        outputs={name: [value.digest, value.tree] for name, value in outputs.items()},
        files=dict(files) if step.stage.cache else {},
        device=record.get("device", {}),
    )
    try:
        engine.cache.store(entry, engine.root / "stages" / step.name)
    except OSError as error:
        engine.tell(Event("note", step.name, f"not kept in the cache: {in_words(error)}"))
