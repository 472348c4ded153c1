"""`toolkit verify`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Find out whether a seal still holds.")
@options.run_directory
@click.option("--digest", "expected", help="The digest that `toolkit seal` printed: sha256:…")
@click.option("--seal", "folder", type=click.Path(), metavar="DIR", help="The seal, where it lies outside RUN_DIR.")
@options.layout
@options.root
@options.output_format
def command(
    run_dir: str, expected: str | None, folder: str | None, layout: str | None, root: Path | None, output_format: str
) -> int:
    """Hash every byte of RUN_DIR again, judge it again, recompute metrics and comparisons, and hold all of it
    against the seal. Then tell what has moved outside the run since: that never changes the answer.

    Exits with 0 only if the seal holds and its verdict is a PASS; 1 if it no longer holds, or is a FAIL; 3 without a seal.
    """
    from sealkit.matrix_verify import is_matrix_seal, verify_matrix
    from sealkit.render import verification
    from sealkit.rundir import SEAL
    from sealkit.verify import verify

    place, pack = Path(folder) if folder else None, options.pack(Path(run_dir))
    if is_matrix_seal(place or Path(run_dir) / SEAL):
        found = verify_matrix(Path(run_dir), expected, pack, place, layout, root)
    else:
        found = verify(Path(run_dir), expected, pack, seal=place)
    forms = {"text": verification.text, "json": verification.json, "markdown": verification.markdown}
    click.echo(forms[output_format](found), nl=False)
    return found.exit_code
