"""Observes the world, states what was judged, seals the run, and verifies a seal by doing all of it again."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import delta, digest, lineage, measures, world, write
from sealkit.audit import audit
from sealkit.finding import EXIT_CODES, Finding, Location, ReadError, Report, SealkitError, Severity, UsageError, Verdict
from sealkit.pack import BUILT_IN, Pack
from sealkit.pipeline import now
from sealkit.read import json as read_json
from sealkit.render import json as report_json
from sealkit.render import seal as page
from sealkit.rundir import Run, open_run, workspace

FOLDER, STATEMENT, SUMS, OBSERVED, REPORT, PAGE, REFERENCE = (
    "seal", "seal.json", "SHA256SUMS", "observed.json", "report.json", "SEAL.md", "reference"
)  # fmt: skip
TOLERANCE = 1e-9
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


def look(path: Path, pack: Pack = BUILT_IN) -> Run:
    """Open a run for judging: a sealed one with what its seal observed, another with the world as it is now."""
    run = open_run(path, pack.layout(), pack.contracts, pack.metric_keys)
    if (path / FOLDER / OBSERVED).exists():
        return run
    return run.with_documents({f"{FOLDER}/{OBSERVED}": observe(run)})


def check(path: Path, pack: Pack = BUILT_IN) -> Report:
    """Judge a run directory as it lies there; writes nothing."""
    run = look(path, pack)
    return audit(run, pack.checks, sealed=(path / FOLDER).exists())


def observe(run: Run) -> dict[str, Any]:
    """What lies outside the run, as an `observed/v1` document. Nothing is fetched."""
    metadata = run.document("run_metadata") or {"git": {"commit": None}, "models": [], "run_id": "unknown"}
    commit = metadata["git"]["commit"]
    place, repository = world.find_repository([workspace(run.root), Path.cwd()], commit)
    trainings = {
        manifest.document["training"]["run_id"]: manifest.document["training"]["commit"]
        for manifest in lineage.manifests(run)
        if manifest.document["training"]
    }

    def related(other: str | None) -> dict[str, Any]:
        return {"commit": other, "relation": world.ancestry(place, other, repository.commit)}

    return {
        "schema": "observed/v1",
        "observed_at": now(),
        "repository": repository.document(),
        "run": related(commit),
        "training": [{"run_id": run_id, **related(other)} for run_id, other in sorted(trainings.items())],
        "models": [
            *(_observed_model(model["name"], "named", model["weights"], Path.cwd()) for model in metadata["models"]),
            *(
                _observed_model(m.document["exported_to"], "exported", m.document["weights"], workspace(run.root))
                for m in lineage.exported(run)
            ),
        ],
    }


def _observed_model(name: str, role: str, recorded: str, base: Path) -> dict[str, Any]:
    try:
        found = world.model(name, base, fetch=False)
    except SealkitError:
        return {"name": name, "role": role, "recorded": recorded, "state": "missing", "weights": None, "tree": None}
    state = "same" if found.weights.digest == recorded else "changed"
    return {"name": name, "role": role, "recorded": recorded, "state": state, "weights": found.weights.digest, "tree": found.tree}


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
        try:
            times = (standing["observed_at"], standing["sealed_at"]) if standing else (now(), now())
            report = _compose(run, compared, partial, times, pack)
            if standing:
                _refuse_other(target, partial)
            else:
                write.sync_tree(partial)
                os.rename(partial, target)
                write.sync_folder(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except PermissionError as error:
        raise UsageError(f"{path}: cannot write the seal: {error.strerror}", "seal where you may write") from error
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
        raise UsageError(f"{target}: there is something already that is no readable seal: {error}", "move it away") from error


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
    statement = predicate(unsealed, document, observed, reference, digests, times[1], importlib.metadata.version("sealkit"))
    (folder / PAGE).write_text(page.render(statement, document), "utf-8", newline="\n")
    digests |= {f"{FOLDER}/{name}": value for name, value in digest.files(folder, digest.walk(folder)).items()}
    changed = [name for name in outside if _stamp(run.root / name) != before[name]]
    if changed:
        raise UsageError(f"{run.root / changed[0]}: changed while it was being sealed", "seal when nothing writes to the run")
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
        "subject": [{"name": name, "digest": {"sha256": digests[name].removeprefix(digest.PREFIX)}} for name in sorted(digests)],
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
) -> dict[str, Any]:
    """What the seal states, all of it derived from the run, the report and what was observed."""
    metadata, summary = run.document("run_metadata") or {}, run.document("summary") or {}
    return {
        "schema": "seal/v1",
        "sealkit": version,
        "sealed_at": sealed_at,
        "run": {
            "run_id": metadata.get("run_id", "unknown"),
            "name": metadata.get("name", "unknown"),
            "status": summary.get("status", "failed"),
            "purpose": metadata.get("purpose", "unknown"),
            "seed": metadata.get("seed", 0),
            "config": digests.get("resolved_config.json", digest.of_bytes(b"")),
            "command": metadata.get("command", []),
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
            {"path": a.path, "contract": a.contract.id, "digest": digests[a.path]} for a in run.artifacts if a.path in digests
        ],
        "lineage": lineage.lines(run, reference),
        "reference": _reference(reference),
        "deltas": _deltas(run, reference),
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


def _deltas(run: Run, reference: Run | None) -> dict[str, Any] | None:
    """The paired comparison with the reference, from rankings and judgments of both; else what differs."""
    if reference is None:
        return None
    seed = int((run.document("run_metadata") or {}).get("seed", 0))
    found = {"method": delta.METHOD, "seed": seed, "resamples": delta.RESAMPLES, "differs": list(_differs(run, reference)), "rows": []}
    if not found["differs"]:
        pre, post = dict(_per_query(reference)), dict(_per_query(run))
        found["rows"] = [delta.compare(key, pre[key], post[key], seed).document() for key in post if key in pre]
    return found


def _differs(run: Run, reference: Run) -> Iterator[str]:
    """Why two runs cannot be compared query by query, in words."""
    for one, name in ((run, "the run"), (reference, "the reference")):
        if (one.document("summary") or {}).get("status") != "ok":
            yield f"{name} did not come to its end"
            return
        broken = [a.path for a in one.artifacts if a.kind in ("rankings", "qrels", "search_manifest") and a.problems]
        if broken:
            yield f"{name} has artifacts that break their contracts: {', '.join(broken)}"
            return
    ours, theirs = dict(_evaluations(run)), dict(_evaluations(reference))
    if not ours.keys() & theirs.keys():
        yield f"no query set in common: the run has {', '.join(ours) or 'none'}, the reference {', '.join(theirs) or 'none'}"
        return
    for subset in ours.keys() & theirs.keys():
        for what in ("judgments", "queries"):
            if ours[subset][what] != theirs[subset][what]:
                yield f"other {what} of {subset}: {theirs[subset][what]} in the reference, {ours[subset][what]} in the run"
        if not set(ours[subset]["measures"]) & set(theirs[subset]["measures"]):
            yield f"no measure in common on {subset}"


def _evaluations(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each evaluated query set: what it was measured on, by digest, and with which measures."""
    for _, stage in run.wired("rankings", "qrels"):
        rankings, qrels = run.produced(stage["in"]["rankings"]), run.produced(stage["in"]["qrels"])
        if rankings is None or qrels is None:
            continue
        search = run.produced(stage["in"]["rankings"].split(".")[0] + ".search_manifest")
        queries = search.document["queries"]["digest"] if search else None
        yield stage["with"]["subset"], {
            "judgments": run.digest(qrels.path),
            "queries": queries,
            "measures": stage["with"]["measures"],
            "rankings": rankings,
            "qrels": qrels,
        }


