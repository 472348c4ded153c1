"""`toolkit explain`."""

from __future__ import annotations

import click

from sealkit.cli import options


@click.command(short_help="What the checks look for, and the way out.")
@click.argument("check_id", metavar="[CHECK]", required=False)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def command(check_id: str | None, output_format: str) -> int:
    """Tell what CHECK looks for, which failure taught it, what it reads and what to do about a finding; without CHECK,
    name every check in a line. In Markdown it is always the page of all checks, checks/README.md.
    """
    from sealkit.contract import did_you_mean
    from sealkit.finding import UsageError
    from sealkit.render import explain

    checks = options.pack().checks
    if check_id is not None and check_id not in checks:
        raise UsageError(
            f"unknown check `{check_id}`{did_you_mean(check_id, checks)}", "toolkit explain    names every check"
        )
    if output_format == "markdown":
        shown = explain.page(checks.values())
    else:
        shown = explain.listing(checks.values()) if check_id is None else explain.text(checks[check_id])
    click.echo(shown, nl=False)
    return 0
