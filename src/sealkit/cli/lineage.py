"""`toolkit lineage`."""

from __future__ import annotations

import click

from sealkit.cli import options


@click.command(short_help="What a model, run or file came from, and what it led to.")
@click.argument("what", metavar="MODEL|RUN|FILE")
@options.workspace
@options.output_format
def command(what: str, workspace: str, output_format: str) -> int:
    """Follow a model, a run or a file through the records of WORKSPACE in both directions, by content: from the base by
    checkpoints and exports to every run that loaded it.

    It is named by its path, by its name in configs (models/x, package:NAME), by a run's id or name, or by a digest (8 letters
    of it or more). Exits with 3 where something could not be read, since the answer may not be complete then.
    """
    from sealkit.render import lineage as render
    from sealkit.workspace import ancestry, asked
    from sealkit.workspace.places import Lines
    from sealkit.write import dumps

    ledger = options.ledger(workspace)
    found = ancestry.lineage(asked.resolve(what, ledger), ledger)
    told = render.document(found, ledger, Lines(ledger.root))
    form = {"text": render.text, "json": dumps, "markdown": render.markdown}[output_format]
    click.echo(form(told), nl=False)
    return 0 if told["complete"] else 3
