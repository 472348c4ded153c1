"""`toolkit run` and its neighbours with a matrix document: what a user types and reads, word for word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.test_cli import toolkit

BASE = """\
schema: pipeline/v1
run: {name: base}
stages:
  make:
    uses: process.command
    with:
      run: [sh, -c, 'printf "{\\"query_id\\": \\"q\\", \\"doc_id\\": \\"d\\", \\"relevance\\": 1}\\n" > {out.qrels}']
      outputs: {qrels: qrels/v1}
      code: [base.yaml]
"""
MATRIX = """\
schema: matrix_config/v1
matrix: {name: two}
base: base.yaml
experiments:
  - {label: well}
  - {label: seven, overrides: ["stages.make.with.run=[sh, -c, exit 7]"]}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "two.yaml").write_text(MATRIX)
    return tmp_path


SAID = """\
well: begins, 1 of 2
well: make: Run a command
well: make: done in 0.0 s
well: verdict: PASS (with warnings) (16 passed, 2 warned, 11 skipped)
seven: begins, 2 of 2
seven: make: Run a command
seven: stage make stopped: it raised CommandFailed: `sh` ended with exit code 7; it printed nothing; what it wrote lies in outputs/two/runs/seven/quarantine/make
run    came out              seconds
well   PASS (with warnings)      0.0
seven  failed                    0.0  stage make stopped: it raised CommandFailed: `sh` ended with exit code 7; it printed nothing; what it wrote lies in outputs/two/runs/seven/quarantine/make
"""


def plain(text: str) -> str:
    """Without what another machine, or another check, would change."""
    return re.sub(r"\d+\.\d", "0.0", re.sub(r"\d+ (passed|skipped)", r"N \1", text))


def test_a_matrix_says_of_every_run_how_it_came_out(place: Path) -> None:
    done = toolkit("run", "two.yaml")
    assert (done.returncode, done.stdout) == (4, "outputs/two\n")
    assert plain(done.stderr) == plain(SAID)
    folder = place / "outputs" / "two"
    assert json.loads((folder / "runs/well/run_metadata.json").read_text())["command"][:3] == [
        "toolkit",
        "run",
        "two.yaml",
    ]
    again = toolkit("run", "two.yaml", "--resume", "--jobs", "2")
    assert (again.returncode, again.stdout) == (4, "outputs/two\n")
    assert "well: the run had finished; it is judged again, and nothing is written\n" in again.stderr
    assert toolkit("table", "outputs/two").stdout.startswith(
        "|  | runs |\n| --- | ---: |\n| well | 1 |\n| seven | 0 of 1 |\n\n- seven: failed: stage make stopped: it raised"
    )
    checked = toolkit("check", "outputs/two/runs/well")
    assert checked.returncode == 0
    judged = toolkit("check", "outputs/two")
    assert judged.stderr.startswith("layout: native-matrix/v1 (matrix.json:2 holds $.schema)\n")
    assert "  fix: toolkit check outputs/two/runs/well\n" in judged.stdout
    assert (
        "matrix-runs-ended: warning: seven is failed, and no summary says that it ended: it does not count\n"
        in judged.stdout
    )
    assert (judged.returncode, judged.stdout[-30:]) == (0, "verdict: PASS (with warnings)\n")


def test_a_row_that_cannot_be_gone_on_with_says_what_changed(place: Path) -> None:
    assert toolkit("run", "two.yaml").returncode == 4
    (place / "two.yaml").write_text(MATRIX.replace('exit 7]"]', 'exit 7]", run.seed=5]'))
    done = toolkit("run", "two.yaml", "--resume")
    said = "outputs/two/runs/seven: cannot be resumed: this changed since it began:"
    assert f"\nseven: {said}\nseven:   run.seed 42 → 5\nseven:   fix: choose another run.name" in done.stderr
    assert f"  {said} run.seed 42 → 5\n" in done.stderr
    assert "\\x0a" not in done.stderr


def test_a_dry_run_says_what_is_shared_and_writes_nothing(place: Path) -> None:
    (place / "two.yaml").write_text(MATRIX.replace("stages.make.with.run=[sh, -c, exit 7]", "data.path=elsewhere"))
    done = toolkit("run", "two.yaml", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "well:\n  make  run     the cache holds nothing of process.command\nseven:\n  make  shared  with well\n"
    )
    assert sorted(path.name for path in place.iterdir()) == ["base.yaml", "two.yaml"]


def test_what_is_for_runs_alone_and_for_matrices_alone_is_told_apart(place: Path) -> None:
    assert toolkit("run", "base.yaml", "--jobs", "2").stderr.endswith(
        "Error: --jobs is for matrices: one pipeline is one run\n"
    )
    assert toolkit("config", "show", "two.yaml").stderr == (
        "toolkit: two.yaml: is a matrix, and holds no config of its own\n"
        "  fix: show its base with the overrides of one experiment: toolkit config show BASE KEY=VALUE…\n"
    )
    assert toolkit("run", "two.yaml", "--reference", "nowhere").stderr == (
        "toolkit: nowhere: no such run directory\n  fix: give the folder that `toolkit run` printed last\n"
    )
    assert not (place / "outputs").exists()


def test_the_folder_of_a_matrix_is_named_by_out_its_document_or_the_project(place: Path) -> None:
    (place / "sealkit.toml").write_text('runs = "kept"\n')
    for arguments, folder in (([], "kept/two"), (["--out", "there"], "there/two")):
        done = toolkit("run", "two.yaml", *arguments)
        assert done.stdout.endswith(f"{folder}\n") and (place / folder / "matrix.json").is_file()
    (place / "two.yaml").write_text(MATRIX.replace("{name: two}", "{name: two, output_dir: mine}"))
    assert toolkit("run", "two.yaml").stdout == "mine/two\n"
