"""`toolkit spec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sealkit.contract import Contract


@click.group(short_help="The contracts: what each artifact is.")
def command() -> None:
    """Tell which contracts there are, and what the fields of one mean.

    \b
    toolkit spec list
    toolkit spec show rankings
    toolkit spec show metrics/v1 --format json
    """


@command.command("list", short_help="Name every contract.")
def list_contracts() -> int:
    """Name every contract: document or rows, whether it is released (and will never change again), title."""
    from sealkit.pack import BUILT_IN
    from sealkit.render import spec

    click.echo(spec.listing(BUILT_IN.contracts.values(), BUILT_IN.released), nl=False)
    return 0


@command.command("show", short_help="Tell the fields of a contract.")
@click.argument("name", metavar="KIND[/vN]")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: the schema itself.",
)
def show(name: str, output_format: str) -> int:
    """Tell the fields of a contract; of its newest version if none is given."""
    from sealkit.pack import BUILT_IN
    from sealkit.render import spec

    contract = _contract(name)
    click.echo(
        spec.schema(contract) if output_format == "json" else spec.text(contract, contract.id in BUILT_IN.released),
        nl=False,
    )
    return 0


def _contract(name: str) -> Contract:
    """The contract of an id, or the newest of a kind. Raises UsageError."""
    from sealkit.contract import did_you_mean
    from sealkit.finding import UsageError
    from sealkit.pack import BUILT_IN

    versions = [contract for contract in BUILT_IN.contracts.values() if name in (contract.id, contract.kind)]
    if not versions:
        known = [*BUILT_IN.contracts, *(contract.kind for contract in BUILT_IN.contracts.values())]
        raise UsageError(
            f"unknown contract `{name}`{did_you_mean(name, known)}", "toolkit spec list    names every contract"
        )
    return max(versions, key=lambda contract: contract.version)
