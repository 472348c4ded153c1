"""The workers of a matrix: so many runs at a time, and what each comes to written down at once."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import Any

from sealkit import matrix_record
from sealkit.engine import Event
from sealkit.matrix_plan import Planned
from sealkit.rundir import workspace
from sealkit.worker import GRACE, Ended, Job, Worker, uninterrupted


@dataclass
class Crew:
    """A matrix while it goes on: its record, and the workers by the names of their runs. `on_event` is told the name of the run
    with each event."""

    folder: Path
    record: dict[str, Any]
    on_event: Callable[[str, Event | Ended], None]
    running: dict[str, tuple[Planned, Worker, float]] = field(default_factory=dict)

    def row(self, one: Planned) -> dict[str, Any]:
        return next(row for row in self.record["experiments"] if row["index"] == one.experiment.index)

    def start(self, one: Planned, job: Job, threads: int | None) -> None:
        row = self.row(one)
        if row["status"] != "ok":  # one that is complete stays so while it is looked at again
            matrix_record.began(row)
            matrix_record.save(self.folder, self.record)
        place = f"{row['index']} of {len(self.record['experiments'])}"
        self.on_event(one.experiment.name, Event("run-started", None, place))
        clean = one.plan.config.redactor(workspace(self.folder)).text
        self.running[one.experiment.name] = one, Worker(job, threads, clean), time.monotonic()

    def hear(self, timeout: float) -> None:
        """Wait until a run says something, and write down which ended. A process may end without a word."""
        connection.wait([worker.connection for _, worker, _ in self.running.values()], timeout)
        for name, (one, worker, started) in list(self.running.items()):
            with uninterrupted():
                for message in worker.messages():
                    if isinstance(message, Ended):
                        del self.running[name]
                        matrix_record.ended(
                            self.record, self.row(one), self.folder, one, message, time.monotonic() - started
                        )
                        matrix_record.save(self.folder, self.record)
                    self.on_event(name, message)

    def stop(self) -> None:
        """Interrupt what is running, and wait for its last words; not for ever, and not when interrupted once more."""
        deadline = time.monotonic() + GRACE
        try:
            for _, worker, _ in self.running.values():
                worker.stop()
            while self.running and time.monotonic() < deadline:
                self.hear(1.0)
        finally:
            for _, worker, _ in self.running.values():
                worker.kill()
            while self.running:
                self.hear(0)


def go(crew: Crew, work: Mapping[Planned, Job], jobs: int) -> None:
    """All runs, so many at a time, in their order. An interrupt ends those that are running, and no other begins."""
    matrix_record.save(crew.folder, crew.record)
    waiting = deque(work.items())
    threads = max(1, _cores() // jobs) if jobs > 1 else None
    try:
        while waiting or crew.running:
            while waiting and len(crew.running) < jobs:
                crew.start(*waiting.popleft(), threads)
            crew.hear(1.0)
    except KeyboardInterrupt:
        crew.stop()
    except BaseException:
        crew.on_event = lambda name, event: None  # it may be what failed
        crew.stop()
        raise


def _cores() -> int:
    """The cores that this process may use, where the system tells, else all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
