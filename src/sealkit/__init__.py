"""Contracts, checks and seals for machine-learning run directories.

What a check or a user's script may lean on stands in `__all__`; it is loaded when it is first asked for, so that
importing sealkit costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealkit import encoders, imputation, mask
    from sealkit.acceptance import judge as judge_expectations
    from sealkit.artifact import Artifact
    from sealkit.band import judge as judge_band
    from sealkit.check import Check, View
    from sealkit.describe import describe_index
    from sealkit.digest import listing as listing_digest
    from sealkit.evaluation import imputed
    from sealkit.expectation import HistoryBand
    from sealkit.expectation import identity as expectations_identity
    from sealkit.finding import Blocked, Finding, Location, ReadError, Refused, Severity, UsageError
    from sealkit.fingerprint import State
    from sealkit.index import NotWitnessed, OtherBuild, Waived, open_index
    from sealkit.manifest import compare, explain, explain_unwitnessed, identity
    from sealkit.mask import content as mask_content
    from sealkit.mask import faults as mask_faults
    from sealkit.mask import of_bits as mask_of_bits
    from sealkit.mask_misfit import declared as masks_declared_apart
    from sealkit.mask_misfit import place as mask_place
    from sealkit.mask_misfit import recorded as masks_recorded_apart
    from sealkit.mask_wiring import at as mask_at
    from sealkit.mask_wiring import group as mask_group
    from sealkit.mask_wiring import meetings as mask_meetings
    from sealkit.pack import legacy_pairs
    from sealkit.probe import TOLERANCE as PROBE_TOLERANCE
    from sealkit.probe import replay as replay_probe
    from sealkit.recorder import Recorder, record
    from sealkit.stage import Context, Input, Out, Params, Stage
    from sealkit.trainers import callback

_HOME = {
    "Artifact": "artifact",
    "Blocked": "finding",
    "Check": "check",
    "Context": "stage",
    "Finding": "finding",
    "HistoryBand": "expectation",
    "Input": "stage",
    "Location": "finding",
    "NotWitnessed": "index",
    "OtherBuild": "index",
    "Out": "stage",
    "PROBE_TOLERANCE": "probe",
    "Params": "stage",
    "ReadError": "finding",
    "Recorder": "recorder",
    "Refused": "finding",
    "Severity": "finding",
    "Stage": "stage",
    "State": "fingerprint",
    "UsageError": "finding",
    "View": "check",
    "Waived": "index",
    "callback": "trainers",
    "compare": "manifest",
    "describe_index": "describe",
    "expectations_identity": "expectation",
    "explain": "manifest",
    "explain_unwitnessed": "manifest",
    "identity": "manifest",
    "imputed": "evaluation",
    "judge_band": "band",
    "judge_expectations": "acceptance",
    "legacy_pairs": "pack",
    "listing_digest": "digest",
    "mask_at": "mask_wiring",
    "mask_content": "mask",
    "mask_faults": "mask",
    "mask_of_bits": "mask",
    "mask_group": "mask_wiring",
    "mask_meetings": "mask_wiring",
    "mask_place": "mask_misfit",
    "masks_declared_apart": "mask_misfit",
    "masks_recorded_apart": "mask_misfit",
    "open_index": "index",
    "record": "recorder",
    "replay_probe": "probe",
}
_MODULES = ("encoders", "imputation", "mask")  # as `sealkit.encoders.of_function`
# What is called otherwise where it lives, since its module says the rest.
_NAMED = {
    "PROBE_TOLERANCE": "TOLERANCE",
    "expectations_identity": "identity",
    "judge_band": "judge",
    "judge_expectations": "judge",
    "listing_digest": "listing",
    "mask_at": "at",
    "mask_content": "content",
    "mask_faults": "faults",
    "mask_group": "group",
    "mask_meetings": "meetings",
    "mask_place": "place",
    "mask_of_bits": "of_bits",
    "masks_declared_apart": "declared",
    "masks_recorded_apart": "recorded",
    "replay_probe": "replay",
}

__all__ = [
    "PROBE_TOLERANCE", "Artifact", "Blocked", "Check", "Context", "Finding", "HistoryBand", "Input", "Location",
    "NotWitnessed", "OtherBuild", "Out", "Params", "ReadError", "Recorder", "Refused", "Severity", "Stage", "State",
    "UsageError", "View", "Waived", "callback", "compare", "describe_index", "encoders", "expectations_identity",
    "explain", "explain_unwitnessed", "identity", "imputation", "imputed", "judge_band", "judge_expectations",
    "legacy_pairs", "listing_digest", "mask", "mask_at", "mask_content", "mask_faults", "mask_group", "mask_meetings",
    "mask_of_bits", "mask_place", "masks_declared_apart", "masks_recorded_apart", "open_index", "record",
    "replay_probe",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"sealkit.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'sealkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"sealkit.{_HOME[name]}"), _NAMED.get(name, name))
