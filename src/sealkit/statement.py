"""What a seal states: an in-toto Statement v1 over the files, and its predicate, derived from the run and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealkit import acceptance, delta, digest, history, lineage, write
from sealkit.finding import Status
from sealkit.redact import Redactor
from sealkit.rundir import Run

EXPECTATIONS = "expectations-met"


TYPE = "urn:sealkit:seal/v1"


def statement(digests: Mapping[str, str], stated: Mapping[str, Any], predicate_type: str = TYPE) -> dict[str, Any]:
    """The in-toto Statement v1 over all files but itself and SHA256SUMS."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": digests[name].removeprefix(digest.PREFIX)}} for name in sorted(digests)
        ],
        "predicateType": predicate_type,
        "predicate": stated,
    }


def predicate(
    run: Run,
    report: Mapping[str, Any],
    observed: Mapping[str, Any],
    digests: Mapping[str, str],
    sealed_at: str,
    version: str,
    packs: Sequence[Mapping[str, str]] | None,
) -> dict[str, Any]:
    """What the seal states, all of it derived from the run, the report and what was observed.

    `packs` are the records of what judged; None in a seal that does not name them.
    """
    metadata = run.document("run_metadata") or {}
    return {
        "schema": "seal/v1",
        "sealkit": version,
        "sealed_at": sealed_at,
        **({} if packs is None else {"packs": list(packs)}),
        "run": _run(run, digests),
        "verdict": report["verdict"],
        "exit_code": report["exit_code"],
        "checks": [outcome["id"] for outcome in report["checks"]],
        "report": digest.of_bytes(write.dumps(report).encode()),
        "observed": digest.of_bytes(write.dumps(observed).encode()),
        "commits": {
            "run": observed["run"]["commit"],
            "audit": observed["repository"]["commit"],
            "relation": observed["run"]["relation"],
            "dirty": bool(metadata.get("git", {}).get("dirty")),
        },
        "metrics": run.document("metrics") or {},
        "artifacts": [
            {"path": a.path, "contract": a.contract.id, "digest": digests[a.path]}
            for a in run.artifacts
            if a.path in digests
        ],
        "acceptance": _acceptance(run, report),
        "lineage": lineage.lines(run, run.reference),
        "reference": _reference(run.reference),
        "deltas": delta.between(run, run.reference),
        "history": history.curves(run),
    }


def _run(run: Run, digests: Mapping[str, str]) -> dict[str, Any]:
    metadata, summary = run.document("run_metadata") or {}, run.document("summary") or {}
    return {
        "run_id": metadata.get("run_id", "unknown"),
        "name": metadata.get("name", "unknown"),
        "status": summary.get("status", "failed"),
        "purpose": metadata.get("purpose", "unknown"),
        "seed": metadata.get("seed"),
        "config": digests.get("resolved_config.json", digest.of_bytes(b"")),
        "command": Redactor().value(metadata.get("command", [])),
    }


def _acceptance(run: Run, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was promised beforehand and how it came out, by the report: a waived expectation is a warning there."""
    judged = [
        finding for outcome in report["checks"] if outcome["id"] == EXPECTATIONS for finding in outcome["findings"]
    ]
    softer = {finding["location"]["pointer"] for finding in judged if finding["severity"] == "warning"}
    rows = []
    for row in acceptance.judge(run):
        waived = row.status is Status.FAILED and row.at.pointer in softer
        rows.append({**row.document(), "status": str(Status.WARNED if waived else row.status)})
    return rows


def _reference(reference: Run | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    metadata = reference.document("run_metadata") or {}
    models = lineage.lines(reference, None)
    weights = next((line["weights"] for line in reversed(models) if line["found"]), None)
    return {
        "run_id": metadata.get("run_id", "unknown"),
        "name": metadata.get("name", "unknown"),
        "digest": reference.digest("summary.json") if "summary.json" in reference.files else digest.of_bytes(b""),
        "weights": weights,
    }
