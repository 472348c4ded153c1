"""What lies in an installed package, or in one that a project has beside its settings. Nothing is imported."""

from __future__ import annotations

import importlib.metadata
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from sealkit import digest
from sealkit.read import yaml


def version(name: str) -> str:
    """Of the distribution that a package is of; `0` for one that lies in the project and was never installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "0"


def root(package: str) -> Traversable | None:
    """The folder of a package; None for the package "", which there is not."""
    return files(package) if package else None


def file(package: str, name: str) -> Traversable | None:
    """A file of a package by its path; None where there is none."""
    found = root(package)
    for part in name.split("/"):  # one by one: the folder of a namespace package joins no more at once
        found = found / part if found and found.is_dir() else None
    return found if found and found.is_file() else None


def files_in(package: str, folder: str, suffix: str) -> list[Traversable]:
    """The files of a folder of a package whose names end so, by name."""
    place = root(package)
    inner = place / folder if place else None
    found = [item for item in inner.iterdir() if item.name.endswith(suffix)] if inner and inner.is_dir() else []
    return sorted(found, key=lambda item: item.name)


def read_yaml(package: str, name: str) -> Any:
    """What a YAML file of a package says; None where there is none. Raises ReadError."""
    found = file(package, name)
    return yaml.parse(found.read_text("utf-8"), f"{package}/{name}").data if found else None


def modules(folder: Traversable | None) -> list[str]:
    """The modules of a folder that are no package's own, without `.py`."""
    names = sorted(item.name for item in folder.iterdir()) if folder else []
    return [name.removesuffix(".py") for name in names if name.endswith(".py") and not name.startswith("_")]


def folders(package: str) -> list[Traversable]:
    """The folders of a package, by name."""
    place = root(package)
    items = place.iterdir() if place else iter(())
    found = [item for item in items if item.is_dir() and re.fullmatch(r"[a-z][a-z0-9_]*", item.name)]
    return sorted(found, key=lambda item: item.name)


def digests(package: str) -> dict[str, str]:
    """The digest of everything by which a package judges and works, by its path from the package on."""
    found: dict[str, str] = {}
    if place := root(package):
        _collect(place, package, found)
    return found


def _collect(folder: Traversable, name: str, into: dict[str, str]) -> None:
    for item in folder.iterdir():
        if item.is_dir() and item.name not in ("__pycache__", "examples"):
            _collect(item, f"{name}/{item.name}", into)
        elif item.name.endswith((".py", ".json", ".yaml")):
            into[f"{name}/{item.name}"] = digest.of_bytes(item.read_bytes())
