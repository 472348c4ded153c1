"""Seals a run: states what was judged, binds every file by its digest, and writes it all once."""

from __future__ import annotations

import importlib.metadata
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import delta, digest, lineage, write
from sealkit.audit import audit
from sealkit.finding import ReadError, Report, UsageError
from sealkit.observe import FOLDER, OBSERVED, observe
from sealkit.pack import BUILT_IN, Pack
from sealkit.read import json as read_json
from sealkit.redact import Redactor
from sealkit.render import json as report_json
from sealkit.render import seal as page
from sealkit.rundir import Run, open_run

STATEMENT, SUMS, REPORT, PAGE, REFERENCE = "seal.json", "SHA256SUMS", "report.json", "SEAL.md", "reference"
# What the comparison and the lineage need of a reference run: its documents, and the rows behind its metrics.
EXCERPT = (
    "run_metadata", "resolved_config", "summary", "metrics", "rankings", "qrels", "per_query_metrics", "search_manifest",
    "model_manifest",
)  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """A seal that was written (or stood there with the same bytes): `digest` is the sha256 of seal.json."""

    digest: str
    report: Report
    fresh: bool


def seal(path: Path, reference: Path | None = None, pack: Pack = BUILT_IN) -> Sealed:
    """Write `seal/` into a run directory, whatever the verdict.

    Raises UsageError where a seal with other bytes stands there already, or the folder cannot be written.
    """
    run = open_run(path, pack.layout(), pack.contracts, pack.metric_keys)
    compared = open_run(reference, run.layout, pack.contracts, pack.metric_keys) if reference else None
    target = path / FOLDER
    standing = _standing(target)
    partial = path / f".{FOLDER}.{secrets.token_hex(4)}.tmp"
    try:
        partial.mkdir()
    except OSError as error:
        raise UsageError(f"{path}: cannot write the seal: {error.strerror}", "seal where you may write") from error
    try:
        times = (standing["observed_at"], standing["sealed_at"]) if standing else (write.now(), write.now())
        report = _compose(run, compared, partial, times, pack)
        if standing:
            _refuse_other(target, partial)
        else:
            write.sync_tree(partial)
            partial.rename(target)
            write.sync_folder(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Sealed(digest.file(target / STATEMENT), report, fresh=standing is None)


def _standing(target: Path) -> dict[str, str] | None:
    """The times of the seal that is there already."""
    if not target.exists():
        return None
    try:
        statement = read_json.read(target / STATEMENT, f"{FOLDER}/{STATEMENT}", follow=False)
        observed = read_json.read(target / OBSERVED, f"{FOLDER}/{OBSERVED}", follow=False)
        return {"sealed_at": str(statement["predicate"]["sealed_at"]), "observed_at": str(observed["observed_at"])}
    except (ReadError, KeyError, TypeError) as error:
        raise UsageError(
            f"{target}: there is something already that is no readable seal: {error}", "move it away"
        ) from error


def _refuse_other(target: Path, partial: Path) -> None:
    names, others = list(digest.walk(target)), list(digest.walk(partial))
    if names == others and digest.files(target, names) == digest.files(partial, others):
        return
    raise UsageError(
        f"{target}: another seal is there already, and a seal is never overwritten",
        "toolkit verify tells what has changed; to seal again, move the old seal away",
    )


def _compose(run: Run, compared: Run | None, folder: Path, times: tuple[str, str], pack: Pack) -> Report:
    """Write a whole seal into `folder`; `times` are those of observing and of sealing."""
    outside = [name for name in run.files if not name.startswith(f"{FOLDER}/")]
    before = {name: _stamp(run.root / name) for name in outside}
    unsealed = Run(run.root, run.layout, run.contracts, run.metric_keys)
    observed = {**observe(unsealed), "observed_at": times[0]}
    (folder / OBSERVED).write_text(write.dumps(observed), "utf-8", newline="\n")
    reference = _copy_reference(compared, folder / REFERENCE) if compared else None
    report = audit(unsealed.with_documents({f"{FOLDER}/{OBSERVED}": observed}), pack.checks, sealed=True)
    document = report_json.document(report)
    (folder / REPORT).write_text(write.dumps(document), "utf-8", newline="\n")
    digests = digest.files(run.root, outside)
    statement = predicate(
        unsealed,
        document,
        observed,
        reference,
        digests,
        times[1],
        importlib.metadata.version("sealkit"),
        pack.records(),
    )
    (folder / PAGE).write_text(page.render(statement, document), "utf-8", newline="\n")
    digests |= {f"{FOLDER}/{name}": value for name, value in digest.files(folder, digest.walk(folder)).items()}
    changed = [name for name in outside if _stamp(run.root / name) != before[name]]
    if changed:
        raise UsageError(
            f"{run.root / changed[0]}: changed while it was being sealed", "seal when nothing writes to the run"
        )
    text = write.dumps(_statement(digests, statement))
    (folder / STATEMENT).write_text(text, "utf-8", newline="\n")
    digests[f"{FOLDER}/{STATEMENT}"] = digest.of_bytes(text.encode())
    (folder / SUMS).write_text(digest.sums(digests), "utf-8", newline="\n")
    return report


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _statement(digests: Mapping[str, str], statement: Mapping[str, Any]) -> dict[str, Any]:
    """The in-toto Statement v1 over all files but itself and SHA256SUMS."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": digests[name].removeprefix(digest.PREFIX)}} for name in sorted(digests)
        ],
        "predicateType": "urn:sealkit:seal/v1",
        "predicate": statement,
    }


def _copy_reference(compared: Run, folder: Path) -> Run:
    """Copy what is needed of a reference run under its own names, and open the copy."""
    for artifact in compared.artifacts:
        if artifact.kind in EXCERPT and not artifact.path.startswith(f"{FOLDER}/"):
            target = folder / artifact.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(compared.root / artifact.path, target, follow_symlinks=False)
    return Run(folder, compared.layout, compared.contracts, compared.metric_keys)


def predicate(
    run: Run,
    report: Mapping[str, Any],
    observed: Mapping[str, Any],
    reference: Run | None,
    digests: Mapping[str, str],
    sealed_at: str,
    version: str,
    packs: Sequence[Mapping[str, str]] | None,
) -> dict[str, Any]:
    """What the seal states, all of it derived from the run, the report and what was observed.

    `packs` are the records of what judged; None in a seal that does not name them.
    """
    metadata, summary = run.document("run_metadata") or {}, run.document("summary") or {}
    return {
        "schema": "seal/v1",
        "sealkit": version,
        "sealed_at": sealed_at,
        **({} if packs is None else {"packs": list(packs)}),
        "run": {
            "run_id": metadata.get("run_id", "unknown"),
            "name": metadata.get("name", "unknown"),
            "status": summary.get("status", "failed"),
            "purpose": metadata.get("purpose", "unknown"),
            "seed": metadata.get("seed", 0),
            "config": digests.get("resolved_config.json", digest.of_bytes(b"")),
            "command": Redactor().value(metadata.get("command", [])),
        },
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
        "lineage": lineage.lines(run, reference),
        "reference": _reference(reference),
        "deltas": delta.between(run, reference),
    }


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
