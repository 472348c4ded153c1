"""A process that runs pipelines in children of its own, each of which may be told to stand still at a moment, to be killed there.

Moments are calls of `os` functions: `mkdir PATH`, `rename PATH` (the new name, for `os.replace` too), `unlink PATH`,
`write PATH EVENT STAGE` (a line of the log). `before`, `after` or `middle` says when; PATH is below the workspace, with
random parts as `*`. The product knows nothing of it. Started as `python -m tests.killing`; see `Killer`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parent.parent
CLOCK = "2026-01-31T12:00:00Z"


class Killer:
    """The process, from the side of a test. Importing torch takes seconds, so it is done once and the children are forks."""

    def __enter__(self) -> Killer:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        environment |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, "-m", "tests.killing"]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, workspace: Path, overrides: list[str], moment: str | None = None, **how: Any) -> dict[str, Any]:
        """Run a pipeline. At the moment it is killed; the answer then holds `killed`, else `code`, `error` and all `moments`."""
        assert self.process.stdin and self.process.stdout
        job = {"workspace": str(workspace), "overrides": overrides, "moment": moment, "how": how}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        if "stands" in answer:
            os.kill(answer["stands"], signal.SIGKILL)
            answer = json.loads(self.process.stdout.readline())
        return answer


def watch(workspace: Path, moment: str | None, stand_still: Callable[[], None]) -> list[str]:
    """Patch `os` so that it stands still at a moment; returns the list that every moment is added to as it passes."""
    passed: list[str] = []

    def reach(label: str) -> None:
        passed.append(label)
        if moment in (label, f"{label} #{passed.count(label)}"):
            stand_still()

    def name_of(path: Any) -> str | None:
        full = str(Path(path).absolute())
        if not full.startswith(f"{workspace}/") or full.endswith(".lock"):
            return None
        name = re.sub(r"\.[0-9a-f]{8,16}\.tmp", ".*.tmp", full.removeprefix(f"{workspace}/"))
        return re.sub(r"/[0-9a-f]{64}$", "/*", name)

    def patch(function: str, said: str, which: int) -> None:
        real = getattr(os, function)

        def patched(*arguments: Any, **options: Any) -> Any:
            name = name_of(arguments[which]) if isinstance(arguments[which], str | Path) else None
            if name is None:
                return real(*arguments, **options)
            reach(f"before {said} {name}")
            result = real(*arguments, **options)
            reach(f"after {said} {name}")
            return result

        setattr(os, function, patched)

    real_write = os.write

    def write(descriptor: int, data: bytes) -> int:
        name = name_of(Path(f"/proc/self/fd/{descriptor}").readlink())
        if name is None or not name.endswith(".jsonl"):
            return real_write(descriptor, data)
        row = json.loads(data)
        label = f"write {name} {row['event']} {row['stage']}"
        if moment == f"middle {label}":
            real_write(descriptor, data[: len(data) // 2])
            reach(f"middle {label}")
        count = real_write(descriptor, data)
        reach(f"after {label}")
        return count

    for function, said, which in (
        ("mkdir", "mkdir", 0),
        ("rename", "rename", 1),
        ("replace", "rename", 1),
        ("unlink", "unlink", 0),
    ):
        patch(function, said, which)
    setattr(os, "write", write)  # noqa: B010
    return passed


def child(job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    from sealkit import engine, pipeline, write

    workspace = Path(job["workspace"])

    def stand_still() -> None:
        say({"stands": os.getpid()})
        signal.pause()

    # The same id and times in every workspace, so that the bytes can be compared.
    engine.secrets = SimpleNamespace(token_hex=lambda count: "0" * 2 * count)  # type: ignore[assignment,attr-defined]
    write.now = lambda: CLOCK
    passed = watch(workspace, job["moment"], stand_still)
    os.chdir(workspace)
    config = ROOT / "configs" / "retriever_ft.yaml"
    result = pipeline.run(config, job["overrides"], ["toolkit", "run"], **{"cache": False, **job["how"]})
    say({"code": result.exit_code, "error": result.error, "moments": passed})


def small_library(folder: Path) -> Path:
    """A part of the standard library that is quickly read."""
    import shutil
    import sysconfig

    source = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(source.glob("[a-g]*.py")):
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    return folder


@contextlib.contextmanager
def quiet() -> Iterator[int]:
    """Nobody else writes to stdout: what is said goes to the descriptor that is yielded."""
    channel = os.dup(1)
    os.dup2(2, 1)
    yield channel


def main() -> None:
    import sysconfig
    import tempfile

    import datasets  # noqa: F401
    import faiss  # noqa: F401
    import ir_measures  # noqa: F401
    import sentence_transformers.sentence_transformer.losses
    import sentence_transformers.sentence_transformer.training_args  # noqa: F401

    with tempfile.TemporaryDirectory() as folder, quiet() as channel:
        paths = {**sysconfig.get_paths(), "stdlib": str(small_library(Path(folder, "library")))}
        sysconfig.get_paths = lambda *_, **__: paths

        def say(answer: dict[str, Any]) -> None:
            os.write(channel, (json.dumps(answer) + "\n").encode())

        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                try:
                    child(json.loads(line), say)
                except BaseException as error:
                    say({"code": getattr(error, "exit_code", None), "error": str(error)})
                os._exit(0)
            if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
                say({"killed": True})


if __name__ == "__main__":
    main()
