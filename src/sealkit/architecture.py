"""The architecture that weights are computed with, and code of no library that takes part."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sealkit import digest

LIBRARIES = ("torch", "transformers", "sentence_transformers", "tokenizers", "peft", "optimum")


def of(model: Any) -> dict[str, Any]:
    """What the weights are computed with (activation, epsilons, positions); what only a version or a place wrote is left out."""
    config = getattr(model, "config", None)
    found: dict[str, Any] = config.to_diff_dict() if config is not None else {}
    return {
        k: v
        for k, v in found.items()
        if k not in ("transformers_version", "_name_or_path", "architectures", "use_cache")
    }


def remote_code(model: Any) -> dict[str, str | None]:
    """The digest of the code that is no library's and computes, by the names of its files; empty where it has none."""
    foreign = {type(m).__module__ for m in model.modules() if type(m).__module__.partition(".")[0] not in LIBRARIES}
    if not foreign:
        return {"remote_code": None}
    packages = {name.rpartition(".")[0] for name in foreign if name.startswith("transformers_modules.")}
    foreign |= {name for name in sys.modules if name.rpartition(".")[0] in packages}
    found = {name: getattr(sys.modules.get(name), "__file__", None) for name in foreign}
    if any(path is None for path in found.values()):
        return {}
    files = {name.rpartition(".")[2]: Path(path) for name, path in found.items() if path is not None}
    return {"remote_code": digest.listing({f"{stem}.py": digest.file(path) for stem, path in files.items()})}
