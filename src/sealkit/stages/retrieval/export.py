"""Exports one checkpoint to `models/<name>/<run name>` beside the runs, never over an existing one."""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from sealkit.finding import UsageError
from sealkit.stage import Context, Input, Out, Params, Ready, Stage

MANIFEST = "model_manifest.json"


class Export(Params):
    """`which`: best, final or step_N. `name`: the folder below models/. `latest`: let the link `latest` beside the model lead to it."""

    which: str = Field(default="best", pattern=r"^(best|final|step_[0-9]+)$")
    name: str = Field(default="retriever", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    latest: bool = False


def ready(params: Export, place: Ready) -> None:
    if not place.resumed:  # else it may be this run's own, which `run` tells by content
        _refuse_taken(place.models / params.name / place.run_name)


def _refuse_taken(target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target}: a model lies there already", "choose another run.name, or move the old model away")


def run(inputs: Mapping[str, Input], params: Export, out: Out, ctx: Context) -> None:
    source = inputs["model"].path / params.which
    if not source.is_dir():
        known = ", ".join(sorted(folder.name for folder in inputs["model"].path.iterdir() if folder.is_dir()))
        raise UsageError(f"there is no checkpoint `{params.which}`", f"one of: {known}")
    import json

    target = ctx.models / params.name / ctx.run_name
    inside = target.is_relative_to(ctx.workspace)
    place = target.relative_to(ctx.workspace).as_posix() if inside else str(target)
    if not _same(source, target):
        _refuse_taken(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Copied beside its place and renamed: nobody ever sees half a model under its name. What lies there under the
        # id of this run is what is left of an export that was cut off.
        partial = target.with_name(f".{ctx.run_id}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            shutil.copytree(source, partial)  # its manifest too: it tells whoever finds the model where it came from
            os.rename(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    manifest = json.loads((source / MANIFEST).read_text("utf-8"))
    out.manifest(out["model"], "model_manifest", {**manifest, "exported_to": place})
    ctx.facts |= {"exported": params.which, "place": place}
    if params.latest:
        _point(target, ctx)


def _point(target: Path, ctx: Context) -> None:
    """Let `latest` beside a model lead to it: at every moment it leads to this one or to the one before."""
    pointer = target.with_name("latest")
    partial = target.with_name(f".latest.{secrets.token_hex(4)}.partial")
    try:
        partial.symlink_to(target.name, target_is_directory=True)
        partial.replace(pointer)
    except OSError as error:  # Windows makes links for administrators alone, and a folder may stand in its place
        partial.unlink(missing_ok=True)
        ctx.say(f"{pointer} could not be made to lead to {target.name}: {error.strerror}")


def _same(source: Path, target: Path) -> bool:
    """Whether a checkpoint lies there already, file by file: as after a run that was cut off between export and record."""
    if target.is_symlink() or not target.is_dir():
        return False
    wanted, found = ({p.relative_to(folder) for p in folder.rglob("*")} for folder in (source, target))
    pairs = [(source / name, target / name) for name in wanted]
    return wanted == found and all(
        old.is_dir() == new.is_dir() and (old.is_dir() or filecmp.cmp(old, new, shallow=False)) for old, new in pairs
    )


STAGE = Stage(
    title="Export a checkpoint",
    params=Export,
    inputs={"model": "model_manifest/v1"},
    outputs={"model": "model_manifest/v1"},
    run=run,
    ready=ready,
    cache=False,  # what it writes lies outside the run
)
