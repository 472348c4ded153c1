"""Verifies the seal of a matrix: every byte of its folder, then what its files say, the checks, the numbers and the pages."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealkit import digest
from sealkit.check import Check
from sealkit.derived import left_out, problem, report_differences, same_packs, short, unequal
from sealkit.drift import Drift
from sealkit.finding import Finding, Location, Outcome, ReadError, Report, Severity, Status, UsageError, Verdict
from sealkit.matrix_seal import numbers_of, state, texts
from sealkit.pack import BUILT_IN, Pack
from sealkit.render import json as report_json
from sealkit.rundir import SEAL, Run
from sealkit.seal import REPORT, STATEMENT
from sealkit.trees.audit import EVIDENCE, Tree, applicable, audit_tree, look_at
from sealkit.trees.recognise import Recognised, recognise
from sealkit.verify import Verification, bytes_differ, elsewhere, missing_packs, type_of, unjudgeable
from sealkit.write import canonical

CONTRACT = "matrix_seal/v1"
FIRST = (0, 2, 0)  # nothing older has made the seal of a matrix


def is_matrix_seal(folder: Path) -> bool:
    """Whether the seal in a folder says of itself that it is a matrix's."""
    stated = type_of(folder / STATEMENT, STATEMENT)
    return stated is not None and stated.startswith("urn:sealkit:matrix_seal/")


def verify_matrix(
    path: Path, expected: str | None = None, pack: Pack = BUILT_IN, seal: Path | None = None, layout: str | None = None
) -> Verification:
    """Find out whether the seal of a matrix still holds; what its evidence took from outside of its folder is told as drift.

    `expected` is the digest that `seal` printed, `seal` the folder of the seal where it lies elsewhere, `layout` the name or the file
    of the layout where the folder does not tell it. Raises UsageError where no layout recognises the folder.
    """
    run = Run(path, pack.layout(), pack.contracts, pack.metric_keys, seal=elsewhere(path, seal))
    name = f"{SEAL}/{STATEMENT}"
    found = digest.file(run.place(name), name, follow=False)
    problems, unknown = unjudgeable(run, found, expected, pack.contracts[CONTRACT])
    if problems or unknown:
        return Verification(found, problems, unknown, Verdict.INCONCLUSIVE, ())
    statement = pack.contracts[CONTRACT].read(run.place(name), name)
    stated = statement["predicate"]
    verdict = Verdict(stated["verdict"])
    try:
        if problems := tuple(bytes_differ(run, statement, found)):
            return Verification(found, problems, (), verdict, ())
        tree = recognise(path, pack, layout)
    except ReadError as error:
        return Verification(found, (problem(error.at.path, f"unexpected: it {error.message}"),), (), verdict, ())
    except UsageError as error:
        why = error.message.partition("\n")[0].removesuffix("; looked for")
        return Verification(found, (), (f"{_named(stated['layout'])}: {why}; give it with --layout",), verdict, ())
    unknown = (
        *missing_packs(stated, pack),
        *(check for check in stated["checks"] if check not in pack.checks),
        *_other_layout(stated["layout"], tree),
    )
    if unknown or tree is None:
        return Verification(found, (), unknown, verdict, ())
    now = look_at(tree, pack=pack)
    problems = tuple(_differences(run, statement, now, pack))
    document = _kept(run, EVIDENCE, pack)
    return Verification(found, problems, (), verdict, tuple(_drift(document, now.document)) if document else ())


def _other_layout(stated: Mapping[str, str], tree: Recognised | None) -> Iterator[str]:
    """The layout of the seal, where it is not the one that recognises the folder now."""
    here = {"id": tree.layout.id, "digest": tree.layout.digest} if tree else None
    if here != stated:
        yield f"{_named(stated)}: give it with --layout"


def _named(layout: Mapping[str, str]) -> str:
    return f"the layout {layout['id']} of the seal ({layout['digest']})"


def _differences(run: Run, statement: Mapping[str, Any], now: Tree, pack: Pack) -> Iterator[Finding]:
    """Everything that the seal states, derived again; where it comes out otherwise is said by its place."""
    stated = statement["predicate"]
    document, report = (_kept(run, name, pack) for name in (EVIDENCE, REPORT))
    for name, kept in ((EVIDENCE, document), (REPORT, report)):
        if kept is None:
            yield problem(f"{SEAL}/{name}", "does not keep its contract")
    if document is None or report is None:
        return
    yield from _said_otherwise(document, now.document)
    same = stated["sealkit"] == importlib.metadata.version("sealkit") and same_packs(stated, pack)
    yield from left_out(stated, pack, applicable(pack.checks, now.place.layout), FIRST)
    tree = replace(now, document=document)
    with ThreadPoolExecutor(1) as aside:
        checks = {name: pack.checks[name] for name in stated["checks"]}
        judged = aside.submit(_judged_again, tree, report, checks, pack)
        numbers = numbers_of(tree, _reference(stated), pack)
        again = judged.result()
    yield from report_differences(report, again, same)
    derived = state(tree, report, numbers, pack, stated["sealed_at"], stated["sealkit"], stated["packs"])
    for where, said, got in unequal(stated, derived, "/predicate"):
        message = f"{where}: the seal says {short(said)}, derived again it is {short(got)}"
        yield Finding(message, Location(f"{SEAL}/{STATEMENT}", pointer=where), Severity.ERROR)
    for name, text in texts(document, report, stated).items() if same else ():
        if not digest.matches(run.place(f"{SEAL}/{name}"), f"{SEAL}/{name}", digest.of_bytes(text.encode())):
            yield problem(f"{SEAL}/{name}", "does not say what the seal says: written again it is another text")


