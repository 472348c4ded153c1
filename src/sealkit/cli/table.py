"""`toolkit table`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="The metrics of a matrix, a row a label.")
@click.argument("matrix_dir", type=click.Path())
@click.option("--metrics", metavar="KEY[,KEY]...", help="The columns; default: the headline metrics of its runs.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["markdown", "latex", "json", "csv"]),
    default="markdown",
    show_default=True,
    help="How to print it.",
)
def command(matrix_dir: str, metrics: str | None, output_format: str) -> int:
    """Print a table of the matrix folder MATRIX_DIR: a row for each label, a column for each metric.

    A label that was repeated has the mean over its runs and its 95 % interval. Runs that did not come to their end, or are
    no pass, are told below.
    """
    from sealkit.matrix_table import table
    from sealkit.render import table as render

    chosen = [key.strip() for key in metrics.split(",")] if metrics else []
    found = table(Path(matrix_dir), chosen, options.pack(Path(matrix_dir)))
    forms = {"markdown": render.markdown, "latex": render.latex, "json": render.json, "csv": render.csv}
    click.echo(forms[output_format](found), nl=False)
    return 0
