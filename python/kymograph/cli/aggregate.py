"""``kymograph aggregate``: windowed aggregates as a table, CSV or JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from kymograph.cli.output import Output, put
from kymograph.errors import invalid


def aggregate(
    db: Annotated[str, typer.Argument(help="The database's path.")],
    table: Annotated[str, typer.Argument(help="The table.")],
    what: Annotated[
        list[str], typer.Argument(help="FIELD:FUNCTION,..., such as usage:mean,max or io:p95.")
    ],
    every: Annotated[str, typer.Option(help="The windows' length: 10s, 5m, 1h, 1d.")] = "1h",
    by: Annotated[list[str] | None, typer.Option(help="Group by these tags.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="TAG=VALUE,... to keep.")] = None,
    start: Annotated[str | None, typer.Option(help="First time (ISO 8601).")] = None,
    end: Annotated[str | None, typer.Option(help="First time past the range.")] = None,
    fill: Annotated[str | None, typer.Option(help="How to fill empty windows.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many rows.")] = None,
    output: Annotated[Output, typer.Option("--format", help="How to print.")] = Output.table,
) -> None:
    """Aggregate fields over windows of time."""
    import kymograph as ky
    from kymograph.cli import show

    functions = parse_functions(what)
    chosen = parse_where(where or [])
    show.must_exist(db)
    with ky.open(db, mode="r") as database:
        frame = database.aggregate(
            table,
            functions,
            every=every,
            by=split(by or []),
            where=chosen or None,
            start=start,
            end=end,
            fill=fill,
            limit=limit,
        )
    put(frame, output)


def split(values: Sequence[str]) -> list[str]:
    """Repeated options and comma-separated ones alike, as one list."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def parse_functions(what: Sequence[str]) -> dict[str, list[str]]:
    """``["usage:mean,max"]`` as ``{"usage": ["mean", "max"]}``; a bare field gets its mean."""
    functions: dict[str, list[str]] = {}
    for item in what:
        field, colon, names = item.rpartition(":")
        if not colon:
            field, names = item, "mean"
        if not field or not re.fullmatch(r"\w[\w.]*(,\w[\w.]*)*", names):
            raise invalid(f"{item!r} cannot be read; give FIELD:FUNCTION,... as in usage:mean,max")
        known = functions.setdefault(field, [])
        known += [name for name in names.split(",") if name not in known]
    return functions


def parse_where(where: Sequence[str]) -> dict[str, list[str]]:
    """``["host=a,b"]`` as ``{"host": ["a", "b"]}``; the same tag twice adds up."""
    chosen: dict[str, list[str]] = {}
    for item in where:
        tag, equals, values = item.partition("=")
        if not tag or not equals:
            raise invalid(f"--where {item!r} cannot be read; give TAG=VALUE,... as in host=a,b")
        chosen.setdefault(tag, []).extend(values.split(","))
    return chosen
