"""Seals a run: states what was judged, binds every file by its digest, and writes it all once."""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import digest, write
from sealkit.audit import audit
from sealkit.finding import ReadError, Report, UsageError
from sealkit.observe import OBSERVED, REFERENCE, observe
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy
from sealkit.read import json as read_json
from sealkit.render import html
from sealkit.render import json as report_json
from sealkit.render import seal as page
from sealkit.rundir import SEAL, Run, open_run
from sealkit.statement import TYPE, predicate, statement

STATEMENT, SUMS, REPORT = "seal.json", "SHA256SUMS", "report.json"
PAGE, HTML = "SEAL.md", "SEAL.html"
# What the comparison and the lineage need of a reference run: its documents, and the rows behind its metrics.
EXCERPT = (
    "run_metadata", "resolved_config", "summary", "metrics", "rankings", "qrels", "per_query_metrics", "search_manifest",
    "model_manifest", "imputed_alleles",
)  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """A seal that was written (or stood there with the same bytes): `digest` is the sha256 of seal.json."""

    digest: str
    report: Report
    fresh: bool


def seal(
    path: Path,
    reference: Path | None = None,
    policy: Policy = NO_POLICY,
    pack: Pack = BUILT_IN,
    out: Path | None = None,
) -> Sealed:
    """Write the seal of a run, whatever the verdict: as `seal/` into its directory, or as the folder `out`, byte for byte
    the same; then nothing is written into the run directory.

    Raises UsageError where a seal with other bytes stands there already, or the folder cannot be written.
    """
    run = open_run(path, pack.layout(), pack.contracts, pack.metric_keys)
    compared = open_run(reference, run.layout, pack.contracts, pack.metric_keys) if reference else None
    target = path / SEAL if out is None else outside(path, out)
    before = standing(target)
    times = (before["observed_at"], before["sealed_at"]) if before else (write.now(), write.now())
    return put(path, target, before is None, lambda folder: _compose(run, compared, folder, times, policy, pack))


def put(path: Path, target: Path, fresh: bool, compose: Callable[[Path], Report]) -> Sealed:
    """Write a seal of `path` beside its place and move it there whole; one that is not `fresh` stands there already, and must have the
    same bytes. Raises UsageError where it has not, where the folder cannot be written, and where something still writes to `path`."""
    if owner := write.Lock(path).holder():
        raise UsageError(f"{path}: a run goes on there: {owner}", "seal it when it is done")
    partial = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        partial.mkdir()
    except OSError as error:
        raise UsageError(
            f"{target.parent}: cannot write the seal: {error.strerror}",
            "toolkit seal RUN_DIR --out DIR, where you may write",
        ) from error
    try:
        report = compose(partial)
        if fresh:
            write.sync_tree(partial)
            partial.rename(target)
            write.sync_folder(target.parent)
        else:
            _refuse_other(target, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Sealed(digest.file(target / STATEMENT), report, fresh)


def bind(
    path: Path,
    stamps: Mapping[str, object],
    folder: Path,
    digests: Mapping[str, str],
    stated: Mapping[str, Any],
    predicate_type: str = TYPE,
) -> None:
    """Write seal.json and SHA256SUMS into `folder`, which holds the rest of a seal: over the files of `path` (by their `digests`) and
    those of the seal. Raises UsageError where a file is no longer what its stamp says."""
    bound = {
        **digests,
        **{f"{SEAL}/{name}": value for name, value in digest.files(folder, digest.walk(folder)).items()},
    }
    if changed := [name for name, before in stamps.items() if stamp(path / name) != before]:
        fix = "seal when nothing writes there"
        raise UsageError(f"{path / changed[0]}: changed while it was being sealed", fix)
    text = write.dumps(statement(bound, stated, predicate_type))
    (folder / STATEMENT).write_text(text, "utf-8", newline="\n")
    bound[f"{SEAL}/{STATEMENT}"] = digest.of_bytes(text.encode())
    (folder / SUMS).write_text(digest.sums(bound), "utf-8", newline="\n")


def outside(path: Path, out: Path) -> Path:
    """The folder that `--out` names. Raises UsageError where a seal there would change what is sealed."""
    run, target = path.resolve(), out.resolve()
    if target == run / SEAL:
        return target
    if target.is_relative_to(run):
        raise UsageError(
            f"--out {out}: lies in the run directory, which is sealed as it is", "name a folder outside of it"
        )
    if os.path.lexists(run / SEAL):
        raise UsageError(f"{path}: has a seal of its own in {SEAL}/", "move it away, or seal without --out")
    return target


def standing(target: Path, observed: str = OBSERVED) -> dict[str, str] | None:
    """The times of the seal that is there already; `observed` is the file of what was observed with it."""
    if not target.exists():
        return None
    try:
        sealed = read_json.read(target / STATEMENT, f"{SEAL}/{STATEMENT}", follow=False)
        seen = read_json.read(target / observed, f"{SEAL}/{observed}", follow=False)
        return {"sealed_at": str(sealed["predicate"]["sealed_at"]), "observed_at": str(seen["observed_at"])}
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


def _compose(
    run: Run, compared: Run | None, folder: Path, times: tuple[str, str], policy: Policy, pack: Pack
) -> Report:
    """Write a whole seal into `folder`; `times` are those of observing and of sealing."""
    own = [name for name in run.files if not name.startswith(f"{SEAL}/")]
    before = {name: stamp(run.root / name) for name in own}
    reference = _copy_reference(compared, folder / REFERENCE) if compared else None
    unsealed = Run(run.root, run.layout, run.contracts, run.metric_keys, reference=reference)
    observed = {**observe(unsealed, policy), "observed_at": times[0]}
    (folder / OBSERVED).write_text(write.dumps(observed), "utf-8", newline="\n")
    report = audit(unsealed.with_documents({f"{SEAL}/{OBSERVED}": observed}), pack.checks_of(run.layout), sealed=True)
    document = report_json.document(report)
    (folder / REPORT).write_text(write.dumps(document), "utf-8", newline="\n")
    digests = digest.files(run.root, own)
    version = importlib.metadata.version("sealkit")
    stated = predicate(unsealed, document, observed, digests, times[1], version, pack.records())
    (folder / PAGE).write_text(page.render(stated, document), "utf-8", newline="\n")
    (folder / HTML).write_text(html.render(stated, document), "utf-8", newline="\n")
    bind(run.root, before, folder, digests, stated)
    return report


def stamp(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _copy_reference(compared: Run, folder: Path) -> Run:
    """Copy what is needed of a reference run under its own names, and open the copy."""
    for artifact in compared.artifacts:
        if artifact.kind in EXCERPT and not artifact.path.startswith(f"{SEAL}/"):
            target = folder / artifact.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(compared.root / artifact.path, target, follow_symlinks=False)
    return Run(folder, compared.layout, compared.contracts, compared.metric_keys)
