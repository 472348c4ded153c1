"""A training epoch by epoch: search through the guard, train on what was found, judge on the validation part, note all of it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from sealkit import memory
from sealkit.finding import Finding, Location, Refused, Severity, pointer
from sealkit.stage import Context, Input
from sealkit.stages.genotype import _epochs, _indexes, _space
from sealkit.stages.genotype._epochs import Examples, Optimising
from sealkit.stages.genotype._haplotypes import Data
from sealkit.stages.genotype._indexes import Found
from sealkit.stages.genotype._masks import Mask
from sealkit.stages.genotype._network import Architecture
from sealkit.stages.genotype._progress import Progress
from sealkit.stages.genotype._space import Diverged, Space

SELECTED_BY = "genotype/validation/F1"


class Settings(Architecture, Optimising):
    """`space`: `token` searches the input `index`; `embedding` indexes the references by the network itself, and declares `invariant` of that
    index what genotype.index declares. `refresh_every`: after so many epochs they are encoded again; an index that is older than the
    network is refused, so that more than 1 comes to an end at the first search. `max_memory_mib`: what the process may take; more is
    refused at the end of an epoch."""

    space: Literal["token", "embedding"] = "token"
    invariant: dict[str, str] = Field(default={})
    refresh_every: int = Field(default=1, ge=1)
    max_memory_mib: int = Field(default=4096, ge=1)

    @model_validator(mode="after")
    def _invariant_of_its_own_index(self) -> Settings:
        if self.space == "token" and self.invariant:
            raise ValueError("in token space the index that is searched says itself what is invariant: leave it out")
        return self


@dataclass
class Training:
    """One training while it goes on."""

    inputs: Mapping[str, Input]
    params: Settings
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
        values = _epochs.train(
            self.model,
            optimiser,
            examples,
            self.data,
            self.minor,
            self.params,
            self.params.retrieval_weight if self.params.space == "embedding" else 0,
            self.ctx.seed * 100_003 + number,
            lambda done, total: self.ctx.progress(f"epoch {number}", done, total),
        )
        if lost := [name for name, value in values.items() if not math.isfinite(value)]:
            raise self._diverged(number, f"{lost[0]} is {values[lost[0]]}")
        try:
            judged = _epochs.f1(self.model, self._examples("validation", number), self.data, self.minor)
        except Diverged as error:
            raise self._diverged(number, str(error)) from None
        self._note(number, len(examples), {**values, SELECTED_BY: judged})
        seconds = time.perf_counter() - began
        self.progress.finished(number, judged, seconds)
        loss, trained = values["train/loss"], values["genotype/train/F1"]
        recall = [row["recall"] for row in self.progress.searches[-2:]]
        self.ctx.say(
            f"epoch {number}: loss {loss:.4f}, F1 {trained:.4f} in training, {judged:.4f} in validation, "
            f"recall@{self.params.neighbours} {recall[0]:.3f} and {recall[1]:.3f}, {seconds:.1f} s"
        )
        self._hold_memory()

    def _diverged(self, epoch: int, what: str) -> Refused:
        message = f"epoch {epoch}: {what}: the training has diverged at the learning rate {self.params.learning_rate:g}"
        fix = f"lower it: stages.{self.ctx.stage}.with.learning_rate"
        return Refused([Finding(message, self._setting("learning_rate"), Severity.ERROR, fix=fix)])

    def _hold_memory(self) -> None:
        peak, most = memory.peak_mib(), self.params.max_memory_mib
        if peak > most:
            at = self._setting("max_memory_mib")
            fix = "lower batch_size, dimension or neighbours, or raise max_memory_mib"
            message = f"training took {peak:.0f} MiB, max_memory_mib is {most}"
            raise Refused([Finding(message, at, Severity.ERROR, fix=fix)])

    def _setting(self, name: str) -> Location:
        return Location("resolved_config.json", pointer=pointer("config", "stages", self.ctx.stage, "with", name))

    def _examples(self, part: str, epoch: int) -> Examples:
        """The windows of a part, masked for this epoch, with what is retrieved for each; the search goes into its history."""
        space, seconds, encoded = self._space(part, epoch)
        root = self.inputs["index"].path if self.params.space == "token" else self._built(self.progress.indexed)
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
        message, fix = finding.message, finding.fix
        done = _trained(part, epoch)
        if self.params.space == "embedding" and self.progress.indexed != done:
            built = (
                f"the index is of the network after {self.progress.indexed} epochs, the queries of that after {done}"
            )
            message, fix = f"{built}; {message}", f"stages.{self.ctx.stage}.with.refresh_every=1"
        return replace(finding, message=f"{part}, epoch {epoch}: {message}", fix=fix)

    def _space(self, part: str, epoch: int) -> tuple[Space, tuple[float, float], int]:
        """The space of the queries, and what it took to build the indexes again: seconds of building and describing, references.

        In embedding space the index that validation searched is that of the next epoch: nothing was trained in between.
        """
        if self.params.space == "token":
            return _space.TokenSpace(self.data), (0.0, 0.0), 0
        space, done = _space.embedding(self.data, self.model), _trained(part, epoch)
        before = self.progress.indexed
        if before == done or (before is not None and done % self.params.refresh_every):
            return space, (0.0, 0.0), 0
        seconds = _indexes.rebuild(self._built(done), self.data, space, self.params.invariant)
        self.progress.indexed = done
        return space, seconds, len(self.data.parts["reference"].ids)

    def _built(self, done: int | None) -> Path:
        """Where the indexes by the network lie as it was after so many epochs."""
        return self.progress.indexes / f"after_{done}"

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


def _trained(part: str, epoch: int) -> int:
    """For how many epochs the network has been trained when a part is searched for."""
    return epoch - (part == "train")
