"""What changed since a run began: its config, and what its finished stages were made with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sealkit import key
from sealkit.engine import Engine
from sealkit.finding import UsageError, dotted, pointer
from sealkit.perform import inputs
from sealkit.plan import Step
from sealkit.provenance import leaves

START_ANEW = "choose another run.name; what did not change comes from the cache"


def changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(JSON pointer, "old → new") of every value that differs; the same folder may be spelt in several ways."""
    before, after = dict(leaves(old)), dict(leaves(new))
    for where in [*after, *(where for where in before if where not in after)]:
        if where != "/run/output_dir" and (where not in before or where not in after or before[where] != after[where]):
            yield where, f"{key.shown(before, where)} → {key.shown(after, where)}"


def refuse(engine: Engine, steps: list[Step], changed: list[tuple[str, str]]) -> None:
    """Raise UsageError where the run as a whole, or what a finished stage was made with, is another now."""
    finished = {record["name"]: record for record in engine.summary["stages"]}
    short = [name for name, record in finished.items() if not {"key_fields", "metrics", "counters"} <= set(record)]
    if short:
        raise UsageError(f"{engine.root}: the record of the stage {short[0]} is too short to resume from", START_ANEW)
    fixed = ("/run/", "/expect", *(pointer("stages", name) + "/" for name in finished))
    found = [f"{dotted(where)} {values}" for where, values in changed if where.startswith(fixed)]
    for step in [] if found else steps:  # what follows from the config is said already
        if step.name in finished:
            # What comes from outside of the run; whether an output of a stage changed is seen when its turn has come.
            outside = {name: ref for name, ref in step.inputs.items() if ref.partition(".")[0] not in engine.order}
            given = inputs(engine, replace(step, inputs=outside))
            fields, before = (
                key.fields(engine.pack, step, engine.config.data["run"], given, engine.redactor),
                finished[step.name],
            )
            inner = {f"inputs.{name}" for name in step.inputs if name not in outside}
            old = {name: value for name, value in before["key_fields"].items() if name not in inner}
            found += [f"stage {step.name}: {words}" for words in key.differences(old, fields)]
    if found:
        raise UsageError(
            "\n  ".join([f"{engine.root}: cannot be resumed: this changed since it began:", *found]), START_ANEW
        )
