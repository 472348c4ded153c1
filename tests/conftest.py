"""Fixtures that more than one test module needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from sealkit.pipeline import Result

# Machines are noisy: what must not take long says so itself. The gate draws the same examples every time.
settings.register_profile("sealkit", deadline=None, derandomize=True)
settings.load_profile("sealkit")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def sealkit_data() -> Path:
    """Real data, kept outside the repository: $SEALKIT_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("SEALKIT_DATA") or ROOT / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set SEALKIT_DATA to the folder that holds it")
    return folder


class Workspace:
    """A repository with one commit as current directory, and runs of the shipped configs with a tiny model in it."""

    def __init__(self, folder: Path) -> None:
        from tests.tiny import tiny_model

        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.model = tiny_model(folder / "tiny", seed=1)
        (folder / ".gitignore").write_text("*\n")
        for command in (["init", "-q"], ["add", "-f", ".gitignore"], ["commit", "-q", "-m", "start"]):
            subprocess.run([*GIT, *command], cwd=folder, check=True)

    def run(self, config: str, *overrides: str, command: tuple[str, ...] = ("toolkit", "run")) -> Result:
        """Run one of the shipped configs on 24 documents a split, in this workspace."""
        from sealkit import pipeline

        given = [f"model.base={self.model}", "run.limit=24", f"run.output_dir={self.folder}/outputs", *overrides]
        if config == "retriever_ft":
            given += ["stages.train.with.epochs=1", "stages.train.with.batch_size=8"]
        with contextlib.chdir(self.folder):
            return pipeline.run(ROOT / "configs" / f"{config}.yaml", given, list(command))


GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two finished runs, `base` and `ft_mnr`. Read only: tests copy what they change."""
    pytest.importorskip("sentence_transformers")
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    for config in ("retriever_base", "retriever_ft"):
        result = workspace.run(config)
        assert (result.exit_code, result.error) == (0, None)
    return workspace


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Path:
    """A workspace of the test's own, with both runs and the exported model;"""
    folder = tmp_path / "workspace"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return folder
