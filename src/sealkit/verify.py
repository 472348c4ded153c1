"""Verifies a seal: every byte again, then everything that was derived from them; the world outside is told apart."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.audit import audit
from sealkit.finding import EXIT_CODES, Finding, Location, ReadError, Severity, UsageError, Verdict, pointer
from sealkit.observe import OBSERVED, observe, sealed_reference
from sealkit.pack import BUILT_IN, Pack
from sealkit.read import json as read_json
from sealkit.render import html
from sealkit.render import json as report_json
from sealkit.render import seal as page
from sealkit.rundir import SEAL, Run
from sealkit.seal import HTML, PAGE, REPORT, STATEMENT, SUMS, predicate

TOLERANCE = 1e-9
FIRST = (0, 1, 0)  # nothing older has made a seal, whatever a seal may say


@dataclass(frozen=True)
class Drift:
    """How one thing outside the run stands now to what the seal recorded: `same`, `moved since`, or `not here`."""

    name: str
    state: str
    message: str


@dataclass(frozen=True)
class Verification:
    """`problems` is why the seal no longer holds, `unknown` the checks that this version cannot run."""

    digest: str | None
    problems: tuple[Finding, ...]
    unknown: tuple[str, ...]
    verdict: Verdict
    drift: tuple[Drift, ...]

    @property
    def holds(self) -> bool:
        return not self.problems and not self.unknown and self.digest is not None

    @property
    def exit_code(self) -> int:
        if self.problems:
            return 1
        return EXIT_CODES[self.verdict] if self.holds else 3


def verify(path: Path, expected: str | None = None, pack: Pack = BUILT_IN, seal: Path | None = None) -> Verification:
    """Find out whether a seal still holds: every byte, then everything that was derived from them.

    `expected` is the digest that `seal` printed, `seal` the folder of the seal where it lies outside the run directory.
    Raises UsageError where there is no such folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such run directory", "give the folder that was sealed")
    if expected is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", expected):
        raise UsageError(f"--digest {expected}: expected sha256: and 64 hex digits", "give what `toolkit seal` printed")
    if seal is not None and not seal.is_dir():
        raise UsageError(f"--seal {seal}: no such folder", "give the folder that `toolkit seal --out` wrote")
    name = f"{SEAL}/{STATEMENT}"
    run = Run(path, pack.layout(), pack.contracts, pack.metric_keys, seal=_elsewhere(path, seal))
    if not run.place(SEAL).exists() and expected is None:
        return Verification(None, (), (), Verdict.INCONCLUSIVE, ())
    try:
        found = digest.file(run.place(name), name, follow=False)
    except ReadError as error:
        return Verification(None, (_problem(name, f"missing: it {error.message}"),), (), Verdict.INCONCLUSIVE, ())
    if expected not in (None, found):
        problem = _problem(name, f"its digest is {found}, not the given {expected}")
        return Verification(found, (problem,), (), Verdict.INCONCLUSIVE, ())
    if (listed := _listed(run)) not in (None, found):
        problem = _problem(name, f"changed: its digest is {found}, {SEAL}/{SUMS} lists {listed}")
        return Verification(found, (problem,), (), Verdict.INCONCLUSIVE, ())
    if other := _other_type(run.place(name), name):
        return Verification(found, (), (other,), Verdict.INCONCLUSIVE, ())
    contract = pack.contracts["seal/v1"]
    broken, judged = contract.problems(run.place(name), name)
    if not judged:
        unknown = tuple(finding.message for finding in broken)
        return Verification(found, (), unknown, Verdict.INCONCLUSIVE, ())
    if broken:
        problems = tuple(_problem(name, finding.message) for finding in broken)
        return Verification(found, problems, (), Verdict.INCONCLUSIVE, ())
    statement = contract.read(run.place(name), name)
    verdict = Verdict(statement["predicate"]["verdict"])
    try:
        if problems := tuple(_bytes(run, statement, found)):
            return Verification(found, problems, (), verdict, ())
    except ReadError as error:
        problem = _problem(error.at.path, f"unexpected: it {error.message}")
        return Verification(found, (problem,), (), verdict, ())
    unknown = (
        *_missing_packs(statement["predicate"], pack),
        *(check for check in statement["predicate"]["checks"] if check not in pack.checks),
    )
    problems = () if unknown else tuple(_derived(run, statement, pack))
    return Verification(found, problems, unknown, verdict, tuple(_drift(run)))


def _elsewhere(path: Path, seal: Path | None) -> Path | None:
    """The folder of a seal that does not lie where a run has its own."""
    return None if seal is None or seal.resolve() == (path / SEAL).resolve() else seal


def _listed(run: Run) -> str | None:
    """The digest of seal.json as SHA256SUMS has it; None where that cannot be told (the bytes are looked at later)."""
    try:
        for _, line in run.lines(f"{SEAL}/{SUMS}"):
            value, _, name = line.partition("  ")
            if name == f"{SEAL}/{STATEMENT}":
                return digest.PREFIX + value
    except ReadError:
        pass
    return None


