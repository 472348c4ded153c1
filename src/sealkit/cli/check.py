"""`toolkit check`."""

from __future__ import annotations

from pathlib import Path

import click

from sealkit.cli import options


@click.command(short_help="Judge a run directory; writes nothing.")
@options.run_directory
@options.reference
@options.layout
@options.root
@options.waivers
@options.output_format
@options.strict
def command(
    run_dir: str,
    reference: str | None,
    layout: str | None,
    root: Path | None,
    waivers: str | None,
    output_format: str,
    strict: bool,
) -> int:
    """Hold every artifact of RUN_DIR against its contract and all of them against each other.

    Prints what is wrong as `path:line: check: message` with what to do about it. Paths are below RUN_DIR; of a matrix, and of what
    other tools wrote, below the workspace. Which layout was recognised, and why, is told on stderr.
    A sealed run is judged by the waivers, severities and reference of its seal.
    """
    from sealkit import observe, project
    from sealkit.finding import UsageError
    from sealkit.policy import NO_POLICY
    from sealkit.render import json, markdown, text
    from sealkit.rundir import SEAL
    from sealkit.trees.audit import EVIDENCE, audit_tree, look_at, sealed_policy
    from sealkit.trees.recognise import recognise, sealed_root

    sealed = (Path(run_dir) / SEAL).exists()
    if waivers is not None and sealed:
        raise UsageError(f"{run_dir}: is sealed, with the waivers of its seal", "leave --waivers out")
    settings = project.load(Path.cwd(), Path(run_dir))
    policy = NO_POLICY if sealed else options.policy(settings, waivers, Path(run_dir))
    root = root or sealed_root(Path(run_dir), Path(run_dir) / SEAL / EVIDENCE)
    tree = recognise(Path(run_dir), settings.pack, layout, root)
    if tree:
        if reference is not None:
            raise UsageError(
                f"{run_dir}: a matrix is compared when it is sealed", "toolkit seal MATRIX_DIR --reference LABEL"
            )
        options.tell_layout(tree.layout.id, tree.why)
        seen = look_at(tree, sealed_policy(tree) if sealed else policy, settings.pack)
        options.tell_read(seen)
        report = audit_tree(seen, settings.pack)
    else:
        native = settings.pack.layout()
        options.tell_layout(native.id, [native.recognised_by])
        report = observe.check(Path(run_dir), Path(reference) if reference else None, policy, settings.pack)
    form = {"text": text, "json": json, "markdown": markdown}[output_format]
    click.echo(form.render(report), nl=False)
    return report.exit_code(strict)
