"""The training of a sentence encoder, with checkpoints in a folder that outlives a crash.

What it leaves there: `steps/step_N`, the model of each evaluated step; `checkpoint-N`, all that training needs to go on from
there; and `complete.json`, written last, which names the checkpoint, its files, and the history so far. What that file does not
name is taken for torn and never used. Nothing there is unpickled: weights are safetensors, and the Trainer of transformers 5 loads
the states of optimizer, schedule and random numbers with `weights_only`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from sealkit.stage import Context, Params
from sealkit.stages.common.encoder import Encoder

COMPLETE, WEIGHTS = "complete.json", "weights.safetensors"
TEMPERATURE = 0.05
TRIPLET_MARGIN = 0.2  # of cosine distance


class Training(Params):
    """`loss`: mnr is InfoNCE over the batch (Oord et al. 2018; Henderson et al. 2017) with `temperature` (0.05 where it says
    nothing), and takes mined negatives besides; triplet is the triplet loss by cosine distance, of mined negatives alone."""

    loss: Literal["mnr", "triplet"] = "mnr"
    hard_negatives: bool = False
    temperature: float | None = Field(default=None, gt=0)
    epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    evaluations: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _loss_has_what_it_needs(self) -> Training:
        if self.loss == "triplet" and not self.hard_negatives:
            raise ValueError("the loss triplet needs hard_negatives: true")
        if self.loss == "triplet" and self.temperature is not None:
            raise ValueError("the loss triplet has no temperature")
        return self

    @property
    def effective_temperature(self) -> float | None:
        return None if self.loss == "triplet" else self.temperature or TEMPERATURE


@dataclass
class Progress:
    """What is done of a training: its history, and the checkpoint to go on from (None: from the beginning)."""

    folder: Path
    checkpoint: Path | None = None
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps(self) -> Path:
        return self.folder / "steps"

    def keep(self, step: int, finished: bool) -> None:
        """Name the checkpoint of a step as the last complete one, and drop those before it."""
        checkpoint = self.folder / f"checkpoint-{step}"
        kept = [checkpoint, *(self.steps / f"step_{n}" for n in sorted({*self._steps(), step}))]
        files = {f.relative_to(self.folder).as_posix(): f.stat().st_size for k in kept for f in _files(k)}
        for name in files:
            _sync(self.folder / name)
        document = {"step": step, "finished": finished, "files": files, "history": self.history}
        partial = self.folder / f"{COMPLETE}.partial"
        partial.write_text(json.dumps(document), "utf-8")
        _sync(partial)
        os.replace(partial, self.folder / COMPLETE)
        for old in self.folder.glob("checkpoint-*"):
            if old != checkpoint:
                shutil.rmtree(old)

    def _steps(self) -> list[int]:
        return [int(folder.name.removeprefix("step_")) for folder in self.steps.glob("step_*")]


def resumed(folder: Path) -> Progress:
    """What a folder holds of a training that was cut off; what is torn is removed from it, and so is all where nothing is whole."""
    try:
        document = json.loads((folder / COMPLETE).read_text("utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in document["files"].items())
    except (OSError, ValueError, KeyError):
        whole = False
    kept = {part for name in document["files"] for part in Path(name).parents} if whole else set()
    for found in (*folder.glob("*"), *(folder / "steps").glob("*")):
        if found.relative_to(folder) not in kept and not (whole and found.name == COMPLETE):
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    if not whole:
        return Progress(folder)
    return Progress(
        folder, folder / f"checkpoint-{int(document['step'])}", bool(document["finished"]), document["history"]
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def train(
    model: Encoder,
    columns: Mapping[str, list[str]],
    score: Callable[[Encoder], float],
    key: str,
    params: Training,
    progress: Progress,
    ctx: Context,
) -> None:
    """Train in place from `columns` (anchor, positive, negative_1, …: texts of equal number), and go on where `progress` ends.

    After each of `evaluations` steps, spread evenly, `score(model)` goes into the history under `key`, the model into
    `progress.steps`, and a checkpoint is kept.
    """
    from datasets import Dataset, disable_progress_bars
    from safetensors.torch import load_model, save_model
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    if progress.finished:
        return
    disable_progress_bars()
    model.model.model_card_data.widget = [{}]  # else examples for a model card are drawn, from the seeded stream

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            total = state.max_steps
            self.evaluate_at = {max(1, round(total * i / params.evaluations)) for i in range(1, params.evaluations + 1)}

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                progress.history.append(_row(state, "train/loss", float(logs["loss"])))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ctx.progress("training", state.global_step, state.max_steps)
            if state.global_step in self.evaluate_at:
                progress.history.append(_row(state, key, _undisturbed(score, model)))
                folder = progress.steps / f"step_{state.global_step}"
                model.model.save_pretrained(str(folder), create_model_card=False)
                # Logged as well: a loss that is summed up over a checkpoint would be lost with the process.
                control.should_log = control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress.keep(state.global_step, state.global_step == max(self.evaluate_at))

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
        """Keeps the weights of a checkpoint as one safetensors file, in place of a model that would be loaded by its modules."""

        def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
            Path(str(output_dir)).mkdir(parents=True, exist_ok=True)
            save_model(self.model, str(Path(str(output_dir)) / WEIGHTS))

        def _load_from_checkpoint(self, checkpoint_path: str) -> None:
            load_model(self.model, str(Path(checkpoint_path) / WEIGHTS))

    count = len(columns["anchor"])
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(progress.folder),
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        warmup_steps=params.warmup_ratio,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        seed=ctx.seed,
        data_seed=ctx.seed,
        use_cpu=str(model.model.device) == "cpu",
        save_strategy="no",
        eval_strategy="no",
        logging_steps=max(1, count * params.epochs // params.batch_size // 20),
        prompts={name: model.prompt("query" if name == "anchor" else "document") for name in columns},
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model.model,
        args=arguments,
        train_dataset=Dataset.from_dict(dict(columns)),
        loss=_loss(model, params),
        callbacks=[Watch()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.train(resume_from_checkpoint=str(progress.checkpoint) if progress.checkpoint else None)


def _loss(model: Encoder, params: Training) -> Any:
    from sentence_transformers.sentence_transformer import losses

    if params.loss == "triplet":
        metric = losses.TripletDistanceMetric.COSINE
        return losses.TripletLoss(model.model, distance_metric=metric, triplet_margin=TRIPLET_MARGIN)
    return losses.MultipleNegativesRankingLoss(model.model, scale=1 / (params.effective_temperature or TEMPERATURE))


def _undisturbed(score: Callable[[Encoder], float], model: Encoder) -> float:
    """The score, taken without drawing random numbers of the training's stream, whatever the model does."""
    import torch

    with torch.random.fork_rng(devices=[]):
        model.model.eval()
        value = score(model)
        model.model.train()
    return value


def _row(state: Any, key: str, value: float) -> dict[str, Any]:
    return {"step": int(state.global_step), "epoch": round(float(state.epoch), 6), "key": key, "value": value}
