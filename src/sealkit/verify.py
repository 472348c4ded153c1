"""Verifies a seal: every byte again, then everything that was derived from them; the world outside is told apart."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.contract import Contract
from sealkit.derived import differences, problem
from sealkit.drift import Drift, since_sealed
from sealkit.finding import EXIT_CODES, Finding, ReadError, UsageError, Verdict
from sealkit.pack import BUILT_IN, Pack
from sealkit.read import json as read_json
from sealkit.rundir import SEAL, Run
from sealkit.seal import STATEMENT, SUMS


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
    run = Run(path, pack.layout(), pack.contracts, pack.metric_keys, seal=elsewhere(path, seal))
    if not run.place(SEAL).exists() and expected is None:
        return Verification(None, (), (), Verdict.INCONCLUSIVE, ())
    try:
        found = digest.file(run.place(name), name, follow=False)
    except ReadError as error:
        return Verification(None, (problem(name, f"missing: it {error.message}"),), (), Verdict.INCONCLUSIVE, ())
    contract = pack.contracts["seal/v1"]
    problems, unknown = unjudgeable(run, found, expected, contract)
    if problems or unknown:
        return Verification(found, problems, unknown, Verdict.INCONCLUSIVE, ())
    statement = contract.read(run.place(name), name)
    verdict = Verdict(statement["predicate"]["verdict"])
    try:
        if problems := tuple(bytes_differ(run, statement, found)):
            return Verification(found, problems, (), verdict, ())
    except ReadError as error:
        return Verification(found, (problem(error.at.path, f"unexpected: it {error.message}"),), (), verdict, ())
    unknown = (
        *missing_packs(statement["predicate"], pack),
        *(check for check in statement["predicate"]["checks"] if check not in pack.checks),
    )
    problems = () if unknown else tuple(differences(run, statement, pack))
    return Verification(found, problems, unknown, verdict, tuple(since_sealed(run)))


def unjudgeable(
    run: Run, found: str, expected: str | None, contract: Contract
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """What keeps seal.json itself, whose digest is `found`, from being judged: problems, and what this version cannot know."""
    name = f"{SEAL}/{STATEMENT}"
    if expected not in (None, found):
        return (problem(name, f"its digest is {found}, not the given {expected}"),), ()
    if (listed := _listed(run)) not in (None, found):
        return (problem(name, f"changed: its digest is {found}, {SEAL}/{SUMS} lists {listed}"),), ()
    if other := _other_type(run.place(name), name, contract.id):
        return (), (other,)
    broken, judged = contract.problems(run.place(name), name)
    if not judged:
        return (), tuple(finding.message for finding in broken)
    return tuple(problem(name, finding.message) for finding in broken), ()


def elsewhere(path: Path, seal: Path | None) -> Path | None:
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


def _other_type(path: Path, name: str, wanted: str) -> str | None:
    """What to call a seal that another version of sealkit made and this one cannot judge."""
    stated = type_of(path, name)
    family = f"urn:sealkit:{wanted.partition('/')[0]}/"
    if stated is not None and stated.startswith(family) and stated != f"urn:sealkit:{wanted}":
        return f"a seal of the type {stated}"
    return None


def type_of(path: Path, name: str) -> str | None:
    """What a seal says that it is: its predicate type; None where that cannot be told (its contract says what is wrong)."""
    try:
        statement = read_json.read(path, name, follow=False)
    except ReadError:
        return None
    stated = statement.get("predicateType") if isinstance(statement, dict) else None
    return stated if isinstance(stated, str) else None


def missing_packs(stated: Mapping[str, Any], pack: Pack) -> Iterator[str]:
    """The packs, and the tables of a project, by which the seal was judged and which are not at hand."""
    here = {record["name"] for record in pack.records()}
    for record in stated.get("packs", []):
        if record["name"] not in here:
            yield f"the pack {record['name']} {record['version']}, which is not here"


def bytes_differ(run: Run, statement: Mapping[str, Any], found: str) -> Iterator[Finding]:
    """Files that are missing, changed or unexpected, by name."""
    sealed = {subject["name"]: digest.PREFIX + subject["digest"]["sha256"] for subject in statement["subject"]}
    if len(sealed) != len(statement["subject"]):
        yield problem(f"{SEAL}/{STATEMENT}", "names a subject twice")
    sealed[f"{SEAL}/{STATEMENT}"] = found
    here = set(run.files)
    sums = f"{SEAL}/{SUMS}"
    for name in sorted(sealed.keys() - here):
        yield problem(name, "missing: it was sealed and is not here")
    for name in sorted(here - sealed.keys() - {sums}):
        yield problem(name, "unexpected: it is here and was not sealed")
    if run.seal is not None and os.path.lexists(run.root / SEAL):
        yield problem(SEAL, "unexpected: the run directory has a seal of its own, and another one was given")
    for name in sorted(sealed.keys() & here):
        try:
            if digest.file(run.place(name), name, follow=False) != sealed[name]:
                yield problem(name, "changed: its bytes are not those that were sealed")
        except ReadError as error:
            yield problem(name, f"changed: it {error.message}")
    if sums not in here:
        yield problem(sums, "missing: it was sealed and is not here")
    elif not digest.matches(run.place(sums), sums, digest.of_bytes(digest.sums(sealed).encode())):
        yield problem(sums, "changed: it does not list the sealed files with their digests")
