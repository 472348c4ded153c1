"""`toolkit check`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Judge a run directory; writes nothing.")
@options.run_directory
@options.output_format
@options.strict
def command(run_dir: str, output_format: str, strict: bool) -> int:
    """Hold every artifact of RUN_DIR against its contract and all of them against each other.

    Prints what is wrong as `path:line: check: message` with what to do about it. Paths are below RUN_DIR.
    """
    from sealkit import observe, project
    from sealkit.render import json, text

    report = observe.check(Path(run_dir), project.load(Path.cwd()).pack)
    click.echo((json if output_format == "json" else text).render(report), nl=False)
    return report.exit_code(strict)
