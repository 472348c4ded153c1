"""`toolkit layout`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.group(short_help="What other tools write: the layouts of their trees.")
def command() -> None:
    """Tell which layouts there are, and draw one from a tree that none is known of.

    \b
    toolkit layout list
    toolkit layout show seal-matrix
    toolkit layout show seal-matrix --format yaml > mine.yaml
    toolkit layout draft outputs/study --out study.yaml
    toolkit check outputs/study --layout study.yaml
    """


@command.command("list", short_help="Name every layout.")
def list_layouts() -> int:
    """Name every layout, and what it is of."""
    from sealkit.render import layout

    click.echo(layout.listing(options.pack().tree_layouts.values()), nl=False)
    return 0


@command.command("show", short_help="Tell what a layout reads.")
@click.argument("name", metavar="NAME")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "yaml"]),
    default="text",
    show_default=True,
    help="yaml: its own file, to be edited and given with --layout.",
)
def show(name: str, output_format: str) -> int:
    """Tell how a tree is recognised, which files it has, what is promised, and for each field where it is read: the JSONPaths, the
    expressions for keys, and those for lines of a text."""
    from sealkit.contract import did_you_mean
    from sealkit.finding import UsageError
    from sealkit.render import layout

    pack = options.pack()
    known = pack.tree_layouts
    if name not in known:
        raise UsageError(
            f"unknown layout `{name}`{did_you_mean(name, known)}", "toolkit layout list    names every layout"
        )
    click.echo(pack.layout_text(known[name]) if output_format == "yaml" else layout.text(known[name]), nl=False)
    return 0


@command.command("draft", short_help="Write a layout to begin with.")
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--out", type=click.Path(), help="Write it to this file, which must not exist; default: print it.")
def draft(folder: str, out: str | None) -> int:
    """Draw a layout from the tree DIR, for --layout.

    Folders that hold much the same become one pattern. What files say is guessed by the names of their keys and the form of
    their values; each guess names the line that it was drawn from. Nothing in DIR is changed or run.
    """
    from sealkit import write
    from sealkit.finding import UsageError
    from sealkit.render import layout
    from sealkit.trees.draft import draft

    if out is not None and Path(out).exists():
        raise UsageError(f"{out}: is there already", "give another file, or remove it")
    text = layout.yaml(draft(Path(folder)))
    if out is None:
        click.echo(text, nl=False)
    else:
        write.atomic(Path(out), text)
        click.echo(f"{out}: check what was guessed, then: toolkit check {folder} --layout {out}", err=True)
    return 0
