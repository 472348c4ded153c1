"""Copies rows from a file outside the run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from sealkit.stage import Context, Input, Out, Params, Stage


class File(Params):
    path: str


def run(inputs: Mapping[str, Input], params: File, out: Out, ctx: Context) -> None:
    shutil.copyfile(params.path, out["corpus"])


STAGE = Stage(
    title="Copy a file",
    params=File,
    inputs={},
    outputs={"corpus": "corpus/v1"},
    run=run,
    files=lambda params: [Path(params.path)],
)
