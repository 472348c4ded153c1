"""What `toolkit run` does with a matrix document."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sealkit.engine import Event
    from sealkit.project import Settings
    from sealkit.worker import Ended


def run(config: Path, overrides: tuple[str, ...], out: str | None, settings: Settings, **how: Any) -> int:
    """Run a matrix; each line of progress begins with the name of the run that it speaks of."""
    from sealkit import matrix
    from sealkit.render import matrix as render

    command = ["toolkit", *sys.argv[1:]]
    folder = Path(out) if out else None
    result = matrix.run(
        config, overrides, command, _tell, settings.pack, out=folder, runs=settings.runs, models=settings.models, **how
    )
    click.echo(render.text(result.record), nl=False, err=True)
    click.echo(str(result.path))
    return result.exit_code


def forecast(
    config: Path, overrides: tuple[str, ...], out: str | None, settings: Settings, *, resume: bool, cache: bool
) -> int:
    """Say of every run of a matrix which stages would run, and why."""
    from sealkit import matrix
    from sealkit.cli.run import forecast_lines
    from sealkit.forecast import forecast
    from sealkit.render.text import clean
    from sealkit.rundir import workspace

    folder = Path(out) if out else None
    planned, _, place = matrix.prepare(config, overrides, settings.pack, out=folder, runs=settings.runs)
    first: dict[str, str] = {}  # what is worked on → the run that needs it first
    how: dict[str, Any] = {"resume": resume, "cache": cache, "workspace": workspace(place)}
    for one in planned:
        name = one.experiment.name
        stages = forecast(one.experiment.base, list(one.overrides), settings.pack, **how)
        shared = [
            replace(stage, does="shared", why=(f"with {other}",))
            if stage.does == "run" and stage.work and (other := first.setdefault(stage.work, name)) != name
            else stage
            for stage in stages
        ]
        click.echo(f"{name}:")
        for line in forecast_lines(shared):
            click.echo(clean(f"  {line}".rstrip()))
    return 0


def _tell(name: str, event: Event | Ended) -> None:
    from sealkit.cli.run import words
    from sealkit.finding import Status
    from sealkit.render import text
    from sealkit.worker import Ended

    if not isinstance(event, Ended):
        if event.kind == "run-started":
            click.echo(f"{name}: begins, {event.message}", err=True)
        elif (said := words(event)) is not None:
            click.echo(f"{name}: {text.clean(said)}", err=True)
        return
    bad = (Status.FAILED,) if event.error else (Status.FAILED, Status.BLOCKED, Status.CRASHED)
    outcomes = event.report.outcomes if event.report else ()
    told = [text.outcome(outcome) for outcome in outcomes if outcome.status in bad]
    told += [text.clean(line) for line in (event.error or "").split("\n") if line]
    told += [f"not judged yet: {text.clean(waiting)}" for waiting in event.waiting]
    if event.report and not event.error:
        told.append(f"verdict: {event.report.verdict} ({text.counts(event.report.checks)})")
    for one in "\n".join(told).split("\n"):
        click.echo(f"{name}: {one}", err=True)
