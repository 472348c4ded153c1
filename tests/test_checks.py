"""Every check against the runs that lie beside it, in tests/checks/<check id>/{pass*,fail*}/.

A case holds the files in which its run differs from a whole one below tests/checks/_base. Its `case.json` may name the base
(`retrieval` where it says nothing) and the files to remove; a folder stands for all files below it. What lies in its folder `reference` makes it a run that is compared:
with the same base and those files over it. A base that is no run directory is a tree of another tool (`tree`): its matrix is the
folder that a layout recognises, and its repository has the `head` that case.json names, so that nothing depends on where the tests
are run. Beside a fail case lies `expected.txt`: the status, and the
text that the user sees.

    python -m tests.test_checks

writes checks/README.md, and an `expected.txt` where a fail case has none yet: read it before you commit it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sealkit import digest
from sealkit.audit import audit, judge
from sealkit.check import Check
from sealkit.finding import Outcome, Status, UsageError
from sealkit.pack import BUILT_IN
from sealkit.render import explain, text
from sealkit.rundir import Run, open_run
from sealkit.trees.audit import applicable, as_run, audit_tree, look_at
from sealkit.trees.recognise import Recognised, recognise

HERE = Path(__file__).parent / "checks"
README = HERE.parent.parent / "checks" / "README.md"
BASES = sorted(folder for folder in (HERE / "_base").iterdir() if (folder / "run_metadata.json").exists())
TREES = sorted(folder for folder in (HERE / "_base").iterdir() if folder not in BASES)
HEAD = "c0ffee0123456789abcdef0123456789abcdef01"  # of a tree's repository: the commit at which the base was made
CASES = sorted(case for folder in HERE.glob("[!_]*") if folder.is_dir() for case in folder.iterdir())
NOTES = ("case.json", "expected.txt")  # what a case says of itself, and no file of its run
REFERENCE = "reference"


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def cases(check_id: str, kind: str = "") -> list[Path]:
    return [case for case in CASES if case.parent.name == check_id and case.name.startswith(kind)]


def said(case: Path) -> dict[str, Any]:
    """What case.json says, with what it leaves out filled in."""
    note = case / "case.json"
    return {
        "base": "retrieval",
        "remove": [],
        "head": HEAD,
        **(json.loads(note.read_text("utf-8")) if note.exists() else {}),
    }


def overlay(case: Path) -> Iterator[str]:
    """The names of the files that a case puts over its base."""
    return (name for name in digest.walk(case) if name not in NOTES and not name.startswith(f"{REFERENCE}/"))


def build(case: Path, root: Path) -> Run:
    """The run of a case, whole: a copy of its base, less what it removes, and its own files over it."""
    note = said(case)
    shutil.copytree(HERE / "_base" / note["base"], root)
    for name in note["remove"]:
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
    for name in overlay(case):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(case / name, root / name)
    if note["base"] not in {base.name for base in BASES}:
        with contextlib.chdir(root):  # where the tests are run is a repository too
            return as_run(look_at(tree_in(root, note["head"])), BUILT_IN)
    if not (case / REFERENCE).is_dir():
        return opened(root)
    other = root.with_name(f"{root.name}-{REFERENCE}")
    shutil.copytree(HERE / "_base" / note["base"], other)
    shutil.copytree(case / REFERENCE, other, dirs_exist_ok=True)
    return replace(opened(root), reference=opened(other))


def opened(root: Path) -> Run:
    return open_run(root, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)


def tree_in(root: Path, head: str) -> Recognised:
    """The matrix in a workspace, which becomes a repository: its head is a commit that it does not hold."""
    for name in ("objects", "refs/heads"):
        (root / ".git" / name).mkdir(parents=True)
    (root / ".git/HEAD").write_text(f"{head}\n", "utf-8")
    (root / ".git/config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n", "utf-8")
    for folder in sorted(root.glob("*/*")):
        try:
            if folder.is_dir() and (found := recognise(folder, BUILT_IN)):
                return found
        except UsageError:
            continue
    raise LookupError(f"no layout recognises a folder of {root}")


def shown(outcome: Outcome) -> str:
    """What expected.txt holds of an outcome."""
    return f"status: {outcome.status}\n{text.outcome(outcome)}\n"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_case_comes_out_as_it_says(case: Path, tmp_path: Path) -> None:
    outcome = judge(build(case, tmp_path / "run"), BUILT_IN.checks[case.parent.name])
    if case.name.startswith("pass"):
        assert (outcome.status, outcome.findings) == (Status.PASSED, ()), shown(outcome)
    else:
        assert outcome.status in (Status.FAILED, Status.WARNED, Status.BLOCKED), shown(outcome)
        assert shown(outcome) == (case / "expected.txt").read_text("utf-8")


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_case_holds_what_differs_and_nothing_else(case: Path) -> None:
    assert case.parent.name in BUILT_IN.checks, "the folder is named after no check"
    assert case.name.startswith(("pass", "fail"))
    assert said(case).keys() == {"base", "remove", "head"}
    base = HERE / "_base" / said(case)["base"]
    same = [
        name
        for name in overlay(case)
        if (base / name).exists() and digest.file(base / name) == digest.file(case / name)
    ]
    assert not same, "these files are those of the base"
    assert (case / "expected.txt").exists() == case.name.startswith("fail")


@pytest.mark.parametrize("check_id", BUILT_IN.checks)
def test_a_check_has_both_kinds_of_case(check_id: str) -> None:
    assert cases(check_id, "pass")
    assert cases(check_id, "fail")


@pytest.mark.parametrize("check_id", BUILT_IN.checks)
def test_every_finding_that_a_check_can_yield_is_in_a_case(check_id: str, tmp_path: Path) -> None:
    source = Path(str(module(check_id).__file__))
    ran = lines_run(
        source, BUILT_IN.checks[check_id], (build(case, tmp_path / case.name) for case in cases(check_id, "fail"))
    )
    calls = (node for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.Call))
    yielded = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("Finding", "Blocked")]
    assert yielded
    unseen = [
        call.lineno for call in yielded if not ran & set(range(call.lineno, (call.end_lineno or call.lineno) + 1))
    ]
    assert not unseen, f"{source.name}: no fail case reaches these lines"


def lines_run(source: Path, check: Check, runs: Iterable[Run]) -> set[int]:
    """The lines of a check's file that run when these runs are judged."""
    ran: set[int] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != str(source):
            return None
        ran.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    for run in list(runs):
        sys.settrace(trace)
        try:
            judge(run, check)
        finally:
            sys.settrace(before)
    return ran


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_a_base_is_a_good_run(base: Path) -> None:
    run = opened(base)
    report = audit(run, BUILT_IN.checks)
    assert {str(outcome.status) for outcome in report.artifacts} == {"passed"}, text.render(report)
    for outcome in report.checks:
        absent = [kind for kind in BUILT_IN.checks[outcome.id].required if not run.all(kind)]
        assert outcome.status == (Status.SKIPPED if absent else Status.PASSED), text.render(report)


