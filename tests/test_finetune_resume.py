"""A training that is cut off goes on from its last complete checkpoint, to the same bytes as one that nobody disturbed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest
from sealkit.stage import Context, Input
from tests.test_stages import a_model, context, corpus, rows, run

PARAMS = {"epochs": 3, "batch_size": 8, "learning_rate": 2e-3, "evaluations": 4, "max_seq_length": 32}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the stage runs after it."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Input]:
    pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    folder = tmp_path_factory.mktemp("resume")
    base = tiny_model(folder / "tiny", seed=1)
    return {"base": a_model(base), **corpus(folder, "train", 26, 0), **corpus(folder, "dev", 8, 100)}


@pytest.fixture(scope="module")
def undisturbed(inputs: dict[str, Input], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run("retrieval.finetune", inputs, PARAMS, folder / "out", context(folder))
    return found(folder / "out")


def found(out: Path) -> tuple[Any, dict[str, str]]:
    return rows(out / "metric_history.jsonl"), {f.name: digest.tree(f) for f in sorted((out / "model").iterdir())}


def cut_off(inputs: dict[str, Input], ctx: Context, folder: Path, step: int) -> None:
    """Train until a step begins to be told of, and no further."""

    def report(what: str, done: int, total: int) -> None:
        if what == "training" and done == step:
            raise Killed

    ctx.report = report
    with pytest.raises(Killed):
        run("retrieval.finetune", inputs, PARAMS, folder, ctx)
    ctx.report = lambda what, done, total: None
    ctx.metrics.clear()


@pytest.mark.parametrize("step", [1, 4, 6, 10, 12])
def test_a_training_that_was_cut_off_ends_as_if_it_was_not(
    inputs: dict[str, Input], undisturbed: Any, tmp_path: Path, step: int
) -> None:
    ctx, told = context(tmp_path), list[str]()
    ctx.say = told.append
    cut_off(inputs, ctx, tmp_path / "first", step)
    run("retrieval.finetune", inputs, PARAMS, tmp_path / "second", ctx)
    assert found(tmp_path / "second") == undisturbed
    last = max((s for s in (3, 6, 9) if s < step), default=None)
    assert told == ([f"goes on from checkpoint-{last}"] if last else [])


def test_cut_off_twice(inputs: dict[str, Input], undisturbed: Any, tmp_path: Path) -> None:
    ctx = context(tmp_path)
    cut_off(inputs, ctx, tmp_path / "first", 5)
    cut_off(inputs, ctx, tmp_path / "second", 8)
    run("retrieval.finetune", inputs, PARAMS, tmp_path / "third", ctx)
    assert found(tmp_path / "third") == undisturbed


def test_a_training_that_was_done_is_not_trained_again(
    inputs: dict[str, Input], undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sealkit.stages.retrieval import _training

    ctx = context(tmp_path)
    run("retrieval.finetune", inputs, PARAMS, tmp_path / "first", ctx)
    monkeypatch.setattr(_training, "_loss", None)
    run("retrieval.finetune", inputs, PARAMS, tmp_path / "second", ctx)
    assert found(tmp_path / "second") == undisturbed


@pytest.mark.parametrize("torn", ["weights.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"])
def test_a_torn_checkpoint_is_never_used(inputs: dict[str, Input], undisturbed: Any, tmp_path: Path, torn: str) -> None:
    ctx, told = context(tmp_path), list[str]()
    ctx.say = told.append
    cut_off(inputs, ctx, tmp_path / "first", 8)
    file = ctx.scratch / "checkpoint-6" / torn
    file.write_bytes(file.read_bytes()[:-1])
    run("retrieval.finetune", inputs, PARAMS, tmp_path / "second", ctx)
    assert told == []
    assert found(tmp_path / "second") == undisturbed


def test_a_checkpoint_that_is_not_named_complete_is_never_used(
    inputs: dict[str, Input], undisturbed: Any, tmp_path: Path
) -> None:
    ctx, told = context(tmp_path), list[str]()
    ctx.say = told.append
    cut_off(inputs, ctx, tmp_path / "first", 5)
    shutil.copytree(ctx.scratch / "checkpoint-3", ctx.scratch / "checkpoint-4")
    shutil.copytree(ctx.scratch / "steps" / "step_3", ctx.scratch / "steps" / "step_4")
    run("retrieval.finetune", inputs, PARAMS, tmp_path / "second", ctx)
    assert told == ["goes on from checkpoint-3"]
    assert found(tmp_path / "second") == undisturbed


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise AssertionError('what a checkpoint holds was run')",))


@pytest.mark.parametrize("file", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_what_a_checkpoint_holds_is_never_run(inputs: dict[str, Input], tmp_path: Path, file: str) -> None:
    import torch

    ctx = context(tmp_path)
    cut_off(inputs, ctx, tmp_path / "first", 5)
    torch.save(Payload(), ctx.scratch / "checkpoint-3" / file)
    marker = ctx.scratch / "complete.json"
    document = json.loads(marker.read_text())
    document["files"][f"checkpoint-3/{file}"] = (ctx.scratch / "checkpoint-3" / file).stat().st_size
    marker.write_text(json.dumps(document))
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        run("retrieval.finetune", inputs, PARAMS, tmp_path / "second", ctx)


def test_no_pickled_settings_and_no_old_checkpoints_are_kept(inputs: dict[str, Input], tmp_path: Path) -> None:
    ctx = context(tmp_path)
    cut_off(inputs, ctx, tmp_path / "first", 8)
    assert sorted(p.name for p in ctx.scratch.iterdir()) == ["checkpoint-6", "complete.json", "steps"]
    kept = {path.name for path in (ctx.scratch / "checkpoint-6").iterdir()}
    assert kept == {"optimizer.pt", "rng_state.pth", "scheduler.pt", "trainer_state.json", "weights.safetensors"}
