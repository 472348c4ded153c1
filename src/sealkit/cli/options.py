"""Options that more than one verb takes."""

from __future__ import annotations

import click

run_directory = click.argument("run_dir", type=click.Path())
strict = click.option("--strict", is_flag=True, help="Warnings count as failures (exit 1).")
output_format = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
