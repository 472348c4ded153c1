"""What the engine makes of good stages and of bad ones: nothing is lost, and the summary always says how it went."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, pipeline
from sealkit.engine import Event
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN, Pack
from sealkit.pipeline import Result
from tests.conftest import GIT

PACK = Pack(stage_package="tests.pack")
CONFIG = """\
schema: pipeline/v1
run: {name: toy}
stages:
  documents: {uses: toy.documents}
  copy: {uses: toy.copy, in: {corpus: documents.corpus}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(CONFIG)
    return tmp_path


def run(place: Path, *overrides: str, events: list[Event] | None = None) -> Result:
    on_event = (lambda event: None) if events is None else events.append
    with contextlib.chdir(place):
        given = [f"run.output_dir={place}/outputs", *overrides]
        return pipeline.run(place / "toy.yaml", given, ["toolkit", "run", "toy.yaml"], on_event, PACK)


def document(result: Result, name: str) -> Any:
    return json.loads((result.path / name).read_text())


def quarantined(result: Result) -> list[str]:
    return [name for name in digest.walk(result.path) if name.startswith("quarantine/")]


def test_a_good_run_keeps_every_contract(place: Path) -> None:
    result = run(place)
    assert (result.exit_code, result.error) == (0, None)
    for name in ("run_metadata", "resolved_config", "summary", "metrics"):
        assert BUILT_IN.contracts[f"{name}/v1"].violations(document(result, f"{name}.json")) == []
    assert list(digest.walk(result.path)) == [
        "logging.jsonl",
        "metrics.json",
        "resolved_config.json",
        "run_metadata.json",
        "sources/toy.yaml",
        "stages/copy/corpus.jsonl",
        "stages/documents/corpus.jsonl",
        "summary.json",
    ]
    assert (result.path / "sources/toy.yaml").read_text() == CONFIG


def test_a_run_does_not_count_itself_among_the_new_files_of_its_repository(place: Path) -> None:
    for command in (["init", "-q"], ["add", "toy.yaml"], ["commit", "-q", "-m", "start"]):
        subprocess.run([*GIT, *command], cwd=place, check=True)
    git = document(run(place), "run_metadata.json")["git"]
    assert (git["state"], git["changed"], git["untracked"], git["untracked_count"]) == ("ok", [], [], 0)
    (place / "toy.yaml").write_text(CONFIG + "# changed\n")
    git = document(run(place, "run.name=second"), "run_metadata.json")["git"]
    assert (git["changed"], git["dirty"]) == (["toy.yaml"], True)
    assert git["untracked"][0].startswith("outputs/toy/"), "the first run is a new file to the second"


def test_the_summary_holds_a_record_of_each_stage(place: Path) -> None:
    summary = document(run(place), "summary.json")
    assert summary["status"] == "ok"
    assert [stage["name"] for stage in summary["stages"]] == ["documents", "copy"]
    first, second = summary["stages"]
    assert second["inputs"] == {"corpus": first["outputs"]["corpus"]["digest"]}
    assert summary["counters"] == {"documents.documents": 3}


def test_the_key_of_a_stage_follows_params_and_inputs(place: Path) -> None:
    keys = []
    for name, count in (("a", 3), ("b", 3), ("c", 4)):
        summary = document(run(place, f"run.name={name}", f"stages.documents.with.count={count}"), "summary.json")
        keys.append([stage["key"] for stage in summary["stages"]])
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[2][0]
    assert keys[0][1] != keys[2][1]


def test_events_reach_the_callback_and_the_log(place: Path) -> None:
    events: list[Event] = []
    result = run(place, events=events)
    kinds = [event.kind for event in events if event.kind != "check"]
    assert kinds == ["stage-started", "stage-finished", "stage-started", "progress", "stage-finished"]
    logged = [json.loads(line)["event"] for line in (result.path / "logging.jsonl").read_text().splitlines()]
    assert [kind for kind in logged if kind != "check"] == [kind for kind in kinds if kind != "progress"]


def test_stages_run_in_the_order_of_their_wiring(place: Path) -> None:
    (place / "toy.yaml").write_text(
        "schema: pipeline/v1\nrun: {name: toy}\nstages:\n"
        "  copy: {uses: toy.copy, in: {corpus: documents.corpus}}\n"
        "  documents: {uses: toy.documents}\n"
    )
    summary = document(run(place), "summary.json")
    assert [stage["name"] for stage in summary["stages"]] == ["documents", "copy"]


@pytest.mark.parametrize(
    ("how", "code", "kind", "message"),
    [
        ("raise", 4, "StageRaised", "it raised ZeroDivisionError: division by zero in the user's code"),
        ("exit", 4, "Interrupted", "it was interrupted"),
        ("interrupt", 4, "Interrupted", "it was interrupted"),
        ("usage", 2, "Refused", "no such collection\n  fix: name another"),
        ("refuse", 1, "Refused", "it refused"),
        ("twice", 1, "ContractBroken", "its output breaks its contract"),
        ("torn", 1, "ContractBroken", "its output breaks its contract"),
        ("absent", 1, "ContractBroken", "its output breaks its contract"),
        ("nan", 1, "ContractBroken", "its output breaks its contract"),
    ],
)
def test_a_bad_stage_ends_the_run(place: Path, how: str, code: int, kind: str, message: str) -> None:
    result = run(place, f"stages.documents.with.how={how}")
    assert result.exit_code == code
    said = f"stage documents stopped: {message}; what it wrote lies in {result.path}/quarantine/documents"
    assert result.error == said
    summary = document(result, "summary.json")
    assert BUILT_IN.contracts["summary/v1"].violations(summary) == []
    assert summary["status"] == "failed"
    assert summary["failure"] == {"stage": "documents", "type": kind, "message": said}
    assert summary["stages"] == []
    assert not (result.path / "stages").exists()
    assert not (result.path / ".partial").exists()
    assert not (result.path / ".reserve").exists()
    assert quarantined(result) == ([] if how == "absent" else ["quarantine/documents/corpus.jsonl"])


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("twice", 'quarantine/documents/corpus.jsonl:4: doc_id "d0" occurs a second time'),
        ("torn", "quarantine/documents/corpus.jsonl:4: the last line is torn or no JSON"),
        ("absent", "quarantine/documents/corpus.jsonl: the output `corpus` (corpus/v1) was not written"),
        ("nan", "quarantine/documents: reported the metric train/loss, which is no finite number"),
        ("refuse", "quarantine/documents/corpus.jsonl:2: these documents are not for you"),
    ],
)
def test_a_broken_output_is_named_with_its_line(place: Path, how: str, text: str) -> None:
    result = run(place, f"stages.documents.with.how={how}")
    findings = [
        finding for outcome in result.report.checks if outcome.id == "stage-documents" for finding in outcome.findings
    ]
    assert [f"{f.at}: {f.message}"[: len(text)] for f in findings] == [text]


