"""The run directories of ours that a tree holds, each judged as `toolkit check` judges it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from sealkit.audit import audit
from sealkit.finding import Finding, Location, Outcome, Severity, Status, Verdict, status_of
from sealkit.observe import OBSERVED, sealed_reference
from sealkit.pack import Pack
from sealkit.rundir import SEAL, open_run

WORST = (Status.FAILED, Status.CRASHED, Status.BLOCKED, Status.WARNED)


def judge(folders: Mapping[str, Path], observed: Mapping[str, Any], pack: Pack) -> Iterator[Outcome]:
    """One outcome for each run, by its path in the tree: the first thing that is wrong with it, and how many are. `observed` holds what
    each was observed with (`observed/v1`); one without is sealed, and has that in its seal. Two runs are judged at a time.
    """
    plain = replace(pack)  # without what it has found so far, which cannot be handed to another process
    work = [(path, place, observed.get(path), plain) for path, place in folders.items()]
    if len(work) < 3 or (os.cpu_count() or 1) < 2:
        yield from map(_judge, work)
        return
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_judge, work)


@cache
def _held(pack: Pack) -> Pack:
    """The pack of this process: what it has found is found once for all runs."""
    return pack


def _judge(work: tuple[str, Path, Mapping[str, Any] | None, Pack]) -> Outcome:
    path, place, seen, plain = work
    pack = _held(plain)
    run = open_run(place, pack.layout(), pack.contracts, pack.metric_keys)
    if seen is None:
        run = replace(run, reference=sealed_reference(run))
    else:
        run = run.with_documents({f"{SEAL}/{OBSERVED}": seen})
    report = audit(run, pack.checks_of(run.layout), sealed=seen is None)
    bad = [one for one in report.outcomes if one.status not in (Status.PASSED, Status.SKIPPED)]
    worst = min(bad, key=lambda one: WORST.index(one.status), default=None)
    if worst is None:
        return Outcome(path, "a run", Status.PASSED)
    finding = next(iter(worst.findings), None)
    told = f"{worst.id}: {finding.message if finding else worst.reason}"
    more = f"; and {len(bad) - 1} more" if len(bad) > 1 else ""
    message, fix = f"{report.verdict}: {told}{more}", f"toolkit check {path}"
    if report.verdict is Verdict.INCONCLUSIVE:
        return Outcome(path, "a run", Status.BLOCKED, reason=message, fix=fix)
    at = replace(finding.at, path=f"{path}/{finding.at.path}") if finding else Location(path)
    severity = Severity.ERROR if report.verdict is Verdict.FAIL else Severity.WARNING
    found = Finding(message, at, severity, fix=fix)
    return Outcome(path, "a run", status_of([found]), (found,))
