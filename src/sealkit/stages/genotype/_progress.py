"""How far a training came: kept after every epoch, so that one that was cut off goes on after its last complete one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealkit.stages.genotype import _network

STATE, SAID, STEPS, INDEXES = "state.safetensors", "progress.json", "steps", "indexes"


@dataclass
class Progress:
    """`epoch` is the last complete one, 0 before the first; `steps` holds the network of every complete epoch. `indexed`: for how many epochs
    the network had been trained when the references were encoded last. `seconds` are those of all epochs together."""

    folder: Path
    epoch: int = 0
    best_epoch: int = 0
    best_value: float = -1.0
    seconds: float = 0.0
    indexed: int | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    searches: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps(self) -> Path:
        return self.folder / STEPS

    @property
    def indexes(self) -> Path:
        return self.folder / INDEXES

    def finished(self, epoch: int, value: float, seconds: float) -> None:
        """An epoch is over; at an equal value the earlier one stays the best."""
        self.epoch = epoch
        self.seconds += seconds
        if value > self.best_value:
            self.best_value, self.best_epoch = value, epoch

    def keep(self, model: Any, optimiser: Any, architecture: Mapping[str, Any]) -> None:
        """Write everything that going on needs; the one before is removed when it is whole."""
        from safetensors.torch import save_file

        _network.save(model, architecture, self.steps / f"epoch_{self.epoch}")

        partial, final = self.folder / "partial", self.folder / f"epoch_{self.epoch:04}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(_state(model, optimiser), str(partial / STATE))
        names = ("epoch", "best_epoch", "best_value", "seconds", "indexed", "history", "searches")
        (partial / SAID).write_text(json.dumps({name: getattr(self, name) for name in names}), "utf-8")
        for path in [*partial.iterdir(), *self.steps.rglob(f"epoch_{self.epoch}/*")]:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        os.rename(partial, final)
        newest = self.indexes / f"after_{self.indexed}"
        for old in (*self.folder.glob("epoch_*"), *self.indexes.glob("after_*")):
            if old not in (final, newest):
                shutil.rmtree(old)

    def restore(self, model: Any, optimiser: Any) -> None:
        """Put network and optimiser back to where they were after the last complete epoch."""
        from safetensors.torch import load_file

        found = load_file(str(self.folder / f"epoch_{self.epoch:04}" / STATE))
        model.load_state_dict(
            {name.removeprefix("model."): t for name, t in found.items() if name.startswith("model.")}
        )
        state = optimiser.state_dict()
        state["state"] = {}
        for name, tensor in found.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"].setdefault(int(number), {})[key] = tensor
        optimiser.load_state_dict(state)


def resumed(folder: Path) -> Progress:
    """What a folder holds of a training that was cut off. A folder of an epoch gets its name when it is whole."""
    kept = sorted(folder.glob("epoch_*"))
    if not kept:
        return Progress(folder)
    said = json.loads((kept[-1] / SAID).read_text("utf-8"))
    return Progress(folder, **said)


def _state(model: Any, optimiser: Any) -> dict[str, Any]:
    import torch

    found = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, values in optimiser.state_dict()["state"].items():
        found |= {f"optimiser.{number}.{key}": torch.as_tensor(value) for key, value in values.items()}
    return found
