"""Runs a matrix: one run for each of its experiments, some at a time, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import consumer, crew, matrix_config, matrix_record, write
from sealkit.comparison import changes
from sealkit.engine import Event
from sealkit.finding import UsageError, dotted
from sealkit.matrix_config import MatrixConfig
from sealkit.matrix_plan import Planned, plans, refuse_unready, resolved
from sealkit.pack import BUILT_IN, Pack
from sealkit.policy import NO_POLICY, Policy
from sealkit.rundir import MATRIX, open_run, workspace
from sealkit.worker import Ended, Job

OUTPUT = "output"  # the folder for what libraries print
TAKEN = "go on with it with --resume; or choose another matrix.name or --out"
WORST_FIRST = (4, 1, 2, 3, 0)


@dataclass(frozen=True)
class Result:
    """The matrix folder, what its `matrix.json` says, and the exit code of the public table over all runs."""

    path: Path
    record: dict[str, Any]
    exit_code: int


def run(
    path: Path,
    overrides: Sequence[str],
    command: list[str],
    on_event: Callable[[str, Event | Ended], None] = lambda name, event: None,
    pack: Pack = BUILT_IN,
    *,
    out: Path | None = None,
    runs: Path | None = None,
    models: Path | None = None,
    jobs: int = 1,
    resume: bool = False,
    cache: bool = True,
    lock_timeout: float = 0,
    reference: Path | None = None,
    policy: Policy = NO_POLICY,
) -> Result:
    """Run the matrix document at `path` below `<out>/<matrix.name>`, `jobs` runs at a time; with `resume`, go on with the
    matrix that lies there. `overrides` are laid over every experiment, last; `runs` is the place of matrices where
    neither `out` nor the document names one. `on_event` is told the name of the run with each event.

    Raises UsageError, before anything is changed, for whatever is wrong with the document or with the config of any
    experiment. From then on a run that fails is one row of the Result, and the others go on.
    """
    planned, config, folder = prepare(path, overrides, pack, out=out, runs=runs)
    if reference:
        open_run(reference, pack.layout(), pack.contracts, pack.metric_keys)
    exports = (models or workspace(folder) / "models").resolve() / config.name
    options = {
        "models": exports,
        "resume": True,  # for a run that never began it is the beginning
        "cache": cache,
        "lock_timeout": lock_timeout,
        "reference": reference,
        "policy": policy,
    }
    with write.Lock(folder, lock_timeout):
        resumed = _lies_there(folder, resume)
        refuse_unready(planned, exports)
        record = matrix_record.document(config, planned, folder)
        if resumed:
            _take_up(record, planned, folder, pack)
        elif not folder.exists():
            write.claim(folder, TAKEN)
        (folder / OUTPUT).mkdir(exist_ok=True)
        matrix_record.write_resolved(folder, record, planned)
        work = {
            one: Job(
                one.experiment.base,
                list(one.overrides),
                command,
                pack,
                options,
                folder / OUTPUT / f"{one.experiment.name}.txt",
            )
            for one in planned
        }
        crew.go(crew.Crew(folder, record, on_event), work, jobs)
    return Result(folder, record, worst([row["exit_code"] for row in record["experiments"]]))


def worst(codes: Collection[int | None]) -> int:
    """The exit code of several runs; a run without one did not end, and its matrix is broken."""
    return 4 if None in codes else next(code for code in WORST_FIRST if code in codes)


def prepare(
    path: Path, overrides: Sequence[str], pack: Pack, *, out: Path | None = None, runs: Path | None = None
) -> tuple[list[Planned], MatrixConfig, Path]:
    """The plan of every run of a matrix document, the document, and the folder of the matrix. Raises UsageError."""
    config = matrix_config.read(path, pack.contracts["matrix_config/v1"], tuple(overrides))
    named = Path(config.output_dir).expanduser() if config.output_dir else None
    folder = (out or named or runs or Path("outputs")) / config.name
    planned = plans(config.experiments, folder, pack)
    promised = [(one.experiment.label, one.plan.metrics) for one in planned]
    consumer.hold(config.consumers, promised, pack.metric_keys)
    return planned, config, folder


def _lies_there(folder: Path, resume: bool) -> bool:
    """Whether there is a matrix to go on with. Raises UsageError where the folder is taken by one, or by something else."""
    if not folder.exists():
        return False
    if (folder / MATRIX).exists():
        if resume:
            return True
        raise UsageError(f"{folder}: a matrix lies there already", TAKEN)
    ours = (matrix_record.RESOLVED, OUTPUT)
    foreign = [one.name for one in sorted(folder.iterdir()) if one.name not in ours and not one.name.endswith(".tmp")]
    if foreign or not resume:
        found = f", but {', '.join(foreign[:3])}" if foreign else ""
        raise UsageError(
            f"{folder}: is there already, and holds no {MATRIX}{found}", "choose another matrix.name or --out"
        )
    return False


def _take_up(record: dict[str, Any], planned: Sequence[Planned], folder: Path, pack: Pack) -> None:
    """Bring what a matrix came to before into its new record.

    Raises UsageError, before anything is changed, where a run that is complete would be another now, or is asked for no more.
    """
    old = matrix_record.read(folder, pack)
    before = {row["run_dir"]: row for row in old["experiments"] if (folder / row["run_dir"]).exists()}
    for row, one in zip(record["experiments"], planned, strict=True):
        known = before.pop(row["run_dir"], None)
        if known is None:
            continue
        config, now = matrix_record.config_of(folder, known), resolved(one, workspace(folder))["config"]
        changed = [f"{dotted(where)} {values}" for where, values in changes(config, now)]
        if changed and matrix_record.complete(folder, known):
            fix = f"give it another label, or move {folder / row['run_dir']} away to run it again"
            raise one.experiment.error("\n  ".join(["its run is complete, and this changed since:", *changed]), fix)
        row |= {key: known[key] for key in (*matrix_record.PENDING, "model_sha256") if key in known}
        if row["status"] == "running":
            row |= {"status": "failed", "reason": "it was cut off"}
    if before:
        gone = next(iter(before.values()))
        message = f"experiment {gone['label']} is not in it any more, and its run lies in {folder / gone['run_dir']}"
        raise UsageError(f"{record['matrix_config']['path']}: {message}", "put it back, or move its run away")
    again = {"time": write.now(), "git_hash": record["git_hash"], "matrix_config": record["matrix_config"]["digest"]}
    record |= {key: old[key] for key in ("created_at_utc", "git_hash")} | {"resumed": [*old["resumed"], again]}
