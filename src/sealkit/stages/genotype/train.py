"""Trains the masked-genotype transformer on retrieved haplotypes, epoch by epoch; validation F1 chooses the best epoch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from sealkit.finding import Finding, Location, Refused, Severity
from sealkit.stage import Context, Input, Out, Stage
from sealkit.stages.genotype import _epochs, _haplotypes, _indexes, _network, _space
from sealkit.stages.genotype._epochs import Examples, Optimising
from sealkit.stages.genotype._haplotypes import Data, Mask
from sealkit.stages.genotype._indexes import Found
from sealkit.stages.genotype._network import Architecture
from sealkit.stages.genotype._progress import Progress, resumed
from sealkit.stages.genotype._scores import minor_alleles
from sealkit.stages.genotype._space import Space

SELECTED_BY = "genotype/validation/F1"


class Train(Architecture, Optimising):
    """`space`: `token` searches the input `index`; `embedding` indexes the references by the network itself, again after every
    `refresh_every` epochs, and an index that is older than the network is refused. `invariant` as in genotype.index.
    Training ends after `epochs`, or `patience` epochs without a better validation F1. `max_memory_mib` bounds the memory of the process."""

    space: Literal["token", "embedding"] = "token"
    invariant: dict[str, str] = Field(default={})
    epochs: int = Field(default=6, ge=1)
    patience: int = Field(default=3, ge=1)
    refresh_every: int = Field(default=1, ge=1)
    max_memory_mib: int = Field(default=4096, ge=1)


def needs(params: Train) -> set[str]:
    return {"index"} if params.space == "token" else set()


def run(inputs: Mapping[str, Input], params: Train, out: Out, ctx: Context) -> None:
    import torch

    data = _haplotypes.load(inputs, "reference", "train", "validation")
    masks = {part: _haplotypes.of_mask(inputs[f"{part}_mask"], data.windows) for part in ("train", "validation")}
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
    training = _Training(
        inputs, params, ctx, data, masks, {part: why for part, why in waived.items() if why}, minor, model, progress
    )
    while progress.epoch < params.epochs and progress.epoch - progress.best_epoch < params.patience:
        training.epoch(optimiser)
        progress.keep(model, optimiser, architecture)
    if progress.epoch < params.epochs:
        ctx.say(f"stopped after epoch {progress.epoch}: no better {SELECTED_BY} since epoch {progress.best_epoch}")
    _write(progress, out, ctx)
    ctx.metrics["train/loss"] = next(row["value"] for row in reversed(progress.history) if row["key"] == "train/loss")
    ctx.counters |= {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "windows": len(data.windows),
        **{f"{part}_haplotypes": len(found.ids) for part, found in data.parts.items()},
        "peak_memory_mib": round(_epochs.peak_memory_mib()),
    }
    ctx.facts |= {"selected_by": SELECTED_BY, "seconds_per_epoch": round(progress.seconds / progress.epoch, 3)}


@dataclass
class _Training:
    """One training while it goes on."""

    inputs: Mapping[str, Input]
    params: Train
    ctx: Context
    data: Data
    masks: Mapping[str, Mask]
    waived: Mapping[str, str]
    minor: Any
    model: Any
    progress: Progress

    def epoch(self, optimiser: Any) -> None:
        """Search, train, search again for the validation part, and note all of it. Raises Refused."""
        number, began = self.progress.epoch + 1, time.perf_counter()
        examples = self._examples("train", number)
        loss, train_f1 = _epochs.train(
            self.model, optimiser, examples, self.data, self.minor, self.params, self.ctx.seed * 100_003 + number,
            lambda done, total: self.ctx.progress(f"epoch {number}", done, total),
        )  # fmt: skip
        found = _epochs.f1(self.model, self._examples("validation", number), self.data, self.minor)
        self._note(number, len(examples), {"train/loss": loss, "genotype/train/F1": train_f1, SELECTED_BY: found})
        seconds = time.perf_counter() - began
        self.progress.finished(number, found, seconds)
        self.ctx.say(
            f"epoch {number}: loss {loss:.4f}, F1 {train_f1:.4f} in training, {found:.4f} in validation, {seconds:.1f} s"
        )
        peak = _epochs.peak_memory_mib()
        if peak > self.params.max_memory_mib:
            message = f"training took {peak:.0f} MiB, max_memory_mib is {self.params.max_memory_mib}"
            fix = "lower batch_size, dimension or neighbours, or raise max_memory_mib"
            raise Refused([Finding(message, Location("resolved_config.json", pointer=f"/config/stages/{self.ctx.stage}/with/max_memory_mib"), Severity.ERROR, fix=fix)])  # fmt: skip

    def _examples(self, part: str, epoch: int) -> Examples:
        """The windows of a part, masked for this epoch, with what is retrieved for each; the search goes into its history."""
        space, seconds, encoded = self._space(part, epoch)
        root = self.inputs["index"].path if self.params.space == "token" else self.ctx.scratch / "index"
        reason = self.waived.get(part)
        waived = {"mask": reason} if reason else {}
        try:
            found = _indexes.search(
                root, self.data, space, part, self.masks[part], epoch, self.params.neighbours, waived
            )
        except Refused as refused:
            raise Refused([self._told(finding, part, epoch) for finding in refused.findings]) from None
        self.progress.searches.append(self._search_row(part, epoch, space, found, seconds, encoded))
        return _epochs.examples(self.data, part, self.masks[part], epoch, found)

    def _told(self, finding: Finding, part: str, epoch: int) -> Finding:
        """What the guard said, with the search that it stopped; of an index that is older than the network, how old both are."""
        message, fix = f"{part}, epoch {epoch}: {finding.message}", finding.fix
        done = self._trained(part, epoch)
        if self.params.space == "embedding" and self.progress.indexed != done:
            built = (
                f"the index is of the network after {self.progress.indexed} epochs, the queries of that after {done}"
            )
            message, fix = f"{part}, epoch {epoch}: {built}; {finding.message}", "refresh_every: 1"
        return replace(finding, message=message, fix=fix)

    def _trained(self, part: str, epoch: int) -> int:
        """For how many epochs the network has been trained when a part is searched for."""
        return epoch - (part == "train")

    def _space(self, part: str, epoch: int) -> tuple[Space, tuple[float, float], int]:
        """The space of the queries, and what it took to build the indexes again: seconds of building and describing, references.

        In embedding space the index that validation searched is that of the next epoch: nothing was trained in between.
        """
        if self.params.space == "token":
            return _space.TokenSpace(self.data), (0.0, 0.0), 0
        space, root = _space.embedding(self.data, self.model), self.ctx.scratch / "index"
        done = self._trained(part, epoch)
        if self.progress.indexed == done or (done % self.params.refresh_every and root.exists()):
            return space, (0.0, 0.0), 0
        seconds = _indexes.rebuild(root, self.data, space, self.params.invariant)
        self.progress.indexed = done
        return space, seconds, len(self.data.parts["reference"].ids)

    def _search_row(
        self, part: str, epoch: int, space: Space, found: Found, seconds: tuple[float, float], encoded: int
    ) -> dict[str, Any]:
        told = found.opened[0].manifest["fingerprint"]
        return {
            "epoch": epoch,
            "part": part,
            "indexes": len(self.data.windows),
            "references": len(self.data.parts["reference"].ids),
            "queries": len(self.data.parts[part].ids) * len(self.data.windows),
            "k": self.params.neighbours,
            "index_encoder": told["encoder"]["weights"],
            "query_encoder": space.encoder,
            "index_mask": told["mask"]["content"],
            "query_mask": self.masks[part].group(epoch)["content"],
            "waived": found.waived,
            "encoded": encoded,
            "recall": found.recall,
            "seconds_index": round(seconds[0], 4),
            "seconds_guard": round(found.seconds_guard + seconds[1], 4),
            "seconds_search": round(found.seconds_search, 4),
        }

    def _note(self, epoch: int, examples: int, values: Mapping[str, float]) -> None:
        step = epoch * -(-examples // self.params.batch_size)
        self.progress.history += [
            {"step": step, "epoch": epoch, "key": key, "value": value} for key, value in values.items()
        ]


def _write(progress: Progress, out: Out, ctx: Context) -> None:
    """The best network as the model, that of every epoch as a checkpoint, and both histories."""
    evaluated = [row for row in progress.history if row["key"] == SELECTED_BY]
    best = next(row for row in evaluated if row["epoch"] == progress.best_epoch)
    selection = {"metric": SELECTED_BY, "direction": "higher", "step": best["step"], "value": best["value"]}
    training = {
        "run_id": ctx.run_id,
        "commit": ctx.commit,
        "loss": "binary cross-entropy",
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
)
