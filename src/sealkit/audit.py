"""Judges a run: every artifact against its contract, every check that can run, and nothing twice."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from sealkit import policy
from sealkit.artifact import Artifact
from sealkit.check import Check, View
from sealkit.finding import Blocked, Finding, Outcome, ReadError, Report, Severity, Status, status_of
from sealkit.redact import mask
from sealkit.rundir import SEAL, Run

SHOWN = 100  # findings told for one check
UNJUDGED = f"{SEAL}/"  # what a seal adds is verified by its digests; only what it observed is read by checks


def audit(run: Run, checks: Mapping[str, Check], sealed: bool = False) -> Report:
    """Judge a run as it lies there, by the policy that was observed with it (on the day of observing).

    `sealed` says that what the layout promises of a sealed run is promised.
    """
    metadata, observed = run.document("run_metadata") or {}, run.document("observed") or {}
    name, today = metadata.get("name", "unknown"), observed.get("observed_at", "")[:10]
    kept = policy.recorded(observed.get("policy"))
    return Report(
        run_id=metadata.get("run_id"),
        name=name,
        artifacts=tuple(judge_artifacts(run, sealed)),
        checks=tuple(kept.apply(judge(run, check, sealed), check.severity, name, today) for check in checks.values()),
    )


def promises(run: Run, sealed: bool) -> dict[str, tuple[str, str]]:
    """What must be there: path or glob → (contract id, who promised it)."""
    found: dict[str, tuple[str, str]] = {}
    for rule in run.layout.rules:
        if rule.promised == "always" or (rule.promised == "sealed" and sealed):
            found[rule.path] = (rule.contract, f"the layout {run.layout.id}")
    for promise in (run.document("resolved_config") or {}).get("artifacts", []):
        found[promise["path"]] = (promise["contract"], f"the stage {promise['stage']}")
    return found


def judge_artifacts(run: Run, sealed: bool) -> list[Outcome]:
    """One outcome for each artifact there is, and one for each that was promised and is not there."""
    found = [judge_artifact(run, artifact) for artifact in run.artifacts if _counts(artifact)]
    for path, (contract, who) in _absent(run, sealed):
        reason = f"promised by {who}, and absent"
        found.append(Outcome(path, contract, Status.BLOCKED, reason=reason, fix="run the pipeline to its end"))
    return sorted(found, key=lambda outcome: outcome.id)


def judge_artifact(run: Run, artifact: Artifact) -> Outcome:
    """Hold one artifact against its contract."""
    findings = tuple(concrete(run, finding, Severity.ERROR) for finding in artifact.problems)
    if not artifact.judged:
        reason = "; ".join(finding.message for finding in findings)
        return Outcome(artifact.path, artifact.contract.id, Status.BLOCKED, findings, reason=reason)
    return Outcome(artifact.path, artifact.contract.id, status_of(findings), findings)


def judge(run: Run, check: Check, sealed: bool = False) -> Outcome:
    """Run one check, if everything it reads is there and valid; its outcome says what came of it."""
    hindered, reason, way_out = _hindrance(run, check, sealed)
    if hindered:
        return Outcome(check.id, check.title, hindered, reason=reason, fix=way_out)
    found: list[Finding] = []
    stopped: Status | None = None
    fix: str | None = check.fix
    try:
        findings = iter(check.find(View(run, check.versions)))
        for finding in itertools.islice(findings, SHOWN):
            found.append(concrete(run, finding, check.severity))
        if more := [finding.severity or check.severity for finding in findings]:
            worst = Severity.ERROR if Severity.ERROR in more else Severity.WARNING
            found.append(Finding("and more, not told", found[-1].at, worst, firm=True))
    except Blocked as blocked:
        stopped, reason, fix = Status.BLOCKED, blocked.message, blocked.fix or fix
    except ReadError as error:
        # What breaks its format fails; what cannot be read at all is no failure, and never a pass.
        stopped = Status.FAILED if error.malformed else Status.BLOCKED
        reason, fix = None if error.malformed else f"{error.at}: {error.message}", error.fix or fix
        trouble = (replace(concrete(run, error.finding(), Severity.ERROR), firm=True),)
        return Outcome(check.id, check.title, _worst(found, stopped), (*found, *trouble), reason, fix)
    except Exception as error:
        # A bug in a check must not pass for a judgement, nor keep the other checks from theirs.
        stopped, reason, fix = Status.CRASHED, f"{type(error).__name__}: {error}", "report this as a bug"
    status = _worst(found, stopped)
    return Outcome(check.id, check.title, status, tuple(found), reason, fix if status is not Status.PASSED else None)


def _worst(found: list[Finding], stopped: Status | None) -> Status:
    """What was found before a check stopped stays found."""
    status = status_of(found)
    return stopped if stopped and status is not Status.FAILED else status


def concrete(run: Run, finding: Finding, severity: Severity) -> Finding:
    """The finding with its severity, and with line, quote and digest at its places. It quotes no secret."""
    return replace(
        finding,
        message=mask(finding.message),
        severity=finding.severity or severity,
        at=run.concrete(finding.at),
        also=tuple(run.concrete(location) for location in finding.also),
    )


def _hindrance(run: Run, check: Check, sealed: bool) -> tuple[Status | None, str | None, str | None]:
    """Why a check cannot run: something it reads is broken, of another version, or promised and absent."""
    absent = {contract.split("/")[0]: path for path, (contract, _) in _absent(run, sealed)}
    for kind in sorted(check.kinds):
        version = check.versions[kind]
        artifacts = run.all(kind)
        for artifact in artifacts:
            if artifact.problems:
                return Status.BLOCKED, f"{artifact.path} does not keep {artifact.contract.id}", "put that right first"
            if run.upgrades(artifact, version) is None:
                reason = f"{artifact.path} is {artifact.contract.id}; the check reads {kind}/v{version}"
                return Status.BLOCKED, reason, "update sealkit, or the pack that the check is of"
        if kind in absent and run.ongoing and kind in check.growing:
            continue
        if kind in absent:
            return Status.BLOCKED, f"{absent[kind]} is promised, and absent", "run the pipeline to its end"
        if not artifacts and kind in check.required:
            return Status.SKIPPED, f"the run holds no {kind}, and nothing promises one", None
    return None, None, None


def _absent(run: Run, sealed: bool) -> list[tuple[str, tuple[str, str]]]:
    """(path, (contract id, who promised it)) of what was promised and is not there."""
    return [
        (path, (contract, who))
        for path, (contract, who) in promises(run, sealed).items()
        if not any(_keeps(artifact, path, contract) for artifact in run.artifacts)
    ]


def _counts(artifact: Artifact) -> bool:
    return not artifact.path.startswith(UNJUDGED) or artifact.kind == "observed"


def _keeps(artifact: Artifact, path: str, contract: str) -> bool:
    """Whether an artifact is the promised one: that file, or, for a folder, a manifest somewhere below it."""
    return artifact.contract.id == contract and (artifact.path == path or artifact.path.startswith(f"{path}/"))
