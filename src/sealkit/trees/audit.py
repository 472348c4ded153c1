"""Judges a tree: each file against what its tool promises, and every check on the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sealkit import policy
from sealkit.audit import judge, judge_artifact
from sealkit.check import Check
from sealkit.finding import Finding, Outcome, ReadError, Report, Severity, Status
from sealkit.layout import Layout, Rule
from sealkit.observe import Found, observe
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy, recorded
from sealkit.read import json
from sealkit.rundir import SEAL, Run, open_run
from sealkit.trees import runs as runs_of_tree
from sealkit.trees.evidence import Evidence
from sealkit.trees.gather import FOLDERS, Gathered
from sealkit.trees.layout import Source, TreeLayout, fill
from sealkit.trees.observe import observe_tree
from sealkit.trees.recognise import Recognised

EVIDENCE = "evidence.json"


@dataclass(frozen=True)
class Tree:
    """A tree as it is judged: where it is, what it says (`evidence/v1`), and the files that said it."""

    place: Recognised
    document: Mapping[str, Any]
    gathered: Gathered

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.document)


def look_at(place: Recognised, policy: Policy = NO_POLICY, pack: Pack = BUILT_IN) -> Tree:
    """Observe a tree, to judge it, and the run directories of ours that it holds."""
    document, gathered = observe_tree(place, policy)
    models: Found = {}
    runs = {
        path: observe(open_run(place.root / path, pack.layout(), pack.contracts, pack.metric_keys), policy, models)
        for path in run_folders(gathered)
        if not (place.root / path / SEAL).exists()
    }
    return Tree(place, {**document, "runs": runs}, gathered)


def sealed_policy(place: Recognised) -> Policy:
    """The policy of the seal of a matrix, which it is judged by; none where the seal cannot be read (verify says why)."""
    path = place.folder / SEAL / EVIDENCE
    try:
        document = json.read(path, f"{SEAL}/{EVIDENCE}", follow=False)
    except ReadError:
        return NO_POLICY
    return recorded(document.get("policy")) if isinstance(document, dict) else NO_POLICY


def run_folders(gathered: Gathered) -> list[str]:
    """The run directories of ours in a tree, by their paths below its root."""
    native = BUILT_IN.layout().recognised_by
    folders = [file for source, found in gathered.files if source.media == "run" for file in found]
    return [file.path for file in folders if (file.place / native).is_file()]


def audit_tree(tree: Tree, pack: Pack, checks: Mapping[str, Check] | None = None) -> Report:
    """Judge a tree by the policy that was observed with it; by these checks, or all that have something to say of its layout."""
    name = tree.place.matrix.rpartition("/")[2]
    run = as_run(tree, pack)
    return Report(
        run_id=None,
        name=name,
        artifacts=tuple(sorted(_artifacts(tree, run, pack), key=lambda outcome: outcome.id)),
        checks=judge_checks(
            run, tree.document, name, applicable(pack.checks, tree.place.layout) if checks is None else checks
        ),
    )


def judge_checks(run: Run, document: Mapping[str, Any], name: str, checks: Mapping[str, Check]) -> tuple[Outcome, ...]:
    """How each check comes out on the evidence of a tree, by the policy in it."""
    kept, today = policy.recorded(document["policy"]), document["observed_at"][:10]
    return tuple(kept.apply(judge(run, check), check.severity, name, today) for check in checks.values())


def applicable(checks: Mapping[str, Check], layout: TreeLayout) -> dict[str, Check]:
    """The checks that can have something to say of a layout: it can hold every kind, and tell every field, that they require."""
    return {
        name: check
        for name, check in checks.items()
        if layout.kinds.issuperset(check.required) and layout.fields.issuperset(check.needs)
    }


def as_run(tree: Tree, pack: Pack) -> Run:
    """The tree as checks see it: its evidence, and the files that are under a contract."""
    rules = [
        Rule(_literally(file.path), source.contract, None)
        for source, found in tree.gathered.files
        for file in found
        if source.contract
    ]
    evidence = f"{tree.place.matrix}/{SEAL}/{EVIDENCE}"
    layout = Layout(tree.place.layout.id, "", (*rules, Rule(_literally(evidence), "evidence/v1", None)))
    names = tuple(sorted({file.path for _, found in tree.gathered.files for file in found if file.place.is_file()}))
    return Run(
        tree.place.root, layout, pack.contracts, pack.metric_keys, virtual={evidence: tree.document}, listed=names
    )


def _literally(path: str) -> str:
    """A path as a glob that matches it and nothing else."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _artifacts(tree: Tree, run: Run, pack: Pack) -> Iterator[Outcome]:
    """One outcome for each file of the layout, each that could not be looked at, and each that is promised and absent."""
    unread = {error.at.path: error for error in tree.gathered.unread}
    for source, found in tree.gathered.files:
        for file in found:
            if source.media in FOLDERS:
                continue
            artifact = run.by_path(file.path) if source.contract else None
            if artifact is not None:
                yield judge_artifact(run, artifact)
            elif file.path in unread:
                yield _unreadable(unread.pop(file.path), run, source.media)
            else:
                yield Outcome(file.path, source.media, Status.PASSED)
        for path in _absent(tree, source, [file.names for file in found]):
            reason = f"promised by the layout {tree.place.layout.id}, and absent"
            yield Outcome(path, source.contract or source.media, Status.BLOCKED, reason=reason, fix="put it back")
    ended = {
        one.id for one in tree.evidence.all("run", what="ended")
    }  # one that did not end does not count: a check tells it
    folders = {path: tree.place.root / path for path in run_folders(tree.gathered) if path.rpartition("/")[2] in ended}
    yield from runs_of_tree.judge(folders, tree.document["runs"], pack)
    known = {artifact.path for artifact in run.artifacts}
    for path, error in unread.items():
        if path not in known:
            yield _unreadable(error, run, "folder")


def _unreadable(error: ReadError, run: Run, title: str) -> Outcome:
    """What our readers refuse need not be wrong with the tool that wrote it: it is not judged, and no pass."""
    finding = Finding(error.message, run.concrete(error.at), Severity.ERROR, fix=error.fix)
    return Outcome(error.at.path, title, Status.BLOCKED, (finding,), error.message, error.fix)


def _absent(tree: Tree, source: Source, found: list[Mapping[str, str]]) -> Iterator[str]:
    """The paths (or patterns) of what a source promises and the tree does not hold."""
    promise, layout = source.promised, tree.place.layout
    if promise is None:
        return
    if promise.of is None:
        if not found:
            yield fill(source.path, tree.place.names)
        return
    there = {names.get(promise.of) for names in found}
    for id in tree.evidence.ids(promise.of):
        if id not in there and ended(tree.evidence, layout, promise.of, id) and _holds(tree.evidence, source, id):
            yield fill(source.path, {**tree.place.names, promise.of: id})


def ended(evidence: Evidence, layout: TreeLayout, of: str, id: str) -> bool:
    """Whether a thing came to its end by what is said of it; a run that the matrix does not list is not promised anything."""
    status = evidence.text(of, id, "status")
    if of == "run" and not evidence.all("run", id, "label"):
        return False
    return status is None or not layout.ended or status.lower() in layout.ended


def _holds(evidence: Evidence, source: Source, id: str) -> bool:
    promise = source.promised
    if promise is None or promise.of is None or promise.what is None:
        return True
    said = evidence.one(promise.of, id, promise.what)
    return said is not None and said.value in promise.values
