"""`toolkit diff`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Tell why two runs differ, then by how much.")
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@options.plain_format
def command(a: str, b: str, output_format: str) -> int:
    """Lay the run directories A and B side by side: first every difference in config, data, code, libraries, machine and
    models, then the metrics, and the paired comparison where queries, judgments and corpus are the same.

    Takes runs in any state, finished or not, sealed or not. Exits with 0, however much they differ.
    """
    from sealkit.diff import diff
    from sealkit.render import diff as render

    found = diff(Path(a), Path(b), options.pack())
    click.echo((render.json if output_format == "json" else render.text)(found), nl=False)
    return 0
