"""A command of the user's own as a stage: what it is given, what is kept of it, and every way in which it can go wrong."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from sealkit import pipeline
from sealkit.engine import Event
from sealkit.finding import UsageError
from sealkit.pipeline import Result
from sealkit.stage import Out
from sealkit.stages.process import _process, command

QRELS = '{"query_id": "q", "doc_id": "d", "relevance": 1}'
COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"


def run(place: Path, *stages: dict[str, Any], events: list[Event] | None = None, name: str = "own") -> Result:
    """Run `process.command` once for each `with`; the first is called `first`, the next `second`."""
    names = ["first", "second"]
    document = {
        "schema": "pipeline/v1",
        "run": {"name": name, "output_dir": str(place / "outputs")},
        "stages": {
            names[i]: {"uses": "process.command", "in": stage.pop("in", {}), "with": stage}
            for i, stage in enumerate(stages)
        },
    }
    (place / "own.yaml").write_text(yaml.safe_dump(document))
    with contextlib.chdir(place):
        return pipeline.run(place / "own.yaml", [], ["toolkit"], (lambda e: None) if events is None else events.append)


def python(code: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return {"run": [sys.executable, "-c", code, *arguments], **more}


def summary(result: Result) -> Any:
    return json.loads((result.path / "summary.json").read_text())


def said(result: Result) -> list[str]:
    rows = map(json.loads, (result.path / "logging.jsonl").read_text().splitlines())
    return [row["message"] for row in rows if row["event"] == "output"]


def test_outputs_of_one_command_are_inputs_of_the_next(tmp_path: Path) -> None:
    write = python(f"open(r'{{out.qrels}}', 'w').write('{QRELS}\\n'); print('wrote')", outputs={"qrels": "qrels/v1"})
    copy = python(COPY, "{in.old}", "{out.new_qrels}", inputs={"old": "qrels/v1"}, outputs={"new_qrels": "qrels/v1"})
    events: list[Event] = []
    result = run(tmp_path, write, {**copy, "in": {"old": "first.qrels"}}, events=events)
    assert (result.exit_code, result.error) == (0, None)
    assert (result.path / "stages/second/new_qrels.jsonl").read_text() == QRELS + "\n"
    first, second = summary(result)["stages"]
    assert second["inputs"] == {"old": first["outputs"]["qrels"]["digest"]}
    assert said(result) == ["wrote"] == [event.message for event in events if event.kind == "output"]
    assert first["facts"]["executable"] == sys.executable
    assert {"PATH", "SEALKIT_SEED", "SEALKIT_OUT_QRELS"} <= set(first["facts"]["environment"])


def test_the_environment_is_told_by_name_and_a_secret_by_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_MINE", "hunter2-hunter2")
    code = "import os; print(len(os.environ['HUB']), os.environ['SEALKIT_SEED'], os.environ['WHERE'] == os.environ['SEALKIT_OUT_QRELS'])"
    result = run(
        tmp_path,
        python(
            f"{code}; open(os.environ['WHERE'], 'w').write('{QRELS}')",
            outputs={"qrels": "qrels/v1"},
            env={"HUB": "${ENV:TOKEN_OF_MINE}", "WHERE": "{out.qrels}"},
        ),
    )
    assert result.exit_code == 0 and said(result) == ["15 42 True"]
    for path in result.path.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path


def test_it_runs_in_the_users_folder_without_input(tmp_path: Path) -> None:
    result = run(tmp_path, python("import os, sys; print(os.getcwd()); print(repr(sys.stdin.read()))"))
    assert said(result) == [str(tmp_path), "''"]


def test_no_shell_reads_the_words(tmp_path: Path) -> None:
    words = ["$HOME; touch x", "`id`", "*", '{"a": 1}']
    result = run(tmp_path, python("import sys; print(sys.argv[1:])", *words))
    assert said(result) == [repr(words)]


def test_metrics_are_those_of_the_run(tmp_path: Path) -> None:
    code = "import json, sys; json.dump({'train/loss': 0.5}, open(sys.argv[1], 'w'))"
    result = run(tmp_path, python(code, "{out.metrics}"))
    assert result.exit_code == 0
    assert json.loads((result.path / "metrics.json").read_text())["train/loss"] == 0.5


def test_metrics_of_a_run_that_was_cut_off_are_not_reported(tmp_path: Path) -> None:
    from tests.test_stages import context

    ctx = context(tmp_path)
    ctx.scratch.mkdir(parents=True)
    (ctx.scratch / "metrics.json").write_text('{"train/loss": 0.1}')
    command.run({}, command.Command(run=[sys.executable, "-c", "pass"]), Out({}), ctx)
    assert ctx.metrics == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "{out.metrics}: expected an object of keys and numbers, found list"),
        ('{"train/loss": NaN}', "holds NaN"),
        ('{"train/loss": "low"}', "reported the metric train/loss, which expected number"),
    ],
)
def test_metrics_that_are_none_end_the_run(tmp_path: Path, text: str, message: str) -> None:
    result = run(tmp_path, python("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", "{out.metrics}", text))
    assert result.exit_code == 1
    assert message in result.report.checks[-1].findings[0].message


def test_an_exit_code_is_told_with_the_last_lines(tmp_path: Path) -> None:
    result = run(tmp_path, python("print('one'); print('two'); raise SystemExit(3)"))
    assert result.exit_code == 4
    assert result.error is not None
    assert f"it raised CommandFailed: `{sys.executable}` ended with exit code 3; its last lines:\n  one\n  two" in (
        result.error
    )
    assert summary(result)["status"] == "failed"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_is_told_by_name(tmp_path: Path) -> None:
    result = run(tmp_path, python("import os; os.kill(os.getpid(), 9)"))
    assert result.error is not None and "was ended by SIGKILL; it printed nothing" in result.error


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_time_limit_ends_its_children_too(tmp_path: Path) -> None:
    child = "import time; time.sleep(60)"
    code = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid, flush=True); time.sleep(60)"
    started = time.monotonic()
    result = run(tmp_path, python(code, timeout_s=1.0))
    assert time.monotonic() - started < 15
    assert result.exit_code == 4 and result.error is not None and "took longer than 1 s and was stopped" in result.error
    (pid,) = said(result)
    time.sleep(0.2)
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_what_a_command_leaves_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    started = time.monotonic()
    assert run(tmp_path, python(code)).exit_code == 0
    assert time.monotonic() - started < 15


def test_an_output_that_breaks_its_contract_goes_to_quarantine(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'w').write('{\"query_id\": 7}\\n')"
    result = run(tmp_path, python(code, "{out.qrels}", outputs={"qrels": "qrels/v1"}))
    assert result.exit_code == 1
    assert (result.path / "quarantine/first/qrels.jsonl").is_file()
    assert not (result.path / "stages").exists()


def test_an_output_that_was_not_written_is_missed(tmp_path: Path) -> None:
    result = run(tmp_path, python("pass", outputs={"qrels": "qrels/v1"}))
    assert result.exit_code == 1
    assert "the output `qrels` (qrels/v1) was not written" in result.report.checks[-1].findings[0].message


def test_output_is_bounded_and_what_is_left_out_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "LINES", 10)
    result = run(tmp_path, python("for i in range(50): print(i)\nprint('x' * 100_000)"))
    lines = said(result)
    assert lines[:10] == [str(i) for i in range(10)]
    assert lines[10:] == [f"and {summary(result)['counters']['first.output_lines'] - 10} further lines, not kept"]


def test_a_line_is_bounded(tmp_path: Path) -> None:
    result = run(tmp_path, python("print('x' * 10_000)"))
    assert [len(line) for line in said(result)] == [4096, 4096, 10_000 - 2 * 4096]


def test_output_that_is_no_utf8_is_shown_as_it_is(tmp_path: Path) -> None:
    result = run(tmp_path, python(r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xc3\xa9\r50%\r100%\n')"))
    assert said(result) == ["100%"]
    result = run(tmp_path, python(r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xc3\xa9\n')"), name="other")
    assert said(result) == ["caf\\xe9 é"]


def test_the_key_follows_the_code(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    keys = []
    for name, text in (("a", "print(1)"), ("b", "print(1)"), ("c", "print(2)")):
        script.write_text(text)
        result = run(tmp_path, {"run": [sys.executable, "train.py"], "code": ["train.py"]}, name=name)
        assert result.exit_code == 0
        keys.append(summary(result)["stages"][0]["key"])
    assert keys[0] == keys[1] != keys[2]


def test_a_script_on_the_command_line_is_code_also_where_nobody_says_so(tmp_path: Path) -> None:
    keys = []
    for name, text in (("a", "print(1)"), ("b", "print(2)")):
        (tmp_path / "train.py").write_text(text)
        keys.append(summary(run(tmp_path, {"run": [sys.executable, "train.py"]}, name=name))["stages"][0]["key"])
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"run": ["no-such-command-here"]}, "no-such-command-here: no such command"),
        ({"run": ["{in.corpus}"]}, "{in.corpus} is not declared"),
        ({"run": ["x", "{out.rank}"], "outputs": {"rankings": "rankings/v1"}}, "did you mean `{out.rankings}`?"),
        ({"run": [sys.executable], "outputs": {"x": "summary/v1"}}, "the layout native/v1 has no place for summary/v1"),
        ({"run": [sys.executable], "outputs": {"metrics": "metrics/v1"}}, "write {out.metrics} and declare nothing"),
        ({"run": [sys.executable], "code": ["absent.py"]}, "absent.py: no such file or folder of code"),
        ({"run": [sys.executable], "inputs": {"corpus": "corpus/v1"}}, "stage first needs the input `corpus`"),
        ({"run": []}, "at least 1 item"),
    ],
)
def test_a_command_that_cannot_be_run_as_written_is_2(tmp_path: Path, stage: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(tmp_path, stage)
    assert message in str(caught.value)
    assert not (tmp_path / "outputs/own").exists()
