"""Everything that a seal states, derived again from the files that it binds."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sealkit import digest
from sealkit.audit import audit
from sealkit.check import Check
from sealkit.finding import Finding, Location, Severity, pointer
from sealkit.observe import OBSERVED, sealed_reference
from sealkit.pack import Pack
from sealkit.render import html
from sealkit.render import json as report_json
from sealkit.render import seal as page
from sealkit.rundir import SEAL, Run
from sealkit.seal import HTML, PAGE, REPORT, STATEMENT
from sealkit.statement import predicate

TOLERANCE = 1e-9
FIRST = (0, 1, 0)  # nothing older has made a seal, whatever a seal may say


def same_packs(stated: Mapping[str, Any], pack: Pack) -> bool:
    """Whether what a project added is, to the byte, what it was when the run was sealed. Ours counts by its version."""
    here = {record["name"]: record["digest"] for record in pack.records()}
    return all(here.get(record["name"]) == record["digest"] for record in stated.get("packs", [])[1:])


def left_out(
    stated: Mapping[str, Any], pack: Pack, checks: Mapping[str, Check], first: tuple[int, ...] = FIRST
) -> Iterator[Finding]:
    """Checks that the sealing version had and the seal does not name: leaving one out may not turn a no into a yes. `checks` are all
    that judge what was sealed, `first` the release that could make such a seal before all others, whatever this one may say."""
    for check in (check for check in checks.values() if check.id in pack.check_ids):
        if check.id not in stated["checks"] and _release(check.since) <= max(_release(stated["sealkit"]), first):
            message = f"leaves out the check {check.id}, which sealkit {stated['sealkit']} has"
            yield problem(f"{SEAL}/{STATEMENT}", message)
    named = {record["name"] for record in stated.get("packs", [])}
    for more in pack.more:
        for check_id in more.check_ids if more.name in named and same_packs(stated, pack) else []:
            if check_id in checks and check_id not in stated["checks"]:
                yield problem(f"{SEAL}/{STATEMENT}", f"leaves out the check {check_id}, which the pack {more.name} has")


def _release(version: str) -> tuple[int, ...]:
    """The release part of a version (PEP 440): (0, 1, 0) of 0.1.0.dev0. What is no version counts as the newest."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else (10**9,)


def problem(path: str, message: str) -> Finding:
    return Finding(message, Location(path), Severity.ERROR)


def differences(run: Run, statement: Mapping[str, Any], pack: Pack) -> Iterator[Finding]:
    """Everything that the seal states, derived again; where it comes out otherwise is said by its place."""
    stated, run = statement["predicate"], replace(run, reference=sealed_reference(run))
    yield from left_out(stated, pack, pack.checks_of(run.layout))
    observed = run.document("observed")
    stored = run.contracts["report/v1"]
    broken, _ = stored.problems(run.place(f"{SEAL}/{REPORT}"), f"{SEAL}/{REPORT}")
    if broken or observed is None:
        yield problem(f"{SEAL}/{REPORT if broken else OBSERVED}", "does not keep its contract")
        return
    checks = {name: pack.checks[name] for name in stated["checks"]}
    report = report_json.document(audit(run, checks, sealed=True))
    same_version = stated["sealkit"] == importlib.metadata.version("sealkit") and same_packs(stated, pack)
    sealed_report = stored.read(run.place(f"{SEAL}/{REPORT}"), f"{SEAL}/{REPORT}")
    yield from report_differences(sealed_report, report, same_version)
    for name, render in ((PAGE, page.render), (HTML, html.render)) if same_version else ():
        shown = digest.of_bytes(render(stated, sealed_report).encode())
        if not digest.matches(run.place(f"{SEAL}/{name}"), f"{SEAL}/{name}", shown):
            yield problem(f"{SEAL}/{name}", "does not say what the seal says: rendered again it is another page")
    digests = {subject["name"]: digest.PREFIX + subject["digest"]["sha256"] for subject in statement["subject"]}
    outside = {name: value for name, value in digests.items() if not name.startswith(f"{SEAL}/")}
    times = stated["sealed_at"], stated["sealkit"]
    derived = predicate(run, sealed_report, observed, outside, *times, stated.get("packs"))
    for where, said, got in unequal(stated, derived, "/predicate"):
        yield Finding(
            f"{where}: the seal says {short(said)}, derived again it is {short(got)}",
            Location(f"{SEAL}/{STATEMENT}", pointer=where),
            Severity.ERROR,
        )


def report_differences(sealed: Mapping[str, Any], derived: Mapping[str, Any], same_version: bool) -> Iterator[Finding]:
    where = f"{SEAL}/{REPORT}"
    if sealed["verdict"] != derived["verdict"] or sealed["exit_code"] != derived["exit_code"]:
        yield problem(where, f"the seal says {sealed['verdict']}, judged again it is {derived['verdict']}")
    for key in ("run_id", "name"):
        if sealed[key] != derived[key]:
            yield problem(where, f"{key}: the seal says {sealed[key]}, judged again it is {derived[key]}")
    for part in ("artifacts", "checks"):
        if len({outcome["id"] for outcome in sealed[part]}) != len(sealed[part]):
            yield problem(where, f"tells an outcome of its {part} twice")
        before, after = ({o["id"]: o for o in report[part]} for report in (sealed, derived))
        for name in [*before, *(name for name in after if name not in before)]:
            said, got = before.get(name), after.get(name)
            if said is None or got is None or said["status"] != got["status"]:
                message = f"{name}: the seal says {said['status'] if said else 'nothing'}, judged again it is {got['status'] if got else 'gone'}"
                yield problem(where, message + _reasons(got))
            elif same_version and said != got:
                yield problem(where, f"{name}: judged again it says something else")


def _reasons(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return ""
    places = [
        f"{f['location']['path']}:{f['location']['line'] or '?'}: {f['message']}" for f in outcome["findings"][:3]
    ]
    return "".join(f"\n    {place}" for place in places) or (f" ({outcome['reason']})" if outcome["reason"] else "")


def unequal(stated: Any, derived: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ; numbers may differ in their last digits, as libraries do."""
    if isinstance(stated, dict) and isinstance(derived, dict):
        for key in [*stated, *(key for key in derived if key not in stated)]:
            if not key.startswith("x-"):
                yield from unequal(stated.get(key), derived.get(key), where + pointer(key))
    elif isinstance(stated, list) and isinstance(derived, list) and len(stated) == len(derived):
        for index, (left, right) in enumerate(zip(stated, derived, strict=True)):
            yield from unequal(left, right, f"{where}/{index}")
    elif isinstance(stated, float) and isinstance(derived, float):
        if not math.isclose(stated, derived, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield where, stated, derived
    elif type(stated) is not type(derived) or stated != derived:
        yield where, stated, derived


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."
