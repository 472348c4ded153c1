"""A callback for the trainers of transformers and sentence-transformers, that tells a recorder what they do."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit.finding import UsageError
from sealkit.recorder import Recorder

if TYPE_CHECKING:
    from transformers import TrainerCallback

# How fast it went, and what the last log of a training sums up, belong to no step.
_SPEED = ("_runtime", "_per_second", "total_flos", "train_loss", "epoch")

_MEASURES = {"ndcg": "nDCG", "mrr": "RR", "recall": "R", "precision": "P", "accuracy": "Success"}
_RETRIEVAL = re.compile(rf"(?:(.+)_)?cosine_({'|'.join(_MEASURES)})@([1-9][0-9]*)")


def callback(run: Recorder, base: str | None = None) -> TrainerCallback:
    """What a trainer logs goes to the history, each checkpoint that it saves and the best one are bound by their digests, and its
    arguments, seed and device are kept: `trainer.add_callback(sealkit.callback(run))`.

    `base` names the model before training (a folder, `package:NAME`, a name on the Hub); without it the model says itself
    where it was loaded from, and where that cannot be found the base stays unknown.
    """
    from transformers import TrainerCallback

    class Record(TrainerCallback):  # type: ignore[misc]
        """Between the first and the last step alone: what is evaluated before or after has no step of its own."""

        training = False

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            self.training = True
            # What is None the trainer settles itself, as the seed of the data from the seed.
            arguments = {name: value for name, value in args.to_dict().items() if value is not None}
            run.trainer(arguments, seed=int(args.seed), device=str(args.device))
            if base is not None:
                run.model(base, role="base")
            elif name := _loaded_from(model):
                with contextlib.suppress(UsageError):
                    run.model(name, role="base")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if self.training:
                run.history(dict(_values(logs or {})), step=state.global_step, epoch=state.epoch)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            if self.training and folder.is_dir():
                run.model(folder, role="step", step=state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.training = False
            losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
            if losses:
                run.metrics({"train/loss": losses[-1]})
            if state.best_model_checkpoint and Path(state.best_model_checkpoint).is_dir():
                step = int(state.best_global_step)
                run.model(state.best_model_checkpoint, role="best", step=step, selection=_selection(args, state))

    return Record()


def _loaded_from(model: Any) -> str | None:
    """The place or name that a model was loaded from, as its config has it."""
    config = getattr(getattr(model, "transformers_model", model), "config", None)
    return str(getattr(config, "_name_or_path", "")) or None


def _values(logs: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What a trainer logged, by the keys of a history: `loss` is `train/loss`, `eval_loss` is `eval/loss`.

    A norm that overflowed is usual where losses are scaled, and no number to keep; a loss that is none is told.
    """
    for key, value in logs.items():
        if isinstance(value, bool | str) or value is None or key.endswith(_SPEED):
            continue
        if key == "grad_norm" and not math.isfinite(float(value)):
            continue
        yield _evaluated(key.removeprefix("eval_")) if key.startswith("eval_") else f"train/{key}", float(value)


def _evaluated(name: str) -> str:
    """The key of something that was evaluated: what sentence-transformers' retrieval evaluator calls `dev_cosine_ndcg@10` is
    `retrieval/dev/nDCG@10`. Its `map` divides by another number than AP does, and keeps its own name like all the rest.
    """
    if (match := _RETRIEVAL.fullmatch(name)) is None:
        return f"eval/{name}"
    return f"retrieval/{match[1] or 'eval'}/{_MEASURES[match[2]]}@{match[3]}"


def _selection(args: Any, state: Any) -> dict[str, Any]:
    return {
        "metric": _evaluated(str(args.metric_for_best_model).removeprefix("eval_")),
        "direction": "higher" if args.greater_is_better else "lower",
        "step": int(state.best_global_step),
        "value": float(state.best_metric),
    }
