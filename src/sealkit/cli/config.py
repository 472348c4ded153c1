"""`toolkit config`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.group(short_help="Show a config as it is resolved.")
def command() -> None:
    """Look at configs; nothing is run and nothing is written."""


@command.command()
@click.argument("config", type=click.Path())
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@options.plain_format
def show(config: str, overrides: tuple[str, ...], output_format: str) -> int:
    """Print every value of the pipeline document CONFIG, as `toolkit run` would take it, and where each came from.

    Each line is KEY=VALUE, as it can be given to `toolkit run`. Secrets are redacted.
    """
    from sealkit import config as configuration
    from sealkit import matrix_config, project
    from sealkit.finding import UsageError
    from sealkit.render import config as render
    from sealkit.toggles import leave_out

    if matrix_config.is_matrix(Path(config)):
        raise UsageError(
            f"{config}: is a matrix, and holds no config of its own",
            "show its base with the overrides of one experiment: toolkit config show BASE KEY=VALUE…",
        )
    settings = project.load(Path.cwd())
    pack = settings.pack
    found = configuration.load(
        Path(config),
        overrides,
        pack.contracts["pipeline/v1"],
        pack.sections,
        lambda uses: pack.stage(uses).params,
        pack.legacy_keys,
        settings.runs,
    )
    leave_out(found, pack)
    document = found.document(found.redactor(None))
    origins = {where: found.shown_origin(where) for where in document["provenance"]}
    click.echo(render.json(document) if output_format == "json" else render.text(document, origins), nl=False)
    return 0
