"""Exports one checkpoint to `models/<name>/<run name>` beside the runs, never over an existing one."""

from __future__ import annotations

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
    _refuse_taken(place.workspace / "models" / params.name / place.run_name)


def _refuse_taken(target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target}: a model lies there already", "choose another run.name, or move the old model away")


def run(inputs: Mapping[str, Input], params: Export, out: Out, ctx: Context) -> None:
    source = inputs["model"].path / params.which
    if not source.is_dir():
        known = ", ".join(sorted(folder.name for folder in inputs["model"].path.iterdir() if folder.is_dir()))
        raise UsageError(f"there is no checkpoint `{params.which}`", f"one of: {known}")
    import json

    place = f"models/{params.name}/{ctx.run_name}"
    target = ctx.workspace / place
    _refuse_taken(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Copied beside its place and renamed: nobody ever sees half a model under its name.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(MANIFEST))
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


STAGE = Stage(
    title="Export a checkpoint",
    params=Export,
    inputs={"model": "model_manifest/v1"},
    outputs={"model": "model_manifest/v1"},
    run=run,
    ready=ready,
)
