"""The command line: words in, one call, a report out. The only place that prints and exits.

A verb's module imports click and nothing heavy; what it needs is imported when it is called, so that `--help` is fast.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

VERBS = (
    "run", "check", "seal", "verify", "diff", "table", "lineage", "impact", "fingerprint", "explain", "spec", "layout", "config",
    "cache",
)  # fmt: skip


class Verbs(click.Group):
    """Each verb is a module of this package with a command `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"sealkit.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise click.UsageError(f"No such verb `{args[0]}`.{hint} Verbs: {', '.join(VERBS)}.", ctx)
        return super().resolve_command(ctx, args)


def version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        import importlib.metadata

        click.echo(f"sealkit {importlib.metadata.version('sealkit')}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=version, help="Print the version.")
def toolkit() -> None:
    """Run, check, seal and verify machine-learning run directories.

    \b
    toolkit run configs/retriever_ft.yaml     train and evaluate, under contracts
    toolkit check outputs/ft_mnr              hold the artifacts against each other
    toolkit seal outputs/ft_mnr               fix files, commits, models and verdict
    toolkit verify outputs/ft_mnr             find out whether all of it still holds
    toolkit diff outputs/base outputs/ft_mnr  tell why two runs differ, then by how much
    toolkit table outputs/retriever           the metrics of a matrix, a row a label
    toolkit lineage models/retriever/ft_mnr   what a model came from, and every run that loaded it
    toolkit impact data/corpus.jsonl          everything that stands on a file
    toolkit fingerprint show docs.faiss       what an index was built with
    toolkit explain model-best-exported       what a check looks for, and the way out
    toolkit spec show metrics                 what an artifact holds
    toolkit layout draft outputs/study        a layout to begin with, for what another tool wrote
    toolkit config show configs/…yaml         print every value and where it came from

    \b
    Exit codes: 0 passed, 1 failed, 2 usage, 3 inconclusive, 4 a stage or the toolkit broke.
    """


def main() -> None:
    """The entry point: every error that a user can act on is one message and its exit code."""
    from sealkit.finding import SealkitError

    try:
        code: Any = toolkit.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("toolkit: interrupted", err=True)
        sys.exit(4)
    except SealkitError as error:
        fail(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        fail(f"{error.filename or ''}: {error.strerror or error}")
        sys.exit(4)
    except Exception:
        import traceback

        traceback.print_exc()
        fail("this is a bug in sealkit: please report the lines above")
        sys.exit(4)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> None:
    from sealkit.render.text import clean

    first, *more = message.split("\n")
    click.echo("\n".join([f"toolkit: {clean(first)}", *(clean(line) for line in more)]), err=True)
