"""The models and files outside of a run that a config names, found and digested.

Nothing here runs what it finds; packages are located by their metadata, without importing them.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sealkit import digest, licences
from sealkit.finding import ReadError, UsageError
from sealkit.read import json

MANIFEST = "model_manifest.json"  # about a model, and no part of it


@dataclass(frozen=True)
class Model:
    """A named model where it was found. `name` is what the config says, `path` where that leads here and now.

    `purpose` is what the run that trained it was for, where a manifest in its folder says so.
    `mutable`: the name is a pointer that may lead elsewhere tomorrow (`latest`, a link, a name on the Hub); `resolved` is then
    the name to write in its place, where there is one.
    """

    name: str
    source: str
    path: Path
    tree: str
    weights: digest.Weights
    licence: str | None = None
    purpose: str | None = None
    mutable: bool = False
    resolved: str | None = None

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "source": self.source,
            "tree": self.tree,
            "weights": self.weights.digest,
            "tensors": self.weights.tensors,
            "excluded": list(self.weights.excluded),
            "licence": self.licence,
            "purpose": self.purpose,
            **({"mutable": True, "resolved": self.resolved} if self.mutable else {}),
        }


@dataclass(frozen=True)
class Files:
    """A file or folder that the config names, where it was found: its digest, or that of its tree."""

    name: str
    path: Path
    digest: str

    def document(self) -> dict[str, object]:
        return {"name": self.name, "digest": self.digest}


def model(name: str, base: Path | None = None, *, fetch: bool = True) -> Model:
    """Find a model and take its digests: `package:NAME`, a folder (relative to `base`), or a name on the Hub.

    With `fetch` off only the Hub's local cache is looked at. Raises UsageError where it is not here and cannot be fetched, or holds no safetensors weights.
    """
    source, path = _locate(name, base or Path.cwd(), fetch)
    try:
        tree, weights = digest.tree(path, without=[MANIFEST], follow=True), digest.weights(path, follow=True)
        pointer = _pointer(name, source, path, base or Path.cwd())
    except ReadError as error:
        raise UsageError(f"model {name}: {error.at} {error.message}", error.fix) from error
    licence = licences.of_folder(path)
    if licence is None and source == "package":
        licence = licences.of_package(name.removeprefix("package:"))
    return Model(name, source, path, tree, weights, licence, _purpose(path), *pointer)


def _purpose(folder: Path) -> str | None:
    """What the run that trained a model was for, as the manifest says that was exported with it."""
    try:
        purpose = json.read(folder / MANIFEST)["training"]["purpose"]
    except (ReadError, KeyError, TypeError):
        return None
    return purpose if purpose in ("smoke", "bench", "prod") else None


def _pointer(name: str, source: str, path: Path, base: Path) -> tuple[bool, str | None]:
    """Whether a name is a pointer that can be moved, and what it leads to now, as a name."""
    if source == "hub":
        return True, str(path)  # a snapshot, under its commit
    named = Path(name).expanduser()
    links = [path] if named.is_absolute() else [base / named, *(base / part for part in named.parents)][:-1]
    if source != "path" or not (named.name == "latest" or any(link.is_symlink() for link in links)):
        return False, None
    led_to = Path(os.path.realpath(path))
    if led_to.name == "latest":
        return True, None
    inside = not named.is_absolute() and led_to.is_relative_to(base.resolve())
    return True, led_to.relative_to(base.resolve()).as_posix() if inside else str(led_to)


def files(name: str) -> Files:
    """Find a file or folder (relative to the current directory) and take its digest. Raises UsageError."""
    path = Path(name).expanduser()
    try:
        return Files(name, path, digest.tree(path, follow=True) if path.is_dir() else digest.file(path))
    except (ReadError, ValueError) as error:
        reason = f"{error.at} {error.message}" if isinstance(error, ReadError) else str(error)
        fix = "check the path; relative ones begin at the current directory"
        raise UsageError(f"data {name[:200]}: {reason}", fix) from error


def _locate(name: str, base: Path, fetch: bool) -> tuple[str, Path]:
    if name.startswith("package:"):
        return "package", _package_folder(name.removeprefix("package:"))
    try:
        folder = base / Path(name).expanduser()
        found = folder.is_dir()
        # Whatever a run names is looked at: only what has the look of a model is hashed.
        if found and not fetch and not any((folder / marker).is_file() for marker in ("modules.json", "config.json")):
            raise UsageError(f"model {name[:200]}: holds neither modules.json nor config.json", "check the path")
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"model {name[:200]}: cannot be looked at: {error}", "check the path") from error
    if found:
        return "path", folder
    if name.startswith((".", "/", "~", "models/")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise UsageError(
            f"model {name}: no such folder", "check the path; relative ones begin at the current directory"
        )
    return "hub", _hub_folder(name, fetch)


def _package_folder(name: str) -> Path:
    """The outermost folder with a `modules.json` (or `config.json`) among a distribution's files."""
    try:
        listed = importlib.metadata.distribution(name).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise UsageError(f"model package:{name}: the package is not installed", f"pip install {name}") from None
    for marker in ("modules.json", "config.json"):
        hits = sorted((file for file in listed if file.name == marker), key=lambda file: len(file.parts))
        if hits:
            return Path(str(hits[0].locate())).parent.resolve()
    raise UsageError(f"model package:{name}: the package holds no modules.json", "name a package that carries a model")


def _hub_folder(name: str, fetch: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UsageError(
            f"model {name}: no such folder, and the Hub is not reachable from the core install",
            "pip install 'sealkit[retrieval]', or name a folder",
        ) from None
    repositories = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    for local_only in (True, False) if fetch else (True,):
        for repository_name in repositories:
            try:
                return Path(snapshot_download(repository_name, local_files_only=local_only))
            except Exception as error:  # offline, absent and gated come as many families of errors
                last = error
    raise UsageError(
        f"model {name}: no such folder, and the Hub did not give it ({type(last).__name__})",
        "check the name, or name a local folder or package:NAME",
    )
