"""`toolkit verify`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Find out whether a seal still holds.")
@options.run_directory
@click.option("--digest", "expected", help="The digest that `toolkit seal` printed: sha256:…")
@options.output_format
def command(run_dir: str, expected: str | None, output_format: str) -> int:
    """Hash every byte of RUN_DIR again, judge it again, recompute metrics and comparisons, and hold all of it
    against the seal. Then tell what has moved outside the run since: that never changes the answer.

    Exits with 0 only if the seal holds and its verdict is a PASS; 1 if it no longer holds, or is a FAIL; 3 without a seal.
    """
    from sealkit import project
    from sealkit.render import verification
    from sealkit.verify import verify

    found = verify(Path(run_dir), expected, project.load(Path.cwd()).pack)
    click.echo((verification.json if output_format == "json" else verification.text)(found), nl=False)
    return found.exit_code
