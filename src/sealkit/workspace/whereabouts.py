"""How the models that records name stand now: the same, changed, or not here. Each folder is hashed once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sealkit import digest
from sealkit.finding import ReadError, SealkitError
from sealkit.workspace.run import below

SAME, CHANGED, GONE, UNREADABLE = "same", "changed", "not here", "cannot be read"


def weights_in(folder: Path) -> str:
    """The digest of the weights in a folder: of the tensors, or of the files that hold them where none is a safetensors file, as
    `evidence/v1` has it. Raises ReadError where there are none, or they cannot be read."""
    try:
        return digest.weights(folder, follow=True).digest
    except ReadError:
        from sealkit.trees import observe

        held = [name for name in digest.walk(folder) if any(Path(name).match(one) for one in observe.WEIGHTS)]
        files = digest.files(folder, held, follow=True)
        if any(name.endswith(".safetensors") for name in files) or (found := observe.weights(folder, files)) is None:
            raise
        return found


@dataclass
class Whereabouts:
    """Looks names up from the workspace `root`, and from the folders that a name may begin at."""

    root: Path
    _known: dict[str, str | None] = field(default_factory=dict)

    def state(self, name: str, recorded: str, *bases: str) -> tuple[str, str | None]:
        """How what a name leads to stands to the weights that a record gives it, and the weights there now."""
        now = self.now(name, *bases)
        if now is None or now == UNREADABLE:
            return now or GONE, None
        return (SAME, None) if now == recorded else (CHANGED, now)

    def now(self, name: str, *bases: str) -> str | None:
        """The weights that a name leads to, None where it leads to nothing that is here; nothing is fetched."""
        for base in dict.fromkeys(("", *bases)):
            folder = self.root / below(base, name)
            if folder.is_dir():
                return self._hashed(os.path.realpath(folder))
        if name in self._known:
            return self._known[name]
        self._known[name] = self._elsewhere(name)
        return self._known[name]

    def _hashed(self, folder: str) -> str | None:
        if folder not in self._known:
            try:
                self._known[folder] = weights_in(Path(folder))
            except ReadError as error:
                empty = "holds no safetensors weights" in error.message
                self._known[folder] = None if empty and not any(Path(folder).iterdir()) else UNREADABLE
        return self._known[folder]

    def _elsewhere(self, name: str) -> str | None:
        """The weights of a model in a package, or in the Hub's local cache."""
        if name.startswith((".", "/", "~", "models/")):
            return None
        from sealkit import named

        try:
            return named.model(name, self.root, fetch=False).weights.digest
        except SealkitError:
            return None
