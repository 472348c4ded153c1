"""Contracts, checks and seals for machine-learning run directories.

What a check or a user's script may lean on stands in `__all__`; it is loaded when it is first asked for, so that
importing sealkit costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealkit.check import Check, View
    from sealkit.finding import Blocked, Finding, Location, ReadError, Refused, Severity
    from sealkit.index import differences, explain, identity, open_index
    from sealkit.pack import legacy_pairs
    from sealkit.rundir import Artifact
    from sealkit.stage import Context, Input, Out, Params, Stage

_HOME = {
    "Artifact": "rundir",
    "Blocked": "finding",
    "Check": "check",
    "Context": "stage",
    "Finding": "finding",
    "Input": "stage",
    "Location": "finding",
    "Out": "stage",
    "Params": "stage",
    "ReadError": "finding",
    "Refused": "finding",
    "Severity": "finding",
    "Stage": "stage",
    "View": "check",
    "differences": "index",
    "explain": "index",
    "identity": "index",
    "legacy_pairs": "pack",
    "open_index": "index",
}

__all__ = [
    "Artifact", "Blocked", "Check", "Context", "Finding", "Input", "Location", "Out", "Params", "ReadError", "Refused",
    "Severity", "Stage", "View", "differences", "explain", "identity", "legacy_pairs",
    "open_index",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sealkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"sealkit.{_HOME[name]}"), name)
