"""Options that more than one verb takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sealkit.pack import Pack
    from sealkit.policy import Policy
    from sealkit.project import Settings

run_directory = click.argument("run_dir", type=click.Path())
strict = click.option("--strict", is_flag=True, help="Warnings count as failures (exit 1).")
reference = click.option(
    "--reference", type=click.Path(), help="The run to compare with, query by query (before fine-tuning, say)."
)
waivers = click.option(
    "--waivers", type=click.Path(), help="Signed-off exceptions; default: waivers.yaml, where there is one."
)


def _format(*names: str) -> Callable[[Any], Any]:
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(names),
        default="text",
        show_default=True,
        help="How to print it.",
    )


output_format = _format("text", "json", "markdown")
plain_format = _format("text", "json")


def policy(settings: Settings, waivers: str | None) -> Policy:
    """The project's severities, and what was signed off: in the given file, else in the project's, else in waivers.yaml
    in the current directory. Raises UsageError.
    """
    from dataclasses import replace

    from sealkit import policy

    path = Path(waivers) if waivers else settings.waivers or Path("waivers.yaml")
    signed = policy.Policy()
    if waivers or settings.waivers or path.exists():
        signed = policy.read(path, settings.pack.contracts["waivers/v1"], settings.pack.checks)
    return replace(signed, severities=settings.severities)


def pack() -> Pack:
    """Ours, with what the project that the current directory belongs to adds. Raises UsageError."""
    from sealkit import project

    return project.load(Path.cwd()).pack
