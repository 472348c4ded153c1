"""Options that more than one verb takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sealkit.pack import Pack
    from sealkit.policy import Policy
    from sealkit.project import Settings
    from sealkit.trees.audit import Tree
    from sealkit.workspace.ledger import Ledger

run_directory = click.argument("run_dir", type=click.Path())
strict = click.option("--strict", is_flag=True, help="Warnings count as failures (exit 1).")
reference = click.option(
    "--reference", type=click.Path(), help="The run to compare with, query by query (before fine-tuning, say)."
)
layout = click.option(
    "--layout", metavar="NAME|FILE", help="What wrote the directory; default: the layout that recognises it."
)
root = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The workspace of what another tool wrote; default: the nearest folder above that holds most of what its layout names.",
)
waivers = click.option(
    "--waivers", type=click.Path(), help="Signed-off exceptions; default: waivers.yaml, where there is one."
)
workspace = click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    show_default="the current directory",
    help="The folder that holds run.output_dir.",
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


def policy(settings: Settings, waivers: str | None, run: Path | None = None) -> Policy:
    """The project's severities, and what was signed off: in the given file, else in the project's, else in waivers.yaml
    in the current directory, unless that lies in a run directory: no run signs for itself. Raises UsageError.
    """
    from dataclasses import replace

    from sealkit import policy, project

    path = Path(waivers) if waivers else settings.waivers or Path("waivers.yaml")
    signed = policy.Policy()
    here = Path.cwd()
    if waivers or settings.waivers or (path.exists() and project.outside_runs(here, run)[:1] == [here]):
        signed = policy.read(path, settings.pack.contracts["waivers/v1"], settings.pack.checks)
    return replace(signed, severities=settings.severities)


def pack(run: Path | None = None) -> Pack:
    """Ours, with what the project that the current directory belongs to adds; nothing from within `run`. Raises UsageError."""
    from sealkit import project

    return project.load(Path.cwd(), run).pack


def tell_layout(layout: str, why: Iterable[str]) -> None:
    """Say on stderr which layout was recognised, and why."""
    click.echo(f"layout: {layout} ({'; '.join(why)})", err=True)


def tell_read(tree: Tree) -> None:
    """Say on stderr how many files of a tree were read, and how often each field was said."""
    from collections import Counter

    files = sum(len(found) for _, found in tree.gathered.files)
    said = Counter(f"{one['of']} {one['what']}" for one in tree.document["statements"])
    shown = ", ".join(f"{what} {count:,}" for what, count in said.items()) or "nothing"
    click.echo(f"read: {files:,} {'file' if files == 1 else 'files'}; said: {shown}", err=True)


def ledger(workspace: str) -> Ledger:
    """What the records of a workspace say, with those of other tools' trees in it."""
    import gc

    from sealkit.workspace import records

    collects = gc.isenabled()
    gc.disable()  # all that is read is kept: to look for garbage in it again and again takes a third of the time
    try:
        found = records.read(Path(workspace))
    finally:
        gc.freeze()
        if collects:
            gc.enable()
    if any(found.unclaimed):  # only then: to recognise a tree takes the layouts
        from sealkit.workspace import trees

        trees.add(found, pack())
    return found
