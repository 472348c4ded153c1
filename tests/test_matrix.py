"""A matrix: its runs share what is the same, fail alone, and go on after a kill; and it always says how it went."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sealkit import digest, matrix, matrix_record, observe
from sealkit.engine import Event
from sealkit.finding import Finding, Location, Outcome, Report, Status, UsageError, Verdict
from sealkit.lock import Lock
from sealkit.matrix import Result
from sealkit.pack import BUILT_IN
from sealkit.read import yaml as read_yaml
from sealkit.rundir import workspace
from sealkit.worker import Ended, uninterrupted
from tests.conftest import ROOT
from tests.test_pipeline import PACK

BASE = """\
schema: pipeline/v1
run: {name: base}
stages:
  data: {uses: toy.count, with: {path: count.txt, seconds: 0.5}}
  copy: {uses: toy.copy, in: {corpus: data.corpus}}
  documents: {uses: toy.documents}
"""
WELL: list[dict[str, Any]] = [
    {"label": "a"},
    {"label": "b", "tag": "more", "overrides": ["stages.documents.with.count=4"]},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def write(experiments: list[dict[str, Any]], **more: Any) -> None:
    document = {"schema": "matrix_config/v1", "matrix": {"name": "m"}, "base": "base.yaml", **more}
    Path("m.yaml").write_text(yaml.safe_dump({**document, "experiments": experiments}, sort_keys=False))


def run(*overrides: str, said: list[str] | None = None, **how: Any) -> Result:
    def on_event(name: str, event: Event | Ended) -> None:
        if said is not None and isinstance(event, Event) and event.kind != "check":
            said.append(f"{name}: {event.stage}: {event.kind}")

    result = matrix.run(Path("m.yaml"), overrides, ["toolkit", "run", "m.yaml"], on_event, PACK, **how)
    assert result.record == json.loads((result.path / "matrix.json").read_text()), "what it says is what it wrote"
    assert BUILT_IN.contracts["matrix/v1"].violations(result.record) == []
    return result


def came_out(result: Result) -> dict[str, tuple[str, int | None]]:
    return {
        row["run_dir"].removeprefix("runs/"): (row["status"], row["exit_code"]) for row in result.record["experiments"]
    }


def counted() -> int:
    """How often the stage `data` was worked on."""
    return Path("count.txt").read_text().count("\n")


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_runs_share_is_worked_on_once(place: Path, jobs: int) -> None:
    write([*WELL, {"label": "c", "overrides": ["stages.documents.with.count=5"]}])
    said: list[str] = []
    result = run(jobs=jobs, said=said)
    assert (result.exit_code, came_out(result)) == (0, dict.fromkeys("abc", ("ok", 0)))
    assert counted() == 1
    assert sum(line.endswith("data: stage-cached") for line in said) == 2


def test_a_matrix_keeps_its_contracts_and_its_runs_theirs(place: Path) -> None:
    write(WELL, repeat={"run.seed": [1, 2]})
    result = run("stages.data.with.seconds=0.0", jobs=2)
    record, folder = result.record, place / "outputs" / "m"
    assert sorted(path.name for path in folder.iterdir()) == [
        "experiments_resolved.yaml",
        "matrix.json",
        "output",
        "runs",
    ]
    assert [row["label"] for row in record["experiments"]] == ["a", "a", "b", "b"]
    first = record["experiments"][2]
    assert first["run_dir"] == "runs/b-seed1"
    assert first["overrides"] == ["stages.documents.with.count=4", "run.seed=1", "stages.data.with.seconds=0.0"]
    assert first["run_id"] == json.loads((folder / first["run_dir"] / "run_metadata.json").read_text())["run_id"]
    assert record["matrix_config"] == {"path": "m.yaml", "digest": digest.file(Path("m.yaml"))}
    assert record["base_config"] == {"path": "base.yaml", "digest": digest.file(Path("base.yaml"))}
    resolved = yaml.safe_load((folder / "experiments_resolved.yaml").read_text())
    assert BUILT_IN.contracts["experiments_resolved/v1"].violations(resolved) == []
    assert record["experiments_resolved"]["digest"] == digest.file(folder / "experiments_resolved.yaml")
    for row, entry in zip(record["experiments"], resolved["experiments"], strict=True):
        own = json.loads((folder / row["run_dir"] / "resolved_config.json").read_text())
        assert entry["config"] == own["config"]
        assert observe.check(folder / row["run_dir"], pack=PACK).verdict in (Verdict.PASS, Verdict.WARNINGS)
    assert workspace(folder / first["run_dir"]) == place
    assert (place / ".sealkit" / "cache" / "toy.count").is_dir()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@example(["5e-5", "1e3", "0o7", "no", "12:30", "2026-01-31", "", "~", "-", "a: b", "# c", "=", "<<"])
@example([shared := ["twice"], shared])
def test_what_is_written_as_yaml_is_read_as_what_it_was(value: Any) -> None:
    text = matrix_record.as_yaml({"value": value})
    assert read_yaml.parse(text, "any").data == {"value": value}
    assert yaml.safe_load(text) == {"value": value}


def test_the_other_runs_of_a_matrix_are_no_new_files_of_its_repository(place: Path) -> None:
    write(WELL)
    subprocess.run(["git", "init", "-q"], check=True)
    result = run()
    for row in result.record["experiments"]:
        git = json.loads((result.path / row["run_dir"] / "run_metadata.json").read_text())["git"]
        assert [name for name in git["untracked"] if name.startswith("outputs/m/")] == []


def test_a_run_that_fails_does_not_lose_the_others(place: Path) -> None:
    how = "stages.documents.with.how="
    write(
        [
            {"label": "killed", "overrides": [f"{how}kill"]},
            {"label": "raised", "overrides": [f"{how}raise"]},
            {"label": "torn", "overrides": [f"{how}torn"]},
            {"label": "refused", "overrides": [f"{how}usage"]},
            {"label": "well"},
        ]
    )
    result = run(jobs=2)
    assert came_out(result) == {
        "killed": ("failed", 4),
        "raised": ("failed", 4),
        "torn": ("failed", 1),
        "refused": ("failed", 2),
        "well": ("ok", 0),
    }
    assert result.exit_code == 4
    reasons = {row["label"]: row["reason"] for row in result.record["experiments"]}
    assert reasons["killed"] == "its process was ended by signal 9"
    assert reasons["raised"].startswith("stage documents stopped: it raised ZeroDivisionError")
    assert reasons["torn"].startswith("quarantine/documents/corpus.jsonl:4: stage-documents: the last line is torn")
    assert reasons["well"] is None
    assert [row["verdict"] for row in result.record["experiments"]][:3] == [None, None, "FAIL"]


def test_the_row_of_a_run_says_what_was_wrong_first() -> None:
    def outcome(name: str, status: Status, *found: Finding) -> Outcome:
        return Outcome(name, name, status, found, reason=f"{name} has no rankings")

    finding = Finding("0.5 is no 0.6\nat all", Location("metrics.json", line=3))
    blocked, failed = outcome("blocked", Status.BLOCKED), outcome("failed", Status.FAILED, finding)
    report = Report("id", "name", (), (blocked, failed))
    assert matrix_record.reason(Ended(1, None, report)) == "metrics.json:3: failed: 0.5 is no 0.6"
    assert (
        matrix_record.reason(Ended(3, None, Report("id", "name", (), (blocked,)))) == "blocked: blocked has no rankings"
    )
    assert (
        matrix_record.reason(Ended(3, "cannot be judged\n  fix: wait", report))
        == "metrics.json:3: failed: 0.5 is no 0.6"
    )
    assert matrix_record.reason(Ended(4, "it raised\n  at length", Report("id", "name", (), (blocked,)))) == "it raised"
    assert matrix_record.reason(Ended(0, None, report)) is None
    signed = {"owner": "Ada Byron", "reason": "it is what is measured", "expires": "2027-01-31"}
    waived = Outcome(
        "masked", "Masked", Status.WARNED, (Finding("another draw", Location("a.json"), waiver=signed),) * 2
    )
    told = "masked: waived by Ada Byron until 2027-01-31: it is what is measured"
    assert matrix_record.reason(Ended(0, None, Report("id", "name", (), (waived,)))) == told
    changed = (
        "a: cannot be resumed: this changed since it began:\n  run.seed 1 → 2\n  run.limit 3 → 4\n  fix: begin anew"
    )
    assert matrix_record.reason(Ended(2, changed)) == (
        "a: cannot be resumed: this changed since it began: run.seed 1 → 2; run.limit 3 → 4"
    )


@pytest.mark.parametrize(("codes", "worst"), [((0, 3, 1), 1), ((1, 4), 4), ((0, 3), 3), ((0, 0), 0), ((None, 1), 4)])
def test_the_worst_run_gives_the_exit_code(codes: tuple[int | None, ...], worst: int) -> None:
    assert matrix.worst(codes) == worst


def test_the_models_that_stages_were_handed_are_recorded(place: Path) -> None:
    for name, byte in (("one", b"\1"), ("two", b"\2")):
        (place / name).mkdir()
        (place / name / "config.json").write_text("{}")
        header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        (place / name / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + byte)
    Path("base.yaml").write_text(
        "schema: pipeline/v1\nrun: {name: base}\nstages:\n"
        "  load: {uses: toy.load, in: {model: one}}\n  again: {uses: toy.load, in: {model: one}}\n"
    )
    write([{"label": "a"}, {"label": "b", "overrides": ["stages.again.in.model=two"]}])
    first, second = run().record["experiments"]
    weights = {name: digest.weights(place / name).digest for name in ("one", "two")}
    assert first["models"] == [
        {"name": "one", "weights": weights["one"], "tree": digest.tree(place / "one"), "stages": ["load", "again"]}
    ]
    assert first["model_sha256"] == weights["one"]
    assert [(model["name"], model["stages"]) for model in second["models"]] == [("one", ["load"]), ("two", ["again"])]
    assert "model_sha256" not in second


def test_a_matrix_is_never_overwritten(place: Path) -> None:
    write(WELL[:1])
    run()
    with pytest.raises(UsageError) as caught:
        run()
    assert str(caught.value) == (
        "outputs/m: a matrix lies there already\n"
        "  fix: go on with it with --resume; or choose another matrix.name or --out"
    )
    Path("outputs/other").mkdir()
    Path("outputs/other/notes.txt").write_text("mine")
    write(WELL[:1], matrix={"name": "other"})
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"is there already, and holds no matrix\.json, but notes\.txt"):
            run(resume=resume)


def test_no_secret_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_MINE", "hunter2-hunter2")
    Path("base.yaml").write_text(
        "schema: pipeline/v1\nrun: {name: base}\nstages:\n"
        '  leak: {uses: toy.leak, with: {secret: "${ENV:TOKEN_OF_MINE}"}}\n'
    )
    write(
        [{"label": "a"}, {"label": "b", "overrides": ["stages.leak.with.secret=correct-horse-battery", "run.seed=1"]}]
    )
    assert set(came_out(run()).values()) == {("failed", 4)}
    for path in Path("outputs/m").rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in (b"hunter2", b"correct-horse")), path
    assert "the password is [redacted:" in Path("outputs/m/output/a.txt").read_text()
    assert "the last word" in Path("outputs/m/output/a.txt").read_text()


# Going on


def test_going_on_adds_what_is_new_and_runs_again_what_failed(place: Path) -> None:
    write([WELL[0], {"label": "b", "overrides": ["stages.documents.with.how=raise"]}])
    assert came_out(run()) == {"a": ("ok", 0), "b": ("failed", 4)}
    before = (Path("outputs/m/runs/a/summary.json").read_bytes(), Path("outputs/m/matrix.json").read_bytes())
    write([*WELL, {"label": "c", "overrides": ["stages.documents.with.count=5"]}])
    said: list[str] = []
    result = run(resume=True, said=said)
    assert came_out(result) == {"a": ("ok", 0), "b": ("ok", 0), "c": ("ok", 0)}
    assert Path("outputs/m/runs/a/summary.json").read_bytes() == before[0]
    assert "b: data: stage-kept" in said and "b: documents: stage-finished" in said
    assert counted() == 1
    (again,) = result.record["resumed"]
    assert again["matrix_config"] == digest.file(Path("m.yaml"))
    assert result.record["created_at_utc"] == json.loads(before[1])["created_at_utc"]


def test_a_complete_run_is_never_taken_for_another(place: Path) -> None:
    write(WELL)
    run()
    before = Path("outputs/m/matrix.json").read_bytes()
    write([WELL[0], {"label": "b", "overrides": ["stages.documents.with.count=9"]}])
    with pytest.raises(UsageError) as caught:
        run(resume=True)
    assert str(caught.value) == (
        "m.yaml:7: experiment b: its run is complete, and this changed since:\n"
        "  stages.documents.with.count 4 → 9\n"
        "  fix: give it another label, or move outputs/m/runs/b away to run it again"
    )
    write(WELL[:1])
    with pytest.raises(UsageError) as caught:
        run(resume=True)
    assert str(caught.value) == (
        "m.yaml: experiment b is not in it any more, and its run lies in outputs/m/runs/b\n"
        "  fix: put it back, or move its run away"
    )
    assert Path("outputs/m/matrix.json").read_bytes() == before
    Path("outputs/m/runs/b").rename("moved")
    write([WELL[0], {"label": "b", "overrides": ["stages.documents.with.count=9"]}])
    assert came_out(run(resume=True)) == {"a": ("ok", 0), "b": ("ok", 0)}


def test_a_broken_record_is_not_gone_on_with(place: Path) -> None:
    write(WELL[:1])
    run()
    record = json.loads(Path("outputs/m/matrix.json").read_text())
    record["experiments"][0]["status"] = "fine"
    Path("outputs/m/matrix.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r'matrix\.json: experiments\.0\.status: expected one of .* found "fine"'):
        run(resume=True)


SCRIPT = """\
import sys
from pathlib import Path
from sealkit import matrix
from tests.test_pipeline import PACK
if __name__ == "__main__":
    sys.exit(matrix.run(Path("m.yaml"), sys.argv[1:], ["toolkit"], pack=PACK, jobs=2).exit_code)
