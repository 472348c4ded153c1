"""Options that more than one verb takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sealkit.policy import Policy

run_directory = click.argument("run_dir", type=click.Path())
strict = click.option("--strict", is_flag=True, help="Warnings count as failures (exit 1).")
reference = click.option(
    "--reference", type=click.Path(), help="The run to compare with, query by query (before fine-tuning, say)."
)
waivers = click.option(
    "--waivers", type=click.Path(), help="Signed-off exceptions; default: waivers.yaml, where there is one."
)
output_format = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)


def policy(waivers: str | None) -> Policy:
    """What was signed off in the given file, or in waivers.yaml in the current directory. Raises UsageError."""
    from sealkit import policy
    from sealkit.pack import BUILT_IN

    path = Path(waivers or "waivers.yaml")
    if waivers is None and not path.exists():
        return policy.Policy()
    return policy.read(path, BUILT_IN.contracts["waivers/v1"], BUILT_IN.checks)
