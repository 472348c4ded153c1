"""A run that a script records, as the engine sees it: each thing that is handed over is a stage of its own."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field as Default

from sealkit import named, write
from sealkit.audit import judge
from sealkit.engine import Engine, Event, Stop, begin, write_config
from sealkit.finding import Finding, Refused, Status, UsageError, dotted, pointer
from sealkit.pack import Pack
from sealkit.perform import perform
from sealkit.plan import MODEL, Step
from sealkit.provenance import Config, Origin
from sealkit.stage import Context, Input, Out, Params, Stage
from sealkit.stop import in_words

USES = "record"
Write = Callable[[Mapping[str, Input], Out, Context], None]


class Known(Params):
    """What is known of a hand-over besides its inputs: the query set, and what was measured on it."""

    subset: str | None = None
    measures: list[str] = Default(default=[])


@dataclass(frozen=True)
class Handover:
    """Something that a script hands over: `inputs` say what it was made of (`stage.output` or a named model), `outputs` which
    contract each keeps, and `write` puts it where the engine looks at it.
    """

    name: str
    title: str
    write: Write
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    known: Known = field(default_factory=Known)


@dataclass
class Recording:
    """`refused` is the first hand-over that broke its contract: whatever a script makes of the error, the run has failed."""

    engine: Engine
    reserve: write.Reserve
    lock: write.Lock
    steps: list[Step] = field(default_factory=list)
    refused: Stop | None = None
    started: float = field(default_factory=time.monotonic)

    def holds(self, stage: str) -> bool:
        return any(step.name == stage for step in self.steps)

    def add(self, handed: Handover, origin: Origin) -> None:
        """One more stage, in which the engine holds what was handed over against its contracts.

        Promised first and then performed, so that a run that is cut off in between says that something is absent. Raises
        Refused with what is wrong and where.
        """
        engine, config = self.engine, self.engine.config
        name = self._free(handed.name)
        params = handed.known.model_dump(exclude_unset=True)
        made = {key: engine.outputs.get(reference) for key, reference in handed.inputs.items()}
        inputs = {key: found.contract if found else MODEL for key, found in made.items()}
        stage = Stage(handed.title, Known, inputs, handed.outputs, lambda _in, _, out, ctx: handed.write(_in, out, ctx))
        outputs = {
            key: (contract, *engine.layout.place(contract, name, key)) for key, contract in handed.outputs.items()
        }
        step = Step(name, USES, stage, handed.inputs, params, outputs)
        config.data["stages"][name] = {"uses": USES, "in": dict(handed.inputs), "with": params}
        config.origins[pointer("stages", name)] = origin
        self.steps.append(step)
        engine.order = tuple(one.name for one in self.steps)
        write_config(engine, self.steps)
        try:
            perform(engine, step)
        except Stop as stop:
            self.refused = self.refused or stop
            raise self._reason(stop) from stop.__cause__
        self.save()

    def refuse(self, message: str) -> Refused:
        """The error for something that was never written, since it breaks its contract."""
        self.refused = self.refused or Stop(1, "ContractBroken", message)
        return told(message, ())

    def named(self, name: str) -> str:
        """A model outside the run, found and digested once. Raises UsageError."""
        engine = self.engine
        if name not in engine.models:
            engine.models = {**engine.models, name: named.model(name)}
            engine.metadata["models"] = [model.document() for model in engine.models.values()]
            self.save()
        return name

    def rewrite(self) -> None:
        """Write the config and the documents again, after one of them changed."""
        vars(self.engine).pop("redactor", None)  # the config holds other secrets now
        write_config(self.engine, self.steps)
        self.save()

    def save(self) -> None:
        """Write the documents. How long it took to write down what was handed over is no metric of the script."""
        for step in self.steps:
            self.engine.metrics.pop(f"time/{step.name}", None)
        self.engine.save()

    def close(self) -> None:
        """The end of a script that came to its end: every check that can run now decides. Raises Refused."""
        if self.refused:
            self.fail(self.refused)
            return
        engine = self.engine
        engine.summary |= {"status": "ok", "finished": write.now(), "seconds": round(time.monotonic() - self.started, 3)}  # fmt: skip
        self.save()
        failed: dict[str, tuple[Finding, ...]] = {}
        run = engine.run()
        for check in engine.pack.checks_of(run.layout).values():
            if "observed" not in check.kinds:
                outcome = engine.outcomes[check.id] = judge(run, check)
                engine.tell(Event("check", None, f"{check.id}: {outcome.status}", outcome=outcome))
                if outcome.status is Status.FAILED:
                    failed[check.id] = outcome.findings
        if failed:
            checks = "the check" if len(failed) == 1 else "the checks"
            stop = Stop(1, "CheckFailed", f"{checks} {', '.join(failed)} failed")
            self.fail(stop)
            raise told(stop.message, tuple(finding for findings in failed.values() for finding in findings))
        self.let_go()

    def raised(self, error: BaseException) -> None:
        """The end of a script that raised."""
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            stop = Stop(4, "Interrupted", "the script was interrupted")
        else:
            stop = Stop(4, "ScriptRaised", f"the script raised {in_words(error)}")
        self.fail(self.refused if self.refused and isinstance(error, Refused) else stop)
        with contextlib.suppress(OSError):  # the disk may be what failed
            self.engine.tell(Event("traceback", None, "".join(traceback.format_exception(error))))

    def fail(self, stop: Stop) -> None:
        self.reserve.release()  # on a full disk this is the room for the last words
        self.engine.fail(stop)
        self.let_go()

    def let_go(self) -> None:
        """Leave nothing behind that belongs to a run that goes on."""
        self.reserve.release()
        self.lock.__exit__()

    def _free(self, name: str) -> str:
        names = [name, *(f"{name}_{number}" for number in range(2, len(self.steps) + 3))]
        return next(candidate for candidate in names if not self.holds(candidate))

    def _reason(self, stop: Stop) -> BaseException:
        """What a script is told of a hand-over that was not taken."""
        outcome = self.engine.outcomes.get(f"stage-{stop.stage}")
        if outcome:
            return told(stop.message, outcome.findings)
        return stop.__cause__ or stop


def told(message: str, findings: tuple[Finding, ...]) -> Refused:
    """A refusal whose message holds each finding with its place."""
    error = Refused(findings)
    error.message = message + "".join(f"\n  {finding.at}: {finding.message}" for finding in findings)
    error.args = (error.message,)
    return error


def start(root: Path, config: Config, pack: Pack, command: list[str], script: dict[str, str] | None) -> Recording:
    """Claim the run directory and write everything that is known before the first hand-over. Raises UsageError."""
    section = {key: value for key, value in config.data["run"].items() if value is not None}
    shape = {"schema": "pipeline/v1", "run": section, "stages": {"record": {"uses": USES}}}
    for violation in pack.contracts["pipeline/v1"].violations(shape):
        raise UsageError(f"record: {dotted(violation.pointer)}: {violation.message}")
    lock = write.Lock(root).__enter__()
    try:
        write.claim(root)
        engine = Engine(root, config, pack.layout(), pack, {}, {}, lambda event: None)
        recording = Recording(engine, write.Reserve(root), lock)
        recording.reserve.take()
        begin(engine, [], command)
    except BaseException:
        lock.__exit__()
        raise
    if script:
        engine.metadata["script"] = script
        engine.save()
    return recording