"""


def begin(*overrides: str) -> subprocess.Popen[bytes]:
    """A process that runs the matrix, once two of its runs are at work."""
    Path("script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen([sys.executable, "script.py", *overrides], env=environment, start_new_session=True)
    wait(lambda: Path("count.txt").exists() and counted() == 2)
    return process


def wait(until: Any) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLOW: list[dict[str, Any]] = [
    {"label": "a", "overrides": ["run.seed=1"]},
    {"label": "b", "overrides": ["run.seed=2"]},
    {"label": "c", "overrides": ["run.seed=3"]},
]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_matrix_that_is_killed_says_so_and_goes_on(place: Path) -> None:
    write(SLOW)
    Path("base.yaml").write_text(BASE.replace("0.5", "20.0"))
    process = begin()
    process.kill()
    process.wait()
    record = json.loads(Path("outputs/m/matrix.json").read_text())
    assert [row["status"] for row in record["experiments"]] == ["running", "running", "pending"]
    # Nobody is left who works on it: the runs saw that their matrix is gone, and said their last words.
    wait(lambda: all(not Path(f"outputs/m/runs/.{name}.lock").exists() for name in "ab"))
    summary = json.loads(Path("outputs/m/runs/a/summary.json").read_text())
    assert (summary["status"], summary["failure"]["type"]) == ("failed", "Interrupted")
    Path("base.yaml").write_text(BASE.replace("0.5", "0.0"))
    result = run(resume=True, jobs=2, lock_timeout=5)
    assert came_out(result) == dict.fromkeys("abc", ("ok", 0))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what runs in the background deaf to interrupts, and whatever that starts is deaf too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_ends_the_runs_and_begins_no_other(place: Path, interruptible: None) -> None:
    write(SLOW)
    process = begin("stages.data.with.seconds=20.0")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    assert process.wait(30) == 4
    record = json.loads(Path("outputs/m/matrix.json").read_text())
    assert [row["status"] for row in record["experiments"]] == ["failed", "failed", "pending"]
    assert record["experiments"][0]["reason"].startswith("stage data stopped: it was interrupted")
    for name in "ab":
        assert json.loads(Path(f"outputs/m/runs/{name}/summary.json").read_text())["failure"]["type"] == "Interrupted"
    with contextlib.suppress(UsageError), Lock(Path("outputs/m")):
        return
    raise AssertionError("the matrix is still locked")


def test_an_interrupt_waits_for_what_must_not_be_torn(interruptible: None) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("whole")
    assert done == ["whole"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_whoever_watches_may_fail_and_no_run_is_left_alone(place: Path) -> None:
    def on_event(name: str, event: Event | Ended) -> None:
        if isinstance(event, Event) and event.kind == "stage-started":
            raise BrokenPipeError("nobody reads any more")

    write(SLOW)
    with pytest.raises(BrokenPipeError):
        matrix.run(Path("m.yaml"), ["stages.data.with.seconds=20.0"], ["toolkit"], on_event, PACK, jobs=2)
    record = json.loads(Path("outputs/m/matrix.json").read_text())
    assert [row["status"] for row in record["experiments"]] == ["failed", "failed", "pending"]


def test_one_that_is_killed_while_others_wait_for_it_is_replaced(place: Path) -> None:
    write(WELL)
    result = run("stages.data.with.die=true", jobs=2)
    assert sorted(came_out(result).values()) == [("failed", 4), ("ok", 0)]
    assert counted() == 2


def test_a_matrix_cut_off_before_its_first_word_is_begun(place: Path) -> None:
    write(WELL[:1])
    Path("outputs/m/output").mkdir(parents=True)
    (Path("outputs/m") / matrix_record.RESOLVED).write_text("schema: exp")
    assert run(resume=True).exit_code == 0