def _per_query(run: Run) -> Iterator[tuple[str, dict[str, float]]]:
    """Metric key → query_id → value, derived again from rankings and judgments."""
    for subset, found in _evaluations(run):
        judged = measures.judgments(row for _, row in found["qrels"].rows())
        ranked = measures.by_query(row for _, row in found["rankings"].rows())
        for measure, values in measures.per_query(found["measures"], ranked, judged).items():
            yield f"retrieval/{subset}/{measure}", values


def verify(path: Path, expected: str | None = None, pack: Pack = BUILT_IN) -> Verification:
    """Find out whether a seal still holds: every byte, then everything that was derived from them.

    `expected` is the digest that `seal` printed. Raises UsageError where there is no such folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such run directory", "give the folder that was sealed")
    if expected is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", expected):
        raise UsageError(f"--digest {expected}: expected sha256: and 64 hex digits", "give what `toolkit seal` printed")
    name = f"{FOLDER}/{STATEMENT}"
    if not (path / name).is_file():
        return Verification(None, (), (), Verdict.INCONCLUSIVE, ())
    found = digest.file(path / name, name, follow=False)
    contract = pack.contracts["seal/v1"]
    problems = [] if expected in (None, found) else [_problem(name, f"its digest is {found}, not the given {expected}")]
    broken, judged = contract.problems(path / name, name) if not problems else ([], True)
    problems += [_problem(name, finding.message) for finding in broken]
    if not judged:
        return Verification(found, (), tuple(finding.message for finding in broken), Verdict.INCONCLUSIVE, ())
    if problems:
        return Verification(found, tuple(problems), (), Verdict.INCONCLUSIVE, ())
    statement = contract.read(path / name, name)
    verdict = Verdict(statement["predicate"]["verdict"])
    problems = list(_bytes(path, statement, found))
    if problems:
        return Verification(found, tuple(problems), (), verdict, ())
    unknown = tuple(check for check in statement["predicate"]["checks"] if check not in pack.checks)
    run = open_run(path, pack.layout(), pack.contracts, pack.metric_keys)
    if not unknown:
        problems = list(_derived(run, statement, pack))
    return Verification(found, tuple(problems), unknown, verdict, tuple(_drift(run)))


def _problem(path: str, message: str) -> Finding:
    return Finding(message, Location(path), Severity.ERROR)


def _bytes(path: Path, statement: Mapping[str, Any], found: str) -> Iterator[Finding]:
    """Files that are missing, changed or unexpected, by name."""
    sealed = {subject["name"]: digest.PREFIX + subject["digest"]["sha256"] for subject in statement["subject"]}
    if len(sealed) != len(statement["subject"]):
        yield _problem(f"{FOLDER}/{STATEMENT}", "names a subject twice")
    sealed[f"{FOLDER}/{STATEMENT}"] = found
    here = set(digest.walk(path))
    sums = f"{FOLDER}/{SUMS}"
    for name in sorted(sealed.keys() - here):
        yield _problem(name, "missing: it was sealed and is not here")
    for name in sorted(here - sealed.keys() - {sums}):
        yield _problem(name, "unexpected: it is here and was not sealed")
    for name in sorted(sealed.keys() & here):
        try:
            if digest.file(path / name, name, follow=False) != sealed[name]:
                yield _problem(name, "changed: its bytes are not those that were sealed")
        except ReadError as error:
            yield _problem(name, f"changed: it {error.message}")
    if sums not in here:
        yield _problem(sums, "missing: it was sealed and is not here")
    elif not (path / sums).is_file() or (path / sums).is_symlink() or (path / sums).read_bytes() != digest.sums(sealed).encode():
        yield _problem(sums, "changed: it does not list the sealed files with their digests")


def _derived(run: Run, statement: Mapping[str, Any], pack: Pack) -> Iterator[Finding]:
    """Everything that the seal states, derived again; where it comes out otherwise is said by its place."""
    stated = statement["predicate"]
    observed = run.document("observed")
    stored = run.contracts["report/v1"]
    broken, _ = stored.problems(run.root / FOLDER / REPORT, f"{FOLDER}/{REPORT}")
    if broken or observed is None:
        yield _problem(f"{FOLDER}/{REPORT if broken else OBSERVED}", "does not keep its contract")
        return
    report = report_json.document(audit(run, {name: pack.checks[name] for name in stated["checks"]}, sealed=True))
    same_version = stated["sealkit"] == importlib.metadata.version("sealkit")
    sealed_report = stored.read(run.root / FOLDER / REPORT, f"{FOLDER}/{REPORT}")
    yield from _report_differences(sealed_report, report, same_version)
    excerpt = run.root / FOLDER / REFERENCE
    reference = Run(excerpt, run.layout, run.contracts, run.metric_keys) if excerpt.is_dir() else None
    digests = {subject["name"]: digest.PREFIX + subject["digest"]["sha256"] for subject in statement["subject"]}
    outside = {name: value for name, value in digests.items() if not name.startswith(f"{FOLDER}/")}
    derived = predicate(run, sealed_report, observed, reference, outside, stated["sealed_at"], stated["sealkit"])
    for where, said, got in _unequal(stated, derived, "/predicate"):
        yield Finding(
            f"{where}: the seal says {_short(said)}, derived again it is {_short(got)}",
            Location(f"{FOLDER}/{STATEMENT}", pointer=where),
            Severity.ERROR,
        )


def _report_differences(sealed: Mapping[str, Any], derived: Mapping[str, Any], same_version: bool) -> Iterator[Finding]:
    where = f"{FOLDER}/{REPORT}"
    if sealed["verdict"] != derived["verdict"] or sealed["exit_code"] != derived["exit_code"]:
        yield _problem(where, f"the seal says {sealed['verdict']}, judged again it is {derived['verdict']}")
    for part in ("artifacts", "checks"):
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
    places = [f"{f['location']['path']}:{f['location']['line'] or '?'}: {f['message']}" for f in outcome["findings"][:3]]
    return "".join(f"\n    {place}" for place in places) or (f" ({outcome['reason']})" if outcome["reason"] else "")


def _unequal(stated: Any, derived: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ; numbers may differ in their last digits, as libraries do."""
    if isinstance(stated, dict) and isinstance(derived, dict):
        for key in [*stated, *(key for key in derived if key not in stated)]:
            if not key.startswith("x-"):
                yield from _unequal(stated.get(key), derived.get(key), f"{where}/{key.replace('~', '~0').replace('/', '~1')}")
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
        elif after["commit"] == before["commit"]:
            yield Drift("repository", "same", f"at {before['commit']}")
        else:
            yield Drift("repository", "moved since", f"sealed at {before['commit']}, now at {after['commit']}")
    for model in now_["models"]:
        state = {"same": "same", "changed": "moved since", "missing": "not here"}[model["state"]]
        seen = f", now {model['weights']}" if model["state"] == "changed" else ""
        yield Drift(f"model {model['name']}", state, f"weights {model['recorded']}{seen}")