def test_what_was_finished_before_stays(place: Path) -> None:
    (place / "toy.yaml").write_text(CONFIG + "  last: {uses: toy.documents, with: {how: raise}}\n")
    result = run(place)
    assert result.exit_code == 4
    assert (result.path / "stages/copy/corpus.jsonl").read_text().count("\n") == 3
    assert [stage["name"] for stage in document(result, "summary.json")["stages"]] == ["documents", "copy"]
    trace = [
        row
        for line in (result.path / "logging.jsonl").read_text().splitlines()
        if (row := json.loads(line))["event"] == "traceback"
    ]
    assert "ZeroDivisionError" in trace[0]["message"]


def test_two_stages_may_not_report_one_metric(place: Path) -> None:
    (place / "toy.yaml").write_text(
        "schema: pipeline/v1\nrun: {name: toy}\nstages:\n"
        "  a: {uses: toy.documents, with: {how: metric}}\n  b: {uses: toy.documents, with: {how: metric}}\n"
    )
    result = run(place)
    assert result.exit_code == 1
    assert (
        result.report.checks[-1].findings[0].message
        == "reported the metric train/loss, which another stage reported already"
    )


def test_a_run_is_never_overwritten(place: Path) -> None:
    first = run(place)
    before = (first.path / "summary.json").read_bytes()
    with pytest.raises(UsageError, match="the run directory exists already") as caught:
        run(place)
    assert caught.value.exit_code == 2
    assert (first.path / "summary.json").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_2(place: Path) -> None:
    (place / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot make the run directory") as caught:
        run(place, "run.output_dir=file/outputs")
    assert caught.value.exit_code == 2


def test_a_secret_reaches_the_stage_and_no_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_SECRET", "hunter2-hunter2")
    result = run(place, "stages.documents.with.secret=${ENV:TOY_SECRET}")
    assert document(result, "summary.json")["stages"][0]["facts"] == {"secret_length": 15}
    for name in digest.walk(result.path):
        assert b"hunter2" not in (result.path / name).read_bytes(), name


SCRIPT = """\
import resource, signal, sys
from pathlib import Path
from sealkit import pipeline
from sealkit.pack import Pack
if sys.argv[1] == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
overrides = sys.argv[2:]
result = pipeline.run(Path("toy.yaml"), overrides, ["toolkit"], pack=Pack(stage_package="tests.pack"))
print(result.error)
sys.exit(result.exit_code)
"""


def start(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def test_a_write_that_the_system_refuses_is_4(place: Path) -> None:
    done = start(place, "limit", "stages.documents.with.how=large")
    assert done.returncode == 4, done.stderr
    assert "stage documents stopped: it raised File too large" in done.stdout
    summary = json.loads((place / "outputs/toy/summary.json").read_text())
    assert (summary["status"], summary["failure"]["stage"]) == ("failed", "documents")
    assert (place / "outputs/toy/quarantine/documents/corpus.jsonl").stat().st_size == 2_000_000


def test_a_full_disk_is_4_and_the_summary_says_so(place: Path) -> None:
    disk = place / "disk"
    disk.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True).returncode
    ):
        pytest.skip("a small disk cannot be mounted here")
    try:
        done = start(place, "free", "stages.documents.with.how=large", "run.output_dir=disk/outputs")
        assert done.returncode == 4, done.stderr
        assert "stage documents stopped: it raised No space left on device" in done.stdout
        summary = json.loads((disk / "outputs/toy/summary.json").read_text())
        assert BUILT_IN.contracts["summary/v1"].violations(summary) == []
        assert (summary["status"], summary["failure"]["type"]) == ("failed", "StageRaised")
        assert (disk / "outputs/toy/quarantine/documents/corpus.jsonl").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_killed_run_says_running(place: Path) -> None:
    done = start(place, "free", "stages.documents.with.how=kill")
    assert done.returncode == -9
    summary = json.loads((place / "outputs/toy/summary.json").read_text())
    assert summary["status"] == "running"
    assert not (place / "outputs/toy/stages").exists()


