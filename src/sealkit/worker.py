"""A run in a process of its own: whatever becomes of it, the others go on.

The process tells its events and its end through a pipe. When the pipe is closed at the other end, or a word comes through
it, the run is interrupted: it writes its last words, also when whoever started it was killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sealkit import pipeline
from sealkit.engine import Event
from sealkit.finding import Report, SealkitError
from sealkit.pack import Pack

LINE = 65536  # bytes of a line that it prints
GRACE, PATIENCE = (
    30.0,
    10.0,
)  # seconds for the last words of a run that is interrupted, and for a process to end after its own


@dataclass(frozen=True)
class Job:
    """A run: what `pipeline.run` is given, and the file for what libraries print."""

    config: Path
    overrides: list[str]
    command: list[str]
    pack: Pack
    options: Mapping[str, Any]
    output: Path


@dataclass(frozen=True)
class Ended:
    """How a run ended; without a report it did not begin, or its process is gone."""

    exit_code: int
    error: str | None
    report: Report | None = None
    waiting: tuple[str, ...] = ()


class Worker:
    """The process of a job, from outside. `clean` takes out of a line that it prints what must not be written."""

    def __init__(self, job: Job, threads: int | None, clean: Callable[[str], str]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would take threads' locks along
        # What is found once is not sent: contracts hold functions that cannot be.
        pack = replace(job.pack, more=tuple(replace(pack) for pack in job.pack.more))
        self.connection, theirs = context.Pipe()
        printed, prints = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(theirs, prints, replace(job, pack=pack)))
        with _threads(threads), uninterrupted():
            self._process.start()
        theirs.close()
        prints.close()
        self._keeper = threading.Thread(target=_keep, args=(printed, job.output, clean), daemon=True)
        self._keeper.start()

    def messages(self) -> Iterator[Event | Ended]:
        """What the process told since it was asked last; the last of all is an Ended."""
        over = self._process.exitcode is not None  # asked first: then everything that it sent is in the pipe
        try:
            while self.connection.poll():
                message = self.connection.recv()
                yield message
                if isinstance(message, Ended):
                    self._join()
                    return
        except (EOFError, OSError):
            over = True
        if over:
            self._join()
            code = self._process.exitcode or 0
            yield Ended(4, f"its process was ended by signal {-code}" if code < 0 else f"its process ended with {code}")

    def stop(self) -> None:
        """Interrupt the run."""
        with suppress(OSError):  # it is gone
            self.connection.send("stop")

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def _join(self) -> None:
        """A process that has said its end has nothing more to do, whatever a library's threads think."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            self.kill()
        self._keeper.join(PATIENCE)


def _keep(printed: Connection, path: Path, clean: Callable[[str], str]) -> None:
    """Write down what a process prints, to the end: one whose pipe nobody empties would wait for ever."""
    with printed, os.fdopen(os.dup(printed.fileno()), "rb") as lines, path.open("a", encoding="utf-8") as file:
        for raw in iter(lambda: lines.readline(LINE), b""):
            # What a progress bar wrote over is gone for a reader at a terminal, too.
            line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n").rpartition("\r")[2]
            with suppress(OSError):
                file.write(f"{clean(line)}\n")
                file.flush()


def _work(connection: Connection, prints: Connection, job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: whoever started this process says when it is to end
    signal.signal(signal.SIGTERM, _interrupt)
    speaking = threading.Lock()

    def tell(message: Event | Ended) -> None:
        with speaking, suppress(OSError):  # nobody listens any more; the run is interrupted already
            connection.send(message)

    threading.Thread(target=_listen, args=(connection,), daemon=True).start()
    for descriptor in (1, 2):
        os.dup2(prints.fileno(), descriptor)
    prints.close()
    tell(_run(job, lambda event: tell(event) if event.kind != "progress" else None))


def _run(job: Job, tell: Callable[[Event], None]) -> Ended:
    try:
        result = pipeline.run(job.config, job.overrides, job.command, tell, job.pack, **job.options)
    except SealkitError as error:
        return Ended(error.exit_code, str(error))
    except (KeyboardInterrupt, SystemExit):
        return Ended(4, "the run was interrupted")
    except Exception as error:
        traceback.print_exc()
        return Ended(4, f"{type(error).__name__}: {error}; see {job.output}")
    return Ended(result.exit_code, result.error, result.report, result.waiting)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _listen(connection: Connection) -> None:
    with suppress(EOFError, OSError):
        connection.recv()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """For the processes that are started meanwhile: so many threads for each, unless the user has said how many."""
    if count is None or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keeps an interrupt until the end of the block; a process that is started in it has none at all."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT}
    )  # what a child inherits; another thread may still be told
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(came[0], None)
