"""`toolkit seal`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Judge a run and seal it, whatever the verdict.")
@options.run_directory
@click.option(
    "--reference", type=click.Path(), help="The run to compare with, query by query (before fine-tuning, say)."
)
@options.output_format
@options.strict
def command(run_dir: str, reference: str | None, output_format: str, strict: bool) -> int:
    """Write RUN_DIR/seal: what every file was, which commits and models stand behind it, and the verdict.

    Read RUN_DIR/seal/SEAL.md. The last line on stdout is the seal's digest: keep it elsewhere, and give it to
    `toolkit verify --digest`. A seal is never overwritten.
    """
    from sealkit import project, seal
    from sealkit.observe import FOLDER
    from sealkit.render import json, text
    from sealkit.write import dumps

    sealed = seal.seal(Path(run_dir), Path(reference) if reference else None, project.load(Path.cwd()).pack)
    if output_format == "json":
        click.echo(dumps({**json.document(sealed.report), "x-seal": sealed.digest}), nl=False)
    else:
        click.echo(text.render(sealed.report), nl=False, err=True)
        state = "sealed" if sealed.fresh else "sealed already, with the same bytes"
        click.echo(f"{state}: {Path(run_dir) / FOLDER / seal.PAGE}", err=True)
        click.echo(sealed.digest)
    return sealed.report.exit_code(strict)
