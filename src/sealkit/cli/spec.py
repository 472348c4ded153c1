"""`toolkit spec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sealkit.cli import options

if TYPE_CHECKING:
    from sealkit.contract import Contract
    from sealkit.pack import Pack


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
    from sealkit.render import spec

    pack = options.pack()
    click.echo(spec.listing(pack.contracts.values(), pack.released), nl=False)
    return 0


@command.command("show", short_help="Tell the fields of a contract.")
@click.argument("name", metavar="KIND[/vN]")
@options.plain_format
def show(name: str, output_format: str) -> int:
    """Tell the fields of a contract; of its newest version if none is given."""
    from sealkit.render import spec

    pack = options.pack()
    contract = _contract(pack, name)
    shown = spec.schema(contract) if output_format == "json" else spec.text(contract, contract.id in pack.released)
    click.echo(shown, nl=False)
    return 0


def _contract(pack: Pack, name: str) -> Contract:
    """The contract of an id, or the newest of a kind. Raises UsageError."""
    from sealkit.contract import did_you_mean
    from sealkit.finding import UsageError

    versions = [contract for contract in pack.contracts.values() if name in (contract.id, contract.kind)]
    if not versions:
        known = [*pack.contracts, *(contract.kind for contract in pack.contracts.values())]
        raise UsageError(
            f"unknown contract `{name}`{did_you_mean(name, known)}", "toolkit spec list    names every contract"
        )
    return max(versions, key=lambda contract: contract.version)
