"""What lies outside a run, observed: the repository, the host and installed packages.

Nothing here runs what it finds; packages are located by their metadata, without importing them.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from sealkit.repository import Repository, ancestry, find_repository, repository

__all__ = [
    "Repository",
    "ancestry",
    "find_repository",
    "has_cuda",
    "host",
    "packages",
    "python",
    "repository",
    "versions",
]


def host() -> dict[str, object]:
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def has_cuda() -> bool:
    """Whether an NVIDIA device is here to be used: what the device `auto` comes to, without loading torch."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path("/dev", name).exists() for name in ("nvidiactl", "dxg"))


def python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def packages() -> dict[str, str]:
    """Every installed distribution and its version, by normalised name."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata  # parsed anew each time that it is asked for
        if name := metadata["Name"]:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), metadata["Version"])
    return dict(sorted(found.items()))


def versions(names: Iterable[str]) -> dict[str, str | None]:
    """The installed version of each named distribution, None where it is absent."""
    result: dict[str, str | None] = {}
    for name in sorted(names):
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            result[name] = None
    return result
