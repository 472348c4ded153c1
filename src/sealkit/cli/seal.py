"""`toolkit seal`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Judge a run and seal it, whatever the verdict.")
@options.run_directory
@click.option(
    "--reference",
    metavar="RUN_DIR|LABEL",
    help="The run to compare with, query by query; of a matrix the label of a row.",
)
@options.layout
@options.root
@options.waivers
@click.option("--out", type=click.Path(), metavar="DIR", help="Write the seal there, and nothing into RUN_DIR.")
@click.option(
    "--publish",
    type=click.Path(),
    metavar="DIR",
    help="Write what belongs in git to DIR/NAME: page, statement, tables, figures.",
)
@options.output_format
@options.strict
def command(
    run_dir: str,
    reference: str | None,
    layout: str | None,
    root: Path | None,
    waivers: str | None,
    out: str | None,
    publish: str | None,
    output_format: str,
    strict: bool,
) -> int:
    """Write RUN_DIR/seal: what every file was, which commits and models stand behind it, and the verdict.

    With --out DIR the same seal becomes the folder DIR, for a run directory that is to be left as it is: see
    `toolkit verify --seal DIR`. In SHA256SUMS its own files are called seal/… there too.

    Read SEAL.html in it (or SEAL.md). The last line on stdout is the seal's digest: keep it elsewhere, and give it to
    `toolkit verify --digest`. A seal is never overwritten.
    """
    from sealkit import project, seal
    from sealkit import publish as publishing
    from sealkit.matrix_seal import seal_matrix
    from sealkit.render import json, markdown, text
    from sealkit.rundir import SEAL
    from sealkit.trees.audit import EVIDENCE
    from sealkit.trees.recognise import recognise, sealed_root
    from sealkit.write import dumps

    settings = project.load(Path.cwd(), Path(run_dir))
    policy, target = options.policy(settings, waivers, Path(run_dir)), Path(out) if out else None
    root = root or sealed_root(Path(run_dir), (target or Path(run_dir) / SEAL) / EVIDENCE)
    tree = recognise(Path(run_dir), settings.pack, layout, root)
    if tree:
        options.tell_layout(tree.layout.id, tree.why)
        sealed = seal_matrix(tree, reference, policy, settings.pack, out=target)
    else:
        compared = Path(reference) if reference else None
        sealed = seal.seal(Path(run_dir), compared, policy, settings.pack, out=target)
    folder = target or Path(run_dir) / SEAL
    if publish:
        for file in publishing.publish(folder, Path(publish), Path(run_dir).resolve().name):
            click.echo(f"published: {file}", err=True)
    if output_format == "json":
        click.echo(dumps({**json.document(sealed.report), "x-seal": sealed.digest}), nl=False)
    elif output_format == "markdown":
        click.echo(markdown.render(sealed.report) + f"\nSealed: `{sealed.digest}`")
    else:
        click.echo(text.render(sealed.report), nl=False, err=True)
        state = "sealed" if sealed.fresh else "sealed already, with the same bytes"
        click.echo(f"{state}: {folder / seal.PAGE}", err=True)
        click.echo(sealed.digest)
    return sealed.report.exit_code(strict)
