"""Runs a config: one claimed run directory, stage after stage, each output held against its contract before it gets
its final name, each check run as soon as all that it reads exists."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sealkit import config as configuration
from sealkit import rundir, write
from sealkit.audit import judge, judge_artifacts
from sealkit.engine import Engine, Event, Stop, begin
from sealkit.finding import Report, Status
from sealkit.pack import BUILT_IN, Pack
from sealkit.perform import in_words, perform
from sealkit.plan import Step, named_models, plan
from sealkit.stage import Ready


@dataclass(frozen=True)
class Result:
    """The run directory, what was judged, and the exit code of the public table. `error` says why it stopped early."""

    path: Path
    report: Report
    exit_code: int
    error: str | None = None


def run(
    path: Path,
    overrides: list[str],
    command: list[str],
    on_event: Callable[[Event], None] = lambda event: None,
    pack: Pack = BUILT_IN,
    runs: Path | None = None,
) -> Result:
    """Run the config at `path`; `runs` is the place of runs where the config names none.

    Raises UsageError before the run directory exists; from then on whatever goes wrong is in the Result and
    in the run's own summary, and nothing that was written is lost.
    """
    layout = pack.layout()
    contract, sections = pack.contracts["pipeline/v1"], pack.sections(pack.domains)
    config = configuration.load(
        path, overrides, contract, sections, lambda uses: pack.stage(uses).params, pack.legacy_keys, runs
    )
    steps = plan(config, layout, pack)
    section = config.data["run"]
    root = Path(section["output_dir"]).expanduser() / section["name"]
    models = named_models(config, steps)
    for step in steps:
        if step.stage.ready:
            step.stage.ready(step.values(), Ready(section["name"], rundir.workspace(root)))
    write.claim(root)
    engine = Engine(root, config, layout, pack, models, on_event)
    reserve = write.Reserve(root)
    stop = None
    try:
        reserve.take()
        begin(engine, steps, command)
        _go(engine, steps)
    except Stop as reason:
        stop = reason
    except Exception as error:
        stop = Stop(4, "StageRaised", in_words(error))
    except (KeyboardInterrupt, SystemExit):
        stop = Stop(4, "Interrupted", "the run was interrupted")
    if stop:
        reserve.release()  # on a full disk this is the room for the last words
        if engine.summary:
            engine.fail(stop)
    reserve.release()
    artifacts = tuple(judge_artifacts(engine.run(), False))
    report = Report(engine.metadata.get("run_id"), section["name"], artifacts, tuple(engine.outcomes.values()))
    return Result(root, report, stop.exit_code if stop else report.exit_code(), stop.message if stop else None)


def _go(engine: Engine, steps: list[Step]) -> None:
    """All stages, with the checks that each makes possible. Raises Stop."""
    started = time.monotonic()
    for done, step in enumerate(steps):
        _check(engine, steps[done:])
        perform(engine, step)
    _check(engine, [])
    engine.summary |= {"status": "ok", "finished": write.now(), "seconds": round(time.monotonic() - started, 3)}
    engine.save()
    _check(engine, [], ended=True)


def _check(engine: Engine, pending: list[Step], ended: bool = False) -> None:
    """Run every check that has not run and whose kinds nobody will write any more. Raises Stop at the first that fails."""
    waiting = {contract.split("/")[0] for step in pending for contract, _, _ in step.outputs.values()}
    waiting |= {"observed"} if ended else {"observed", "metrics", "summary"}
    run = engine.run()
    for check in engine.pack.checks.values():
        if check.id in engine.outcomes or check.kinds & waiting:
            continue
        outcome = engine.outcomes[check.id] = judge(run, check)
        engine.tell(Event("check", None, f"{check.id}: {outcome.status}", outcome=outcome))
        if outcome.status is Status.FAILED:
            raise Stop(1, "CheckFailed", f"stopped: the check {check.id} failed")