def _kept(run: Run, name: str, pack: Pack) -> Any:
    """A document of the seal; None for one that does not keep its contract."""
    contract = pack.contracts[f"{name.partition('.')[0]}/v1"]
    if contract.problems(run.place(f"{SEAL}/{name}"), f"{SEAL}/{name}")[0]:
        return None
    return contract.read(run.place(f"{SEAL}/{name}"), f"{SEAL}/{name}")


def _reference(stated: Mapping[str, Any]) -> str | None:
    comparison = stated["numbers"]["comparison"]
    return comparison["reference"] if comparison else None


def _said_otherwise(document: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Finding]:
    """What a file says is what the evidence has of it: every file of the matrix folder, and those outside that are as they were."""
    digests = [{one["at"]["path"]: one["at"]["digest"] for one in each["statements"]} for each in (document, now)]
    kept = {path for path in digests[0] if digests[0][path] and digests[0][path] == digests[1].get(path)}
    sealed, here = (
        {
            canonical(one): one
            for one in each["statements"]
            if one["at"]["path"] in kept or inside(document, one["at"]["path"])
        }
        for each in (document, now)
    )
    gone = [(sealed[text], "is not said") for text in sealed if text not in here]
    more = [(here[text], "is left out, and said") for text in here if text not in sealed]
    for one, word in (*gone[:3], *more[:3]):
        message = f"{one['of']} {one['id']}: {one['what']} {short(one['value'])} {word} by {one['at']['path']}"
        yield problem(f"{SEAL}/{EVIDENCE}", message)


def inside(document: Mapping[str, Any], path: str) -> bool:
    """Whether a path below the root is one of the matrix folder, whose bytes the seal binds."""
    return path.startswith(f"{document['matrix']}/")


def _judged_again(tree: Tree, sealed: Mapping[str, Any], checks: Mapping[str, Check], pack: Pack) -> dict[str, Any]:
    """The report, judged again on the sealed evidence; of files outside of the folder it has what the sealed report says of them."""
    again = report_json.document(audit_tree(tree, pack, checks))
    outside = [one for one in sealed["artifacts"] if not inside(tree.document, one["id"])]
    own = [one for one in again["artifacts"] if inside(tree.document, one["id"])]
    artifacts = sorted([*own, *outside], key=lambda one: str(one["id"]))
    judged = [Outcome(one["id"], one["title"], Status(one["status"])) for one in [*artifacts, *again["checks"]]]
    whole = Report(None, again["name"], tuple(judged), ())
    return {**again, "artifacts": artifacts, "verdict": str(whole.verdict), "exit_code": whole.exit_code()}


def _drift(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Drift]:
    """How what lies outside of the matrix folder stands now to what the seal observed."""
    before, after = then["repository"]["commit"], now["repository"]["commit"]
    if before is not None:
        state = "not here" if after is None else "same" if after == before else "moved since"
        yield Drift("repository", state, f"sealed at {before}" + (f", now at {after}" if after != before else ""))
    files = [
        {one["at"]["path"]: one["at"]["digest"] for one in each["statements"] if not inside(then, one["at"]["path"])}
        for each in (then, now)
    ]
    for path in sorted(name for name, value in files[0].items() if value):
        state = "not here" if path not in files[1] else "same" if files[1][path] == files[0][path] else "moved since"
        yield Drift(f"file {path}", state, files[0][path])
    if new := sorted(files[1].keys() - files[0].keys()):
        yield Drift(
            "other files", "moved since", f"{len(new)} that said nothing when it was sealed, {new[0]} the first"
        )
    models = {one["path"]: one["weights"] for one in now["models"]}
    for model in then["models"]:
        if model["weights"] is not None:
            weights = models.get(model["path"])
            state = "not here" if weights is None else "same" if weights == model["weights"] else "moved since"
            seen = f", now {weights}" if state == "moved since" else ""
            yield Drift(f"model {model['path']}", state, f"weights {model['weights']}{seen}")