@pytest.mark.parametrize("base", TREES, ids=lambda base: base.name)
def test_a_tree_is_a_good_one(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "tree")
    place = tree_in(tmp_path / "tree", HEAD)
    report = audit_tree(look_at(place), BUILT_IN)
    assert {str(outcome.status) for outcome in (*report.artifacts, *report.checks)} == {"passed"}, text.render(report)
    on_trees = {check.id for check in BUILT_IN.checks.values() if "evidence" in check.kinds}
    assert set(applicable(BUILT_IN.checks, place.layout)) >= on_trees, "a check that no case of a tree can reach"


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_the_digests_that_a_base_records_are_those_of_its_files(base: Path) -> None:
    summary = opened(base).document("summary")
    made: dict[str, str] = {}
    for stage in summary["stages"]:
        for name, output in stage["outputs"].items():
            path = base / output["path"]
            assert output["digest"] == (digest.tree(path) if path.is_dir() else digest.file(path)), output["path"]
            made[f"{stage['name']}.{name}"] = output["digest"]
        wired = opened(base).document("resolved_config")["config"]["stages"][stage["name"]]["in"]
        assert stage["inputs"].keys() == wired.keys()
        for key, reference in wired.items():
            if reference in made and not reference.endswith(".model"):  # a model counts by its weights
                assert stage["inputs"][key] == made[reference], f"{stage['name']}.in.{key}"


def test_some_base_holds_an_artifact_of_every_kind_that_checks_read() -> None:
    held = {artifact.kind for base in BASES for artifact in opened(base).artifacts}
    read = {kind for check in BUILT_IN.checks.values() for kind in check.kinds}
    assert read - held <= {"observed", "evidence"}  # which are taken, and not written by a run


@pytest.mark.parametrize("check", BUILT_IN.checks.values(), ids=lambda check: check.id)
def test_a_check_explains_itself(check: Check) -> None:
    assert str(module(check.id).__doc__).strip().count("\n") == 0, "the docstring is one line"
    assert check.title and check.fix
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", check.since)
    assert re.search(r"[\w.-]+#[0-9]+|https://", check.why), "`why` names no source"
    assert check.required, "a check that requires nothing would judge every run"


@pytest.mark.parametrize("check", BUILT_IN.checks.values(), ids=lambda check: check.id)
def test_a_check_reads_kinds_that_there_are(check: Check) -> None:
    known = set(BUILT_IN.contracts)
    assert {f"{kind}/v{version}" for kind, version in check.versions.items()} <= known
    assert set(check.versions) == {kind.rstrip("?~") for kind in check.reads}


def test_the_readme_is_made_from_the_checks() -> None:
    assert README.read_text("utf-8") == explain.page(BUILT_IN.checks.values()), (
        "python -m tests.test_checks writes it again"
    )


def module(check_id: str) -> Any:
    return importlib.import_module(f"{BUILT_IN.check_package}.{check_id.replace('-', '_')}")


def write(scratch: Path) -> Iterator[Path]:
    """Write what is made: the page, and what fail cases look like that do not say so yet. Yields what was written."""
    README.write_text(explain.page(BUILT_IN.checks.values()), "utf-8", newline="\n")
    yield README
    for case in CASES:
        expected = case / "expected.txt"
        if case.name.startswith("fail") and not expected.exists():
            outcome = judge(build(case, scratch / case.parent.name / case.name), BUILT_IN.checks[case.parent.name])
            expected.write_text(shown(outcome), "utf-8", newline="\n")
            yield expected


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for written in write(Path(folder)):
            print(written)
