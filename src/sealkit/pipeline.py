"""Runs a config: one claimed run directory, stage after stage, each output held against its contract before it gets
its final name, each check run as soon as all that it reads exists."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sealkit import acceptance, rundir, write
from sealkit import resume as resumption
from sealkit.audit import judge, judge_artifacts
from sealkit.cache import Cache
from sealkit.engine import Engine, Event, Stop, begin
from sealkit.finding import Report, Status
from sealkit.pack import BUILT_IN, Pack
from sealkit.perform import perform
from sealkit.plan import Step, prepare
from sealkit.policy import NO_POLICY, Policy
from sealkit.rundir import open_run
from sealkit.stage import Ready
from sealkit.stop import in_words

GO_ON = "a run lies there that was cut off: go on with it with --resume; or choose another run.name or --out"


@dataclass(frozen=True)
class Result:
    """The run directory, what was judged, and the exit code of the public table. `error` says why it stopped early.

    `waiting` are the expectations that only the seal can judge, in words.
    """

    path: Path
    report: Report
    exit_code: int
    error: str | None = None
    waiting: tuple[str, ...] = ()


def run(
    path: Path,
    overrides: list[str],
    command: list[str],
    on_event: Callable[[Event], None] = lambda event: None,
    pack: Pack = BUILT_IN,
    *,
    runs: Path | None = None,
    models: Path | None = None,
    resume: bool = False,
    cache: bool = True,
    lock_timeout: float = 0,
    reference: Path | None = None,
    policy: Policy = NO_POLICY,
) -> Result:
    """Run the config at `path`; with `resume`, go on with the run that lies where this one would. `runs` is the
    place of runs where the config names none, and `models` the folder that models are exported to.

    Expectations are judged against the `reference` run; without one they wait for the seal.

    Raises UsageError before anything is changed; from then on whatever goes wrong is in the Result and
    in the run's own summary, and nothing that was written is lost. `lock_timeout` is in seconds.
    """
    planned = prepare(path, overrides, pack, runs)
    root, steps = planned.root, planned.steps
    compared = open_run(reference, planned.layout, pack.contracts, pack.metric_keys) if reference else None
    with write.Lock(root, lock_timeout) as lock:
        engine = Engine(
            root,
            planned.config,
            planned.layout,
            pack,
            planned.models,
            planned.files,
            on_event,
            policy,
            compared,
            models,
        )
        engine.order = tuple(step.name for step in steps)
        engine.cache = Cache(rundir.workspace(root)) if cache else None
        if root.exists() and not resume:
            write.claim(root, GO_ON if resumption.unfinished(root) else write.TAKEN)
        resumed = root.exists() and resumption.began(root)
        for step in steps:
            if step.stage.ready:
                step.stage.ready(step.values(), Ready(root.name, engine.exports, resumed))
        if resumed:
            resumption.take_up(engine, steps)
        elif not root.exists():
            write.claim(root)
        return _run(engine, steps, command, lock, resumed)


def _run(engine: Engine, steps: list[Step], command: list[str], lock: write.Lock, resumed: bool) -> Result:
    """From the claimed run directory to the result."""
    reserve = write.Reserve(engine.root)
    stop = None
    try:
        if not engine.over:
            reserve.take()
        if not resumed:
            begin(engine, steps, command)
            for left_out in engine.config.left_out:
                engine.tell(Event("left-out", None, f"{left_out['what']} is left out: {left_out['why']}"))
        if lock.took_over:
            engine.tell(Event("note", None, f"took over the lock of one that is gone: {lock.took_over}"))
        _go(engine, steps, resumed)
    except Stop as reason:
        stop = reason
    except Exception as error:
        stop = Stop(4, "StageRaised", in_words(error))
    except (KeyboardInterrupt, SystemExit):
        stop = Stop(4, "Interrupted", "the run was interrupted")
    if stop and not engine.over:
        reserve.release()  # on a full disk this is the room for the last words
        if engine.summary:
            engine.fail(stop)
    if not engine.over:
        reserve.release()
    artifacts = tuple(judge_artifacts(engine.run(), False))
    name = engine.config.data["run"]["name"]
    report = Report(engine.metadata.get("run_id"), name, artifacts, tuple(engine.outcomes.values()))
    if stop:
        return Result(engine.root, report, stop.exit_code, stop.message)
    rows = acceptance.judge(engine.run()) if engine.reference is None else []
    waiting = tuple(f"{row.says}: {row.found}" for row in rows if row.waits)
    return Result(engine.root, report, report.exit_code(), waiting=waiting)


def _go(engine: Engine, steps: list[Step], resumed: bool) -> None:
    """All stages, with the checks that each makes possible. Raises Stop."""
    started = time.monotonic()
    before = sum(record["seconds"] for record in engine.summary["stages"])
    for done, step in enumerate(steps):
        _check(engine, steps[done:])
        if not (resumed and resumption.holds(engine, step)):
            perform(engine, step)
    _check(engine, [])
    seconds = round(before + time.monotonic() - started, 3)
    if not engine.over:
        engine.summary |= {"status": "ok", "finished": write.now(), "seconds": seconds}
    engine.save()
    _check(engine, [], ended=True)


def _check(engine: Engine, pending: list[Step], ended: bool = False) -> None:
    """Run every check whose kinds nobody will write any more, once; those that do not wait for a kind, again when it has grown.

    Raises Stop at the first that fails while there are stages to come; a run that is complete stays complete, whatever
    its checks say of it.
    """
    waiting = {contract.split("/")[0] for step in pending for contract, _, _ in step.outputs.values()}
    waiting |= {"observed"} if ended else {"observed", "metrics", "summary"}
    run = engine.run()
    for check in engine.pack.checks_of(run.layout).values():
        grown = {kind: len(run.all(kind)) for kind in check.growing}
        if (check.kinds - check.growing) & waiting or engine.judged_on.get(check.id) == grown:
            continue
        engine.judged_on[check.id] = grown
        judged = judge(run, check)
        outcome = engine.policy.apply(judged, check.severity, engine.metadata["name"], write.now()[:10])
        engine.outcomes[check.id] = outcome
        engine.tell(Event("check", None, f"{check.id}: {outcome.status}", outcome=outcome))
        if outcome.status is Status.FAILED and not ended:
            raise Stop(1, "CheckFailed", f"stopped: the check {check.id} failed")
