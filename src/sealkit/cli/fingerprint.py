"""`toolkit fingerprint`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from sealkit.cli import fail, options


@click.group(short_help="What an index was built with, and whether a query side fits.")
def command() -> None:
    """Look at the fingerprints of indexes, compare two, or begin one for an index that has none.

    \b
    toolkit fingerprint show docs.faiss
    toolkit fingerprint compare docs.faiss outputs/ft/stages/search/search_manifest.json
    toolkit fingerprint adopt docs.faiss
    """


@command.command(short_help="Tell what an index was built with.")
@click.argument("index", type=click.Path())
@options.plain_format
def show(index: str, output_format: str) -> int:
    """Tell what the manifest of INDEX says: its files, and every field of its fingerprint, with what is unknown.

    INDEX is the folder or the file of an index, or the file of a manifest. An index without one: what its files alone tell,
    and exit 3.
    """
    return _answered(lambda: _show(Path(index), output_format == "json"))


def _show(path: Path, json: bool) -> int:
    from sealkit import adopt, fit
    from sealkit.render import fingerprint as render

    if path.exists() and not fit.described(path):
        seen = adopt.seen(path)
        click.echo((render.bare_json if json else render.bare)(seen, str(path)), nl=False)
        return 3
    stated = fit.read(path)
    click.echo((render.show_json if json else render.show)(stated), nl=False)
    return 0


@command.command(short_help="Tell whether two sides fit, field by field.")
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@options.plain_format
def compare(a: str, b: str, output_format: str) -> int:
    """Tell field by field whether A and B fit: an index and what it is searched with, or two indexes.

    Each is the folder or the file of an index, a manifest of an index or of a search, or a JSON file with the space of an
    encoder. Exits with 0 where they fit, 1 where a binding field differs, 3 where one is unknown and none differs.
    """
    return _answered(lambda: _compare(Path(a), Path(b), output_format == "json"))


def _compare(a: Path, b: Path, json: bool) -> int:
    from sealkit import fit
    from sealkit.render import fingerprint as render

    found = fit.compare(fit.read(a), fit.read(b))
    click.echo((render.compare_json if json else render.compare)(found), nl=False)
    return found.exit_code


@command.command(short_help="Begin the manifest of an index that has none.")
@click.argument("index", type=click.Path())
@click.option("--ids", type=click.Path(), help="The ids of the rows, one a line, in a file beside the index.")
def adopt(index: str, ids: str | None) -> int:
    """Write what the files of INDEX say to a manifest: a FAISS index, a NumPy array, or a folder of LangChain or LlamaIndex.

    Nobody saw such an index built. What its files do not say stays unknown, and what is unknown never fits. Nothing is
    unpickled, and nothing outside of the folder is read.
    """
    return _answered(lambda: _adopt(Path(index), Path(ids) if ids else None))


def _adopt(path: Path, ids: Path | None) -> int:
    from sealkit import fit
    from sealkit.adopt import adopt
    from sealkit.render import fingerprint as render

    seen = adopt(path, ids)
    click.echo(render.adopted(fit.read(path), seen), nl=False)
    return 0


def _answered(answer: Callable[[], int]) -> int:
    """What a document breaks is told with its place."""
    from sealkit.finding import Refused
    from sealkit.render import fingerprint as render

    try:
        return answer()
    except Refused as error:
        fail(render.refused(error))
        return error.exit_code
