"""``kymograph sql``: a query's answer as a table, CSV or JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from kymograph.cli.output import Output, put
from kymograph.errors import invalid


def sql(
    db: Annotated[str, typer.Argument(help="The database's path.")],
    text: Annotated[str, typer.Argument(help="The query.")],
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for $NAME, as text; may be repeated.")
    ] = None,
    output: Annotated[Output, typer.Option("--format", help="How to print.")] = Output.table,
) -> None:
    """Ask in SQL."""
    import kymograph as ky
    from kymograph.cli import show

    params = {}
    for item in param or []:
        name, equals, value = item.partition("=")
        if not name or not equals:
            raise invalid(f"--param {item!r} cannot be read; give NAME=VALUE for $NAME")
        params[name] = value
    show.must_exist(db)
    with ky.open(db, mode="r") as database:
        put(database.sql(text, params or None), output)
