"""Trains the masked-genotype transformer on retrieved haplotypes, epoch by epoch; validation F1 chooses the best epoch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from pydantic import Field

from sealkit import memory
from sealkit.stage import Context, Input, Out, Stage
from sealkit.stages.genotype import _epochs, _haplotypes, _masks, _network
from sealkit.stages.genotype._progress import Progress, resumed
from sealkit.stages.genotype._scores import minor_alleles
from sealkit.stages.genotype._training import SELECTED_BY, Settings, Training

LOSSES = {
    "token": "binary cross-entropy",
    "embedding": "binary cross-entropy, and Kullback-Leibler divergence of similarities",
}


class Train(Settings):
    """Training ends after `epochs`, or `patience` epochs without a better validation F1."""

    epochs: int = Field(default=6, ge=1)
    patience: int = Field(default=3, ge=1)


def needs(params: Train) -> set[str]:
    return {"index"} if params.space == "token" else set()


def metrics(params: Train) -> list[str]:
    retrieves = params.space == "embedding" and params.retrieval_weight > 0
    return ["train/loss", *(["train/retrieval_loss"] if retrieves else [])]


def run(inputs: Mapping[str, Input], params: Train, out: Out, ctx: Context) -> None:
    import torch

    data = _haplotypes.load(inputs, "reference", "train", "validation")
    masks = {part: _masks.hiding(inputs[f"{part}_mask"], data.windows) for part in ("train", "validation")}
    waived = {part: ctx.waived("mask-fits-index", f"{part}_mask") for part in masks}
    architecture = _network.described(params, data)
    torch.manual_seed(ctx.seed)
    model = _network.network(architecture)
    ctx.used_device("cpu", torch.get_num_threads())
    progress = resumed(ctx.scratch)
    optimiser = _epochs.optimiser(model, params)
    if progress.epoch:
        progress.restore(model, optimiser)
        ctx.say(f"goes on after epoch {progress.epoch}")
    minor, _ = minor_alleles(inputs["variants"].rows())
    training = Training(
        inputs, params, ctx, data, masks, {part: why for part, why in waived.items() if why}, minor, model, progress
    )
    while progress.epoch < params.epochs and progress.epoch - progress.best_epoch < params.patience:
        training.epoch(optimiser)
        progress.keep(model, optimiser, architecture)
    if progress.epoch < params.epochs:
        ctx.say(f"stopped after epoch {progress.epoch}: no better {SELECTED_BY} since epoch {progress.best_epoch}")
    _write(progress, params.space, out, ctx)
    ctx.metrics |= {row["key"]: row["value"] for row in progress.history if row["key"].startswith("train/")}
    ctx.counters |= {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "windows": len(data.windows),
        **{f"{part}_haplotypes": len(found.ids) for part, found in data.parts.items()},
        "peak_memory_mib": round(memory.peak_mib()),
    }
    ctx.facts |= {"selected_by": SELECTED_BY, "seconds_per_epoch": round(progress.seconds / progress.epoch, 3)}


def _write(progress: Progress, space: str, out: Out, ctx: Context) -> None:
    """The best network as the model, that of every epoch as a checkpoint, and both histories."""
    evaluated = [row for row in progress.history if row["key"] == SELECTED_BY]
    best = next(row for row in evaluated if row["epoch"] == progress.best_epoch)
    selection = {"metric": SELECTED_BY, "direction": "higher", "step": best["step"], "value": best["value"]}
    training = {
        "run_id": ctx.run_id,
        "commit": ctx.commit,
        "loss": LOSSES[space],
        "hard_negatives": False,
        "purpose": ctx.purpose,
        "seed": ctx.seed,
    }
    shared = {"exported_to": None, "base": None, "training": training, "selection": selection}
    for row in evaluated:
        kept, folder = progress.steps / f"epoch_{row['epoch']}", out["checkpoints"] / f"step_{row['step']}"
        shutil.copytree(kept, folder)
        out.manifest(folder, "model_manifest", {"role": "step", "step": row["step"], **shared})
    shutil.copytree(progress.steps / f"epoch_{progress.best_epoch}", out["model"], dirs_exist_ok=True)
    out.manifest(out["model"], "model_manifest", {"role": "best", "step": best["step"], **shared})
    out.rows("metric_history", progress.history)
    out.rows("search_history", progress.searches)


STAGE = Stage(
    title="Train the masked-genotype transformer",
    params=Train,
    inputs={
        "haplotypes": "haplotypes/v1",
        "variants": "variants/v1",
        "windows": "windows/v1",
        "tokens": "allele_tokens/v1",
        "train_mask": "mask/v1",
        "validation_mask": "mask/v1",
        "index?": "index_manifest/v2",
    },
    outputs={
        "model": "model_manifest/v1",
        "checkpoints": "model_manifest/v1",
        "metric_history": "metric_history/v1",
        "search_history": "search_history/v1",
    },
    run=run,
    libraries=("torch", "faiss-cpu", "safetensors", "scikit-learn"),
    needs=needs,
    metrics=metrics,
)
