"""`toolkit cache`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealkit.cli import options

if TYPE_CHECKING:
    from sealkit.cache import Cache

SECONDS = {"m": 60, "h": 3600, "d": 86400}
BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Quantity(click.ParamType):  # type: ignore[type-arg]
    """A number with one of some units."""

    def __init__(self, name: str, units: dict[str, int], example: str) -> None:
        self.name, self.units, self.example = name, units, example

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]+)", value)
        factor = match and (self.units.get(match[2]) or self.units.get(match[2].upper()))
        if not match or not factor:
            self.fail(f"{value!r}: expected a number with {', '.join(self.units)}, as {self.example}", param, ctx)
        return int(float(match[1]) * factor)


@click.group(short_help="Look at the stage cache of a workspace, and prune it.")
def command() -> None:
    """What stages wrote is kept in WORKSPACE/.sealkit/cache, and taken from there when all that decides it is the same."""


@command.command("list")
@options.workspace
def show(workspace: str) -> None:
    """One line an entry, the longest unused first: when it was last used, its size, the stage, the run that wrote it."""
    import datetime

    for entry in sorted(_cache(workspace).entries(), key=lambda entry: entry.used):
        used = datetime.datetime.fromtimestamp(entry.used, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        click.echo(f"{used}  {_size(entry.size):>9}  {entry.record.uses}  {entry.record.run_id}")


@command.command()
@options.workspace
@click.option("--older-than", type=Quantity("age", SECONDS, "30d"), help="Drop what was not used for so long, as 30d.")
@click.option(
    "--max-size", type=Quantity("size", BYTES, "10GB"), help="Drop the longest unused until so much is left, as 10GB."
)
def prune(workspace: str, older_than: int | None, max_size: int | None) -> None:
    """Drop entries of the cache. Runs lose nothing by it."""
    if older_than is None and max_size is None:
        raise click.UsageError("say what to drop: --older-than 30d, --max-size 10GB, or both")
    cache = _cache(workspace)
    dropped = cache.prune(older_than, max_size)
    noun = "entry" if len(dropped) == 1 else "entries"
    click.echo(f"dropped {len(dropped)} {noun}, kept {len(list(cache.entries()))}", err=True)


def _cache(workspace: str) -> Cache:
    from sealkit.cache import Cache

    return Cache(Path(workspace))


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