def _other_type(path: Path, name: str) -> str | None:
    """What to call a seal that another version of sealkit made and this one cannot judge."""
    try:
        statement = read_json.read(path, name, follow=False)
    except ReadError:
        return None  # the contract says what is wrong with it
    stated = statement.get("predicateType") if isinstance(statement, dict) else None
    if isinstance(stated, str) and stated.startswith("urn:sealkit:seal/") and stated != "urn:sealkit:seal/v1":
        return f"a seal of the type {stated}"
    return None


def _missing_packs(stated: Mapping[str, Any], pack: Pack) -> Iterator[str]:
    """The packs, and the tables of a project, by which the seal was judged and which are not at hand."""
    here = {record["name"] for record in pack.records()}
    for record in stated.get("packs", []):
        if record["name"] not in here:
            yield f"the pack {record['name']} {record['version']}, which is not here"


def _same_packs(stated: Mapping[str, Any], pack: Pack) -> bool:
    """Whether what a project added is, to the byte, what it was when the run was sealed. Ours counts by its version."""
    here = {record["name"]: record["digest"] for record in pack.records()}
    return all(here.get(record["name"]) == record["digest"] for record in stated.get("packs", [])[1:])


def _left_out(stated: Mapping[str, Any], pack: Pack) -> Iterator[Finding]:
    """Checks that the sealing version had and the seal does not name: leaving one out may not turn a no into a yes."""
    for check in (check for check in pack.checks.values() if check.id in pack.check_ids):
        if check.id not in stated["checks"] and _release(check.since) <= max(_release(stated["sealkit"]), FIRST):
            message = f"leaves out the check {check.id}, which sealkit {stated['sealkit']} has"
            yield _problem(f"{SEAL}/{STATEMENT}", message)
    named = {record["name"] for record in stated.get("packs", [])}
    for more in pack.more:
        for check_id in more.check_ids if more.name in named and _same_packs(stated, pack) else []:
            if check_id not in stated["checks"]:
                yield _problem(
                    f"{SEAL}/{STATEMENT}", f"leaves out the check {check_id}, which the pack {more.name} has"
                )


