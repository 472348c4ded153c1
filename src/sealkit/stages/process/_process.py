"""Runs one command to its end: its output line by line, a time limit, and no process of it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

LINE, LINES, TAIL = 4096, 10_000, 20  # bytes of a line, lines of one command that are told, lines kept for an error
GRACE = 5.0  # seconds between asking a command to end and ending it


class CommandFailed(Exception):
    """A command that could not start, took too long, or did not end with exit code 0."""


class _Output:
    """Tells lines while they come: the first LINES of them; the rest are counted, and the last ones kept."""

    def __init__(self, stream: IO[bytes], tell: Callable[[str], None]) -> None:
        self.count, self.tail = 0, deque[str](maxlen=TAIL)
        self._trouble: Exception | None = None
        self._stream, self._tell = stream, tell
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for raw in iter(lambda: self._stream.readline(LINE), b""):
            # What a progress bar wrote over is gone for a reader at a terminal, too.
            line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n").rpartition("\r")[2]
            self.count += 1
            self.tail.append(line)
            if self.count <= LINES and not self._trouble:
                try:
                    self._tell(line)
                except Exception as error:  # read on: a command whose pipe nobody empties would wait for ever
                    self._trouble = error

    def finish(self) -> None:
        """Wait for what is still in the pipe; not for a process that took it away into a session of its own."""
        self._thread.join(GRACE)
        if self._trouble:
            raise self._trouble
        if self.count > LINES:
            self._tell(f"and {self.count - LINES} further lines, not kept")


def run_process(
    argv: Sequence[str], environment: Mapping[str, str], timeout_s: float | None, tell: Callable[[str], None]
) -> dict[str, int]:
    """Run a command in the current directory, without a shell and without input, and tell each line that it prints.

    Its output may hold what is no UTF-8; that is written as `\\xff`. Returns counters: the lines of output. Raises CommandFailed
    with the last lines. Whatever the command started in its own process group is ended with it.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(f"`{argv[0]}` could not be started: {error}") from error
    assert process.stdout is not None
    output = _Output(process.stdout, tell)
    try:
        code = process.wait(timeout_s)
        why = None if code == 0 else f"`{argv[0]}` {_ending(code)}"
    except subprocess.TimeoutExpired:
        why = f"`{argv[0]}` took longer than {timeout_s:g} s and was stopped"
    finally:
        _end(process)
        output.finish()
    if why:
        lines = "".join(f"\n  {line}" for line in output.tail)
        raise CommandFailed(f"{why}; its last lines:{lines}" if lines else f"{why}; it printed nothing")
    return {"output_lines": output.count}


def _ending(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to end, then end it."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
