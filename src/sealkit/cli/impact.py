"""`toolkit impact`."""

from __future__ import annotations

import click

from sealkit.cli import options


@click.command(short_help="Everything that stands on a file, a folder or a digest.")
@click.argument("what", metavar="PATH|DIGEST")
@options.workspace
@options.output_format
def command(what: str, workspace: str, output_format: str) -> int:
    """List every model, index, run, matrix and seal in WORKSPACE that stands on something, directly or through others, by content.

    It is named by its path, by its name in configs, by a run's id or name, or by a digest (8 letters of it or more). Of a
    folder: on anything in it. Exits with 3 where something could not be read, since the answer may not be complete then.
    """
    from sealkit.render import impact as render
    from sealkit.workspace import asked
    from sealkit.workspace.impact import impact
    from sealkit.workspace.places import Lines
    from sealkit.write import dumps

    ledger = options.ledger(workspace)
    found = impact(asked.resolve(what, ledger), ledger)
    told = render.document(found, ledger, Lines(ledger.root))
    form = {"text": render.text, "json": dumps, "markdown": render.markdown}[output_format]
    click.echo(form(told), nl=False)
    return 0 if told["complete"] else 3