def _release(version: str) -> tuple[int, ...]:
    """The release part of a version (PEP 440): (0, 1, 0) of 0.1.0.dev0. What is no version counts as the newest."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else (10**9,)


def _problem(path: str, message: str) -> Finding:
    return Finding(message, Location(path), Severity.ERROR)


def _bytes(run: Run, statement: Mapping[str, Any], found: str) -> Iterator[Finding]:
    """Files that are missing, changed or unexpected, by name."""
    sealed = {subject["name"]: digest.PREFIX + subject["digest"]["sha256"] for subject in statement["subject"]}
    if len(sealed) != len(statement["subject"]):
        yield _problem(f"{SEAL}/{STATEMENT}", "names a subject twice")
    sealed[f"{SEAL}/{STATEMENT}"] = found
    here = set(run.files)
    sums = f"{SEAL}/{SUMS}"
    for name in sorted(sealed.keys() - here):
        yield _problem(name, "missing: it was sealed and is not here")
    for name in sorted(here - sealed.keys() - {sums}):
        yield _problem(name, "unexpected: it is here and was not sealed")
    if run.seal is not None and os.path.lexists(run.root / SEAL):
        yield _problem(SEAL, "unexpected: the run directory has a seal of its own, and another one was given")
    for name in sorted(sealed.keys() & here):
        try:
            if digest.file(run.place(name), name, follow=False) != sealed[name]:
                yield _problem(name, "changed: its bytes are not those that were sealed")
        except ReadError as error:
            yield _problem(name, f"changed: it {error.message}")
    if sums not in here:
        yield _problem(sums, "missing: it was sealed and is not here")
    elif not _is(run.place(sums), sums, digest.of_bytes(digest.sums(sealed).encode())):
        yield _problem(sums, "changed: it does not list the sealed files with their digests")


def _is(path: Path, name: str, expected: str) -> bool:
    try:
        return digest.file(path, name, follow=False) == expected
    except ReadError:
        return False


def _derived(run: Run, statement: Mapping[str, Any], pack: Pack) -> Iterator[Finding]:
    """Everything that the seal states, derived again; where it comes out otherwise is said by its place."""
    stated, run = statement["predicate"], replace(run, reference=sealed_reference(run))
    yield from _left_out(stated, pack)
    observed = run.document("observed")
    stored = run.contracts["report/v1"]
    broken, _ = stored.problems(run.place(f"{SEAL}/{REPORT}"), f"{SEAL}/{REPORT}")
    if broken or observed is None:
        yield _problem(f"{SEAL}/{REPORT if broken else OBSERVED}", "does not keep its contract")
        return
    checks = {name: pack.checks[name] for name in stated["checks"]}
    report = report_json.document(audit(run, checks, sealed=True))
    same_version = stated["sealkit"] == importlib.metadata.version("sealkit") and _same_packs(stated, pack)
    sealed_report = stored.read(run.place(f"{SEAL}/{REPORT}"), f"{SEAL}/{REPORT}")
    yield from _report_differences(sealed_report, report, same_version)
    for name, render in ((PAGE, page.render), (HTML, html.render)) if same_version else ():
        shown = digest.of_bytes(render(stated, sealed_report).encode())
        if not _is(run.place(f"{SEAL}/{name}"), f"{SEAL}/{name}", shown):
            yield _problem(f"{SEAL}/{name}", "does not say what the seal says: rendered again it is another page")
    digests = {subject["name"]: digest.PREFIX + subject["digest"]["sha256"] for subject in statement["subject"]}
    outside = {name: value for name, value in digests.items() if not name.startswith(f"{SEAL}/")}
    times = stated["sealed_at"], stated["sealkit"]
    derived = predicate(run, sealed_report, observed, outside, *times, stated.get("packs"))
    for where, said, got in _unequal(stated, derived, "/predicate"):
        yield Finding(
            f"{where}: the seal says {_short(said)}, derived again it is {_short(got)}",
            Location(f"{SEAL}/{STATEMENT}", pointer=where),
            Severity.ERROR,
        )


def _report_differences(sealed: Mapping[str, Any], derived: Mapping[str, Any], same_version: bool) -> Iterator[Finding]:
    where = f"{SEAL}/{REPORT}"
    if sealed["verdict"] != derived["verdict"] or sealed["exit_code"] != derived["exit_code"]:
        yield _problem(where, f"the seal says {sealed['verdict']}, judged again it is {derived['verdict']}")
    for key in ("run_id", "name"):
        if sealed[key] != derived[key]:
            yield _problem(where, f"{key}: the seal says {sealed[key]}, judged again it is {derived[key]}")
    for part in ("artifacts", "checks"):
        if len({outcome["id"] for outcome in sealed[part]}) != len(sealed[part]):
            yield _problem(where, f"tells an outcome of its {part} twice")
        before, after = ({o["id"]: o for o in report[part]} for report in (sealed, derived))
        for name in [*before, *(name for name in after if name not in before)]:
            said, got = before.get(name), after.get(name)
            if said is None or got is None or said["status"] != got["status"]:
                message = f"{name}: the seal says {said['status'] if said else 'nothing'}, judged again it is {got['status'] if got else 'gone'}"
                yield _problem(where, message + _reasons(got))
            elif same_version and said != got:
                yield _problem(where, f"{name}: judged again it says something else")


def _reasons(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return ""
    places = [
        f"{f['location']['path']}:{f['location']['line'] or '?'}: {f['message']}" for f in outcome["findings"][:3]
    ]
    return "".join(f"\n    {place}" for place in places) or (f" ({outcome['reason']})" if outcome["reason"] else "")


def _unequal(stated: Any, derived: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ; numbers may differ in their last digits, as libraries do."""
    if isinstance(stated, dict) and isinstance(derived, dict):
        for key in [*stated, *(key for key in derived if key not in stated)]:
            if not key.startswith("x-"):
                yield from _unequal(stated.get(key), derived.get(key), where + pointer(key))
    elif isinstance(stated, list) and isinstance(derived, list) and len(stated) == len(derived):
        for index, (left, right) in enumerate(zip(stated, derived, strict=True)):
            yield from _unequal(left, right, f"{where}/{index}")
    elif isinstance(stated, float) and isinstance(derived, float):
        if not math.isclose(stated, derived, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield where, stated, derived
    elif type(stated) is not type(derived) or stated != derived:
        yield where, stated, derived


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."


def _drift(run: Run) -> Iterator[Drift]:
    """The world now against the world that the seal observed. Never changes whether the seal holds."""
    then = run.document("observed")
    if then is None:
        return
    now_ = observe(Run(run.root, run.layout, run.contracts, run.metric_keys))
    before, after = then["repository"], now_["repository"]
    if before["commit"] is not None:
        if after["commit"] is None:
            yield Drift("repository", "not here", f"sealed at {before['commit']}; {after['reason']}")
        elif now_["run"]["relation"] == "unknown" and then["run"]["relation"] != "unknown":
            yield Drift("repository", "not here", f"sealed at {before['commit']}; another repository is here")
        elif after["commit"] == before["commit"]:
            yield Drift("repository", "same", f"at {before['commit']}")
        else:
            yield Drift("repository", "moved since", f"sealed at {before['commit']}, now at {after['commit']}")
    for model in now_["models"]:
        state = {"same": "same", "changed": "moved since", "missing": "not here"}[model["state"]]
        seen = f", now {model['weights']}" if model["state"] == "changed" else ""
        yield Drift(f"model {model['name']}", state, f"weights {model['recorded']}{seen}")
