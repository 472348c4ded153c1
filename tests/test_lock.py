"""Of two who start on one folder one gets it; the other is told who has it; and what the dead held is taken over."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sealkit import lock
from sealkit.finding import UsageError
from sealkit.lock import Lock
from tests.within import within

HOLD = """\
import sys, time
from pathlib import Path
from sealkit.write import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def left_behind(folder: Path, age: float = 0, **other: Any) -> Path:
    """The lock of an owner that is gone."""
    path = folder.with_name(f".{folder.name}.lock")
    owner = {"pid": 4242, "host": "elsewhere", "boot": "another", "process": "1", "since": "2026-01-31T12:00:00Z"}
    path.write_text(json.dumps({**owner, "lease_seconds": 600, **other}))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_lock_lies_beside_the_folder_and_goes_with_its_owner(tmp_path: Path) -> None:
    with Lock(tmp_path / "outputs" / "run") as held:
        assert [path.name for path in (tmp_path / "outputs").iterdir()] == [".run.lock"]
        assert held.took_over is None
        said = json.loads((tmp_path / "outputs" / ".run.lock").read_text())
        assert (said["pid"], said["host"], said["lease_seconds"]) == (os.getpid(), platform.node(), 600)
    assert list((tmp_path / "outputs").iterdir()) == []


def test_a_second_one_is_told_who_has_it(tmp_path: Path) -> None:
    process = hold(tmp_path / "run", 60)
    try:
        with pytest.raises(UsageError) as caught, Lock(tmp_path / "run"):
            pass
        said = rf"{tmp_path}/run: a run goes on there: process {process.pid} on {platform.node()}, since 20"
        assert str(caught.value).startswith(said)
        assert str(caught.value).endswith("\n  fix: wait for it (--lock-timeout SECONDS), or choose another run.name")
        assert caught.value.exit_code == 2
        assert str(Lock(tmp_path / "run").holder()).startswith(f"process {process.pid} on ")
    finally:
        process.kill()
        process.wait()


def test_it_is_waited_for(tmp_path: Path) -> None:
    process = hold(tmp_path / "run", 0.5)
    with Lock(tmp_path / "run", timeout=30) as held:
        assert held.took_over is None
    assert process.wait() == 0


def test_the_lock_of_one_that_was_killed_is_taken_over_and_said(tmp_path: Path) -> None:
    process = hold(tmp_path / "run", 60)
    process.kill()
    process.wait()
    assert (tmp_path / ".run.lock").exists()
    with Lock(tmp_path / "run") as held:
        assert held.took_over is not None
        assert held.took_over.pid == process.pid
    assert Lock(tmp_path / "run").holder() is None


@pytest.mark.parametrize(
    ("age", "other", "taken_over"),
    [
        (0, {}, False),
        (599, {}, False),
        (601, {}, True),
        (0, {"host": platform.node()}, True),  # of an earlier boot
        (0, {"boot": "here"}, True),  # the kernel gave us the lock, so whoever had it is gone: in whatever container
    ],
)
def test_an_owner_on_another_host_counts_until_its_lease_ends(
    tmp_path: Path, age: float, other: dict[str, Any], taken_over: bool
) -> None:
    if other.get("boot") == "here":
        other = {"boot": lock._myself().boot}
        if other["boot"] is None:
            pytest.skip("the system tells no boot id")
    left_behind(tmp_path / "run", age, **other)
    if taken_over:
        with Lock(tmp_path / "run") as held:
            assert str(held.took_over).startswith("process 4242 on ")
    else:
        with pytest.raises(UsageError, match="process 4242 on elsewhere, since 2026-01-31T12:00:00Z"):
            Lock(tmp_path / "run").__enter__()


@pytest.mark.parametrize("torn", ["", '{"pid": 1', "[]", "null", '{"pid": 1}', "\0" * 40])
def test_a_record_that_is_none_names_nobody(tmp_path: Path, torn: str) -> None:
    (tmp_path / ".run.lock").write_text(torn)
    with Lock(tmp_path / "run") as held:
        assert held.took_over is None


def test_where_the_kernel_keeps_no_locks_the_process_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_flock", lambda descriptor: None)
    mine = lock._myself()
    if mine.process is None:
        pytest.skip("the system tells no starts of processes")
    left_behind(tmp_path / "run", pid=mine.pid, host=mine.host, boot=mine.boot, process=mine.process)
    with pytest.raises(UsageError, match=f"process {mine.pid} on {mine.host}"):
        Lock(tmp_path / "run").__enter__()
    # The number is in use again, by a process that started later.
    left_behind(tmp_path / "run", pid=mine.pid, host=mine.host, boot=mine.boot, process="1")
    with Lock(tmp_path / "run") as held:
        assert held.took_over is not None


def test_an_owner_renews_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEWED", 0.01)
    with Lock(tmp_path / "run") as held:
        os.utime(held.path, (0, 0))
        limit = time.monotonic() + 10
        while held.path.stat().st_mtime == 0 and time.monotonic() < limit:
            time.sleep(0.01)
        assert held.path.stat().st_mtime > 0


def _grab(folder: str, results: Any, barrier: Any) -> None:
    barrier.wait()
    try:
        with Lock(Path(folder)):
            results.put("got it")
            time.sleep(0.5)
    except UsageError:
        results.put("refused")


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results, barrier = context.Queue(), context.Barrier(4)
    processes = [context.Process(target=_grab, args=(str(tmp_path / "run"), results, barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    answers = sorted(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert answers == ["got it", "refused", "refused", "refused"]


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("all of it")
    (tmp_path / ".run.lock").symlink_to("thesis")
    with pytest.raises(UsageError, match="cannot make the run directory"):
        Lock(tmp_path / "run").__enter__()
    assert (tmp_path / "thesis").read_text() == "all of it"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_or_a_nest_in_the_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / ".run.lock"
    os.mkfifo(path)
    with within(5):
        assert Lock(tmp_path / "run").holder() is None
        with pytest.raises(UsageError, match="in the way of the lock"), Lock(tmp_path / "run"):
            pass
    path.unlink()
    path.write_text("[" * 4000)
    assert Lock(tmp_path / "run").holder() is None
