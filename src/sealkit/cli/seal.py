"""`toolkit seal`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Judge a run and seal it, whatever the verdict.")
@options.run_directory
@options.reference
@options.waivers
@click.option("--out", type=click.Path(), metavar="DIR", help="Write the seal there, and nothing into RUN_DIR.")
@options.output_format
@options.strict
def command(
    run_dir: str, reference: str | None, waivers: str | None, out: str | None, output_format: str, strict: bool
) -> int:
    """Write RUN_DIR/seal: what every file was, which commits and models stand behind it, and the verdict.

    With --out DIR the same seal becomes the folder DIR, for a run directory that is to be left as it is: see
    `toolkit verify --seal DIR`. In SHA256SUMS its own files are called seal/… there too.

    Read SEAL.html in it (or SEAL.md). The last line on stdout is the seal's digest: keep it elsewhere, and give it to
    `toolkit verify --digest`. A seal is never overwritten.
    """
    from sealkit import project, seal
    from sealkit.render import json, markdown, text
    from sealkit.rundir import SEAL
    from sealkit.write import dumps

    settings = project.load(Path.cwd(), Path(run_dir))
    sealed = seal.seal(
        Path(run_dir),
        Path(reference) if reference else None,
        options.policy(settings, waivers, Path(run_dir)),
        settings.pack,
        out=Path(out) if out else None,
    )
    if output_format == "json":
        click.echo(dumps({**json.document(sealed.report), "x-seal": sealed.digest}), nl=False)
    elif output_format == "markdown":
        click.echo(markdown.render(sealed.report) + f"\nSealed: `{sealed.digest}`")
    else:
        click.echo(text.render(sealed.report), nl=False, err=True)
        state = "sealed" if sealed.fresh else "sealed already, with the same bytes"
        click.echo(f"{state}: {(Path(out) if out else Path(run_dir) / SEAL) / seal.PAGE}", err=True)
        click.echo(sealed.digest)
    return sealed.report.exit_code(strict)
