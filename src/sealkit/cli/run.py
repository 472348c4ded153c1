"""`toolkit run`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealkit.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sealkit.engine import Event
    from sealkit.forecast import Forecast


@click.command(short_help="Run a pipeline; stop at the first broken contract.")
@click.argument("config", type=click.Path())
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--out", metavar="DIR", help="Short for run.output_dir=DIR.")
@click.option("--resume", is_flag=True, help="Go on with the run that lies there; begin it where none does.")
@click.option("--dry-run", is_flag=True, help="Say which stage would run, and why. Writes nothing.")
@click.option("--no-cache", is_flag=True, help="Neither take stages from the cache nor keep them there.")
@click.option(
    "--lock-timeout", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="Wait so long for another run."
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Runs of a matrix at a time; default: 1.")
@options.reference
@options.waivers
def command(
    config: str,
    overrides: tuple[str, ...],
    out: str | None,
    resume: bool,
    dry_run: bool,
    no_cache: bool,
    lock_timeout: float,
    jobs: int | None,
    reference: str | None,
    waivers: str | None,
) -> int:
    """Run the pipeline or matrix document CONFIG (YAML), with single values overridden as KEY=VALUE.

    \b
    toolkit run configs/retriever_ft.yaml run.name=second stages.train.with.epochs=1
    toolkit run configs/retriever_ft.yaml run.limit=32        a quick smoke run
    toolkit run configs/retriever_ft.yaml --resume            go on where it was cut off
    toolkit run matrix.yaml --jobs 2                          every run of a matrix, two at a time

    The last line on stdout is the run directory, or the matrix folder; everything else goes to stderr.
    """
    from sealkit import matrix_config, pipeline, project
    from sealkit.cli import fail, matrix
    from sealkit.finding import Status
    from sealkit.forecast import forecast
    from sealkit.render import text

    settings = project.load(Path.cwd())
    if matrix_config.is_matrix(Path(config)):
        options_given = {"resume": resume, "cache": not no_cache}
        if dry_run:
            return matrix.forecast(Path(config), overrides, out, settings, **options_given)
        more = {"jobs": jobs or 1, "lock_timeout": lock_timeout, "reference": Path(reference) if reference else None}
        policy = options.policy(settings, waivers)
        return matrix.run(Path(config), overrides, out, settings, policy=policy, **options_given, **more)
    if jobs is not None:
        raise click.UsageError("--jobs is for matrices: one pipeline is one run")
    given = [*overrides, *([f"run.output_dir={out}"] if out else [])]
    if dry_run:
        stages = forecast(Path(config), given, settings.pack, runs=settings.runs, resume=resume, cache=not no_cache)
        for line in forecast_lines(stages):
            click.echo(text.clean(line))
        return 0
    # Libraries print where they like; on stdout there is only the run directory.
    with contextlib.redirect_stdout(sys.stderr), Progress() as progress:
        result = pipeline.run(
            Path(config),
            given,
            _command_line(),
            progress,
            settings.pack,
            runs=settings.runs,
            models=settings.models,
            reference=Path(reference) if reference else None,
            policy=options.policy(settings, waivers),
            resume=resume,
            cache=not no_cache,
            lock_timeout=lock_timeout,
        )
    if result.error:
        # What stopped it, and nothing else: that all the rest is absent goes without saying.
        for outcome in (item for item in result.report.checks if item.status is Status.FAILED):
            click.echo(text.outcome(outcome), err=True)
        fail(result.error)
    else:
        click.echo(text.render(result.report), nl=False, err=True)
        for waiting in result.waiting:
            click.echo(f"not judged yet: {text.clean(waiting)}", err=True)
    click.echo(str(result.path))
    return result.exit_code


def forecast_lines(stages: list[Forecast]) -> Iterator[str]:
    """A line for each stage, and one for each further reason."""
    width = max(len(one.stage) for one in stages)
    for one in stages:
        first, *more = one.why or ("",)
        yield f"{one.stage:<{width}}  {one.does:<6}  {first}"
        yield from (f"{'':<{width + 10}}{why}" for why in more)


def _command_line() -> list[str]:
    return ["toolkit", *sys.argv[1:]]


def words(event: Event) -> str | None:
    """An event in words; None for one that is not told in words."""
    if event.kind in ("stage-cached", "stage-kept"):
        return f"{event.stage}: {event.kind.removeprefix('stage-')}, {event.message}"
    if event.kind in ("stage-started", "note"):
        return f"{event.stage}: {event.message}" if event.stage else event.message
    if event.kind == "stage-finished":
        return f"{event.stage}: done in {event.message}"
    if event.kind == "warning":
        return f"warning: {event.message}"
    return f"  {event.message}" if event.kind in ("output", "left-out") else None


class Progress:
    """Draws the engine's events on stderr: a bar for a terminal, plain lines elsewhere."""

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self.console = Console(stderr=True, highlight=False)
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Bars(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def __call__(self, event: Event) -> None:
        from rich.markup import escape

        from sealkit.finding import Status
        from sealkit.render import text

        if event.kind == "progress":
            self._advance(event)
            return
        self._clear()
        if event.kind == "check" and event.outcome is not None and event.outcome.status is Status.PASSED:
            self.console.print(f"  check {event.outcome.id}: passed", soft_wrap=True)
        elif (said := words(event)) is not None:
            self.console.print(escape(text.clean(said)), soft_wrap=True)

    def _advance(self, event: Event) -> None:
        description = f"{event.stage}: {event.message}"
        known = {task.description: task.id for task in self.bars.tasks}
        if description not in known:
            self._clear()
            known[description] = self.bars.add_task(description, total=event.total)
        self.bars.update(known[description], completed=event.done)

    def _clear(self) -> None:
        for task in list(self.bars.tasks):
            self.bars.remove_task(task.id)
