"""A tree of another tool, judged: what is promised, what is read, which checks are asked, and what the user sees."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sealkit.finding import Outcome, Report, Status, Verdict
from sealkit.pack import BUILT_IN
from sealkit.trees.audit import applicable, audit_tree, look_at
from sealkit.trees.recognise import recognise
from tests.sound_tree import MATRIX, TRAINING, rewrite, workspace

RUNS = f"{MATRIX}/runs"


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    return workspace(tmp_path)


def judged(matrix: Path) -> Report:
    place = recognise(matrix, BUILT_IN)
    assert place is not None
    with contextlib.chdir(matrix.parent.parent):
        return audit_tree(look_at(place), BUILT_IN)


def artifacts(report: Report, status: Status = Status.BLOCKED) -> dict[str, Outcome]:
    return {outcome.id: outcome for outcome in report.artifacts if outcome.status is status}


def check(report: Report, name: str) -> Outcome:
    return next(outcome for outcome in report.checks if outcome.id == name)


def end(matrix: Path, run: str, status: str) -> None:
    """The record of a run says how it ended."""
    rewrite(matrix / "matrix.json", lambda record: next(
        row for row in record["experiments"] if row["run_id"] == run).update(status=status))  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "experiments_resolved.yaml",
        "runs/m02/config.yaml",
        "runs/m02/config.resolved.yaml",
        "runs/m02/git_commit.txt",
        "runs/m02/summary.json",
        "runs/m02/metrics.json",
        "runs/m02/logs.txt",
    ],
)
def test_what_is_promised_and_absent_is_told_and_no_pass(matrix: Path, name: str) -> None:
    (matrix / name).unlink()
    report = judged(matrix)
    absent = artifacts(report)[f"{MATRIX}/{name}"]
    assert absent.reason == "promised by the layout seal-matrix/v1, and absent"
    assert report.verdict is Verdict.INCONCLUSIVE


def test_the_log_of_retrieval_is_promised_of_a_run_that_loads_a_model(matrix: Path) -> None:
    shutil.rmtree(matrix / "runs/m03_retrieval_full")
    assert judged(matrix).verdict is Verdict.PASS, "bm25 loads none"
    shutil.rmtree(matrix / "runs/m02_retrieval_full")
    assert list(artifacts(judged(matrix))) == [f"{RUNS}/m02_retrieval_*/logs.txt"]


@pytest.mark.parametrize("status", ["failed", "timeout", "running"])
def test_a_run_that_did_not_end_promises_nothing(matrix: Path, status: str) -> None:
    shutil.rmtree(matrix / "runs/m04")
    shutil.rmtree(matrix / "runs/m04_retrieval_full")
    assert len(artifacts(judged(matrix))) == 6
    end(matrix, "m04", status)
    report = judged(matrix)
    assert not artifacts(report)
    told = [outcome.id for outcome in report.checks if outcome.status is not Status.PASSED]
    assert (told, report.verdict) == (["matrix-runs-ended"], Verdict.WARNINGS)


def test_a_run_that_ended_by_the_word_of_another_tool_keeps_its_promises(matrix: Path) -> None:
    end(matrix, "m04", "SUCCESS")
    (matrix / "runs/m04/summary.json").unlink()
    assert list(artifacts(judged(matrix))) == [f"{RUNS}/m04/summary.json"]


def test_a_file_that_breaks_its_contract_fails_with_its_line(matrix: Path) -> None:
    rewrite(matrix / "runs/m02/summary.json", lambda summary: summary.update(metrics=[]))
    failed = artifacts(judged(matrix), Status.FAILED)[f"{RUNS}/m02/summary.json"]
    assert failed.findings[0].at.line


@pytest.mark.parametrize("name", ["runs/m02/config.resolved.yaml", "runs/m02/metrics.json"])
def test_a_file_that_cannot_be_read_is_told_with_its_place_and_no_pass(matrix: Path, name: str) -> None:
    (matrix / name).write_text('{"a": [1,\n', "utf-8")
    report = judged(matrix)
    (blocked,) = artifacts(report).values()
    assert (blocked.id, report.exit_code(False)) == (f"{MATRIX}/{name}", 3)
    assert blocked.findings[0].at.line is not None


def test_a_file_that_leads_out_of_the_tree_is_not_read(matrix: Path, tmp_path: Path) -> None:
    secret = tmp_path.with_name(f"{tmp_path.name}-outside.txt")
    secret.write_text("Load pretrained SentenceTransformer: elsewhere\n", "utf-8")
    log = matrix / "runs/m02_retrieval_full/logs.txt"
    log.unlink()
    log.symlink_to(secret)
    report = judged(matrix)
    assert list(artifacts(report)) == [f"{RUNS}/m02_retrieval_full/logs.txt"]
    assert "elsewhere" not in str(report)


def test_checks_are_asked_where_the_layout_can_tell_what_they_need() -> None:
    trees = {check.id for check in BUILT_IN.checks.values() if "evidence" in check.kinds}
    asked = {name: set(applicable(BUILT_IN.checks, layout)) for name, layout in BUILT_IN.tree_layouts.items()}
    assert asked["seal-matrix"] == trees
    # A matrix of ours has no config files of a workspace, and its trainings are judged as the runs that they are.
    assert trees - asked["native-matrix"] >= {"matrix-keys-of-today", "matrix-best-exported"}
    assert {"switch-without-effect", "matrix-models-agree", "matrix-runs-ended"} <= asked["native-matrix"]


def toolkit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sealkit.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def test_a_sound_tree_passes_and_says_which_layout_it_is_of(matrix: Path, tmp_path: Path) -> None:
    done = toolkit("check", MATRIX, "--strict", cwd=tmp_path)
    assert done.stderr.splitlines()[0] == "layout: seal-matrix/v1 (matrix.json:7 holds $.experiments)"
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verdict: PASS")
    (matrix / "matrix.json").write_text("{}", "utf-8")
    assert toolkit("check", MATRIX, cwd=tmp_path).returncode == 2


def loads_another(matrix: Path) -> None:
    """A run that loaded another model than its config says."""
    log = matrix / "runs/m02_retrieval_full/logs.txt"
    log.write_text(log.read_text("utf-8").replace("models/retriever_ft/20260105_120000_ab12cd", "other/model"), "utf-8")


def test_exit_codes_and_strict(matrix: Path, tmp_path: Path) -> None:
    (tmp_path / "configs/old.yaml").write_text("mode: dense\n", "utf-8")
    assert toolkit("check", MATRIX, cwd=tmp_path).returncode == 0
    assert toolkit("check", MATRIX, "--strict", cwd=tmp_path).returncode == 1
    (matrix / "runs/m03/git_commit.txt").unlink()
    assert toolkit("check", MATRIX, cwd=tmp_path).returncode == 3
    loads_another(matrix)
    assert toolkit("check", MATRIX, cwd=tmp_path).returncode == 1


WAIVED = """\
outputs/20260110_090000_ef34ab/runs/m02_retrieval_full/logs.txt:2: matrix-models-agree: warning: post_ft loaded other/model, and its \
resolved config says models/retriever_ft/20260105_120000_ab12cd (waived by Ada Byron until 2999-12-31: a renamed copy)
"""


def waivers(folder: Path, run: str = "2026*", expires: str = "2999-12-31") -> str:
    entry = {
        "check": "matrix-models-agree",
        "scope": {"run": run, "path": f"{RUNS}/m02_retrieval_full/*"},
        "owner": "Ada Byron",
        "reason": "a renamed copy",
        "expires": expires,
    }
    document = {"schema": "waivers/v1", "waivers": [entry]}
    (folder / "signed.yaml").write_text(json.dumps(document, indent=1), "utf-8")
    return "signed.yaml"


def test_a_waiver_names_the_matrix_and_a_path_below_the_workspace(matrix: Path, tmp_path: Path) -> None:
    loads_another(matrix)
    done = toolkit("check", MATRIX, "--waivers", waivers(tmp_path), cwd=tmp_path)
    assert WAIVED in done.stdout
    assert [done.returncode, toolkit("check", MATRIX, cwd=tmp_path).returncode] == [0, 1]


@pytest.mark.parametrize("other", [{"run": "another*"}, {"expires": "2020-01-01"}], ids=str)
def test_a_waiver_of_another_matrix_or_of_other_days_waives_nothing(
    matrix: Path, tmp_path: Path, other: dict[str, str]
) -> None:
    loads_another(matrix)
    assert toolkit("check", MATRIX, "--waivers", waivers(tmp_path, **other), cwd=tmp_path).returncode == 1


def test_a_project_hardens_and_softens_what_is_told_of_a_tree(matrix: Path, tmp_path: Path) -> None:
    (tmp_path / "configs/old.yaml").write_text("mode: dense\n", "utf-8")
    loads_another(matrix)
    severities = 'matrix-keys-of-today = "error"\nmatrix-models-agree = "warning"\n'
    (tmp_path / "pyproject.toml").write_text(f"[tool.sealkit.severities]\n{severities}", "utf-8")
    done = toolkit("check", MATRIX, cwd=tmp_path)
    assert done.returncode == 1
    assert "mode (hardened to error by the project's settings)" in done.stdout
    assert "ab12cd (softened to warning by the project's settings)" in done.stdout


def test_explain_tells_under_which_code_a_seal_lists_a_risk(tmp_path: Path) -> None:
    told = toolkit("explain", "matrix-best-exported", cwd=tmp_path).stdout
    assert "\nseverity  warning\nrisk      R2 " in told
    assert "\nrisk " not in toolkit("explain", "run-finished", cwd=tmp_path).stdout


def test_a_training_that_left_no_models_is_not_a_sound_tree(matrix: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "models")
    shutil.rmtree(tmp_path / TRAINING / "checkpoints")
    report = judged(matrix)
    told = {outcome.id for outcome in report.checks if outcome.status is Status.WARNED}
    assert (told, report.verdict) == ({"matrix-best-exported", "matrix-models-recorded"}, Verdict.WARNINGS)
    assert "taken on trust" in check(report, "matrix-best-exported").findings[0].message
