"""The command ``kymograph``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from kymograph.cli.aggregate import aggregate
from kymograph.cli.check import check
from kymograph.cli.compact import compact
from kymograph.cli.demo import demo
from kymograph.cli.import_files import import_files
from kymograph.cli.info import info
from kymograph.cli.repair import repair
from kymograph.cli.sql import sql

app = typer.Typer(
    help="An embedded time-series analytics engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command("import")(import_files)
app.command()(sql)
app.command()(aggregate)
app.command()(info)
app.command()(check)
app.command()(repair)
app.command()(compact)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"kymograph {version('kymograph')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line: what a user got wrong is one line on stderr and exit code 2."""
    from polars.exceptions import PolarsError

    from kymograph import KymographError

    try:
        app()
    except BrokenPipeError:
        # The reader of a pipe (head, less) has what it wanted; keep the interpreter's exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KymographError, OSError, PolarsError, ImportError) as error:
        # A KeyError's str is the repr of its message.
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        sys.stderr.write(f"kymograph: {' '.join(str(text).split())}\n")
        sys.exit(2)