# What the config alone tells


def wired(place: Path, *overrides: str) -> tuple[Result, list[tuple[str, str]]]:
    """A run of the shipped retrieval config, and in their order the stages that began and what index-fits-query came to."""
    pytest.importorskip("sentence_transformers")
    from tests.conftest import ROOT
    from tests.tiny import tiny_model

    events: list[Event] = []
    given = [f"model.base={tiny_model(place / 'tiny', seed=1)}", "run.limit=8", f"run.output_dir={place}/outputs"]
    with contextlib.chdir(place):
        config = ROOT / "configs" / "retriever_base.yaml"
        result = pipeline.run(config, [*given, *overrides], ["toolkit"], events.append, BUILT_IN)
    told = [
        (event.kind, str(event.outcome.status) if event.outcome else str(event.stage))
        for event in events
        if event.kind == "stage-started" or (event.outcome is not None and event.outcome.id == "index-fits-query")
    ]
    return result, told


def test_settings_that_the_two_sides_have_each_otherwise_stop_a_run_before_its_first_stage(place: Path) -> None:
    result, told = wired(place, "stages.index.with.max_seq_length=32", "stages.search.with.max_seq_length=16")
    assert (result.exit_code, told) == (1, [("check", "failed")])
    failure = document(result, "summary.json")["failure"]
    assert (failure["stage"], failure["type"]) == (None, "CheckFailed")
    assert failure["message"] == "stopped: the check index-fits-query failed"
    assert not (result.path / "stages").exists()


def test_what_the_config_tells_is_judged_first_and_again_when_there_is_more(place: Path) -> None:
    same = ["stages.index.with.max_seq_length=16", "stages.search.with.max_seq_length=16"]
    result, told = wired(place, *same)
    assert (result.exit_code, result.error) == (0, None)
    order = [name if kind == "stage-started" else kind for kind, name in told]
    assert order[0] == "check"
    assert order.index("index") < len(order) - 1 - order[::-1].index("check")
    assert order.count("check") == 3, "by the config, with the index, with the search"
    assert {name for kind, name in told if kind == "check"} == {"passed"}
