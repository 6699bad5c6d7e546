"""``kymograph import``: CSV, NDJSON, Parquet and Arrow files into a table, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kymograph.cli.aggregate import split
from kymograph.cli.convert import convert, why
from kymograph.cli.files import Format, expand, format_of, reading, sample, scan
from kymograph.cli.guess import KINDS, Plan, guess
from kymograph.errors import invalid

if TYPE_CHECKING:
    from kymograph import Database, TableSchema


class OnError(StrEnum):
    """What to do with a row that cannot be read."""

    stop = "raise"
    skip = "skip"


class Unit(StrEnum):
    """Units of numeric times."""

    s = "s"
    ms = "ms"
    us = "us"
    ns = "ns"


def import_files(
    db: Annotated[str, typer.Argument(help="The database's path; made when absent.")],
    table: Annotated[str, typer.Argument(help="The table.")],
    files: Annotated[list[str], typer.Argument(help="Files or patterns, such as 'logs/*.csv'.")],
    time: Annotated[str | None, typer.Option(help="The time column; guessed when absent.")] = None,
    time_unit: Annotated[Unit | None, typer.Option(help="The unit of numeric times.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Tag columns; guessed when absent.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="COLUMN=KIND: f64, i64, bool or string.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="The format; told by the files' names.")
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Stop at a row that cannot be read, or skip it.")
    ] = OnError.stop,
    events: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="The columns of a narrow stream: metric and value.", metavar="METRIC VALUE"
        ),
    ] = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Rows written at once.")] = 500_000,
) -> None:
    """Import files into a table; what they hold is guessed from their columns, and printed."""
    import kymograph as ky
    from kymograph.cli import show

    paths = expand(files)
    sources = [(path, form or format_of(path)) for path in paths]
    kinds = _kinds(field or [])
    tags = split(tag) if tag else None
    seen = sample(sources)
    schema = _schema(db, table)
    if schema is not None:
        kinds = {n: kind for n, kind in schema.fields.items() if n in seen.columns} | kinds
        tags = list(schema.tags) if tags is None else tags
        absent = [name for name in tags if name not in seen.columns]
        if absent:
            raise invalid(f"{paths[0]} has no column {absent[0]!r}, a tag of the table {table!r}")
    plan = guess(seen, time=time, unit=time_unit, tags=tags, fields=kinds)
    if events is not None:
        plan = _narrow(plan, events, seen.columns)
    for line in plan.lines():
        show.console.print(line, markup=False, soft_wrap=True)
    skip = on_error is OnError.skip
    with ky.open(db) as database:
        began = perf_counter()
        rows, points, skipped = _write(database, table, sources, plan, events, skip, batch_rows)
        database.flush()
        seconds = perf_counter() - began
    show.console.print(
        f"{rows:,} rows ({points:,} points) of {len(paths)} "
        f"file{'s' if len(paths) > 1 else ''} into {table} in {seconds:.2f} s: "
        f"{rows / max(seconds, 1e-9):,.0f} rows/s" + (f"; {skipped:,} skipped" if skipped else "")
    )


def _schema(db: str, table: str) -> TableSchema | None:
    """The table's schema, where there is one: a failed guess must not leave a database behind."""
    import kymograph as ky

    if "://" not in db and not Path(db).exists():
        return None
    try:
        with ky.open(db, mode="r") as database:
            return database.schema(table)
    except ky.NotFound:
        return None


def _write(
    database: Database,
    table: str,
    sources: list[tuple[Path, Format]],
    plan: Plan,
    events: tuple[str, str] | None,
    skip: bool,
    batch_rows: int,
) -> tuple[int, int, int]:
    rows = points = skipped = 0
    tags = list(plan.tags)
    handling: Literal["raise", "skip"] = "skip" if skip else "raise"
    total = _count(sources)
    began = perf_counter()
    with _progress(total) as bar:
        task = bar.add_task("", total=total, rate="")
        for path, form in sources:
            bar.update(task, description=path.name)
            for frame, left in batches(path, form, plan, skip, batch_rows):
                if events is not None:
                    result = database.write_events(
                        frame,
                        metric=events[0],
                        value=events[1],
                        time=plan.time,
                        tags=tags,
                        table=table,
                        on_error=handling,
                    )
                else:
                    result = database.write(
                        table, frame, time=plan.time, tags=tags, on_error=handling
                    )
                rows += result.rows
                points += result.points
                skipped += left + result.skipped
                rate = rows / max(perf_counter() - began, 1e-9)
                bar.update(task, advance=frame.height + left, rate=f"{rate:,.0f} rows/s")
    return rows, points, skipped


def batches(
    path: Path, form: Format, plan: Plan, skip: bool, size: int
) -> Iterator[tuple[pl.DataFrame, int]]:
    """A file's rows ready to write, ``size`` at a time, and how many of each batch were skipped.

    Memory is bounded by the batch, not by the file. Raises ``InvalidArgument`` naming the file,
    the row (from 1) and the cell that cannot be read, unless ``skip``.
    """
    with reading(path):
        lazy = scan(path, form)
        missing = set(plan.columns) - set(lazy.collect_schema().names())
    if missing:
        raise invalid(f"{path} has no column {', '.join(map(repr, sorted(missing)))}")
    done = 0
    with reading(path):
        chunks = iter(
            lazy.select(plan.columns).collect_batches(chunk_size=size, maintain_order=True)
        )
    while True:
        with reading(path):
            batch = next(chunks, None)
        if batch is None:
            return
        rows, bad = convert(batch, plan)
        wrong = int(bad.sum())
        if wrong and not skip:
            at = int(bad.arg_max() or 0)
            reason = why(batch, rows, at, plan)
            kept = f" ({done:,} rows before it are written)" if done else ""
            raise invalid(f"{path}: row {done + at + 1:,}: {reason}; --on-error skip passes{kept}")
        done += batch.height
        yield (rows.filter(~bad) if wrong else rows), wrong


def _count(sources: list[tuple[Path, Format]]) -> int | None:
    """All rows, where the files' own metadata tells them; text would have to be read twice."""
    if any(form not in {Format.parquet, Format.arrow} for _, form in sources):
        return None
    counts = [scan(path, form).select(pl.len()).collect().item() for path, form in sources]
    return int(sum(counts))


def _kinds(fields: list[str]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for item in split(fields):
        name, _, kind = item.rpartition("=")
        if not name or kind not in KINDS:
            raise invalid(f"--field {item!r} cannot be read; give COLUMN=KIND with f64, i64, ...")
        kinds[name] = kind
    return kinds


def _narrow(plan: Plan, events: tuple[str, str], columns: list[str]) -> Plan:
    for name in events:
        if name not in columns:
            raise invalid(f"--events names no column: {name!r}; there are {columns}")
    kept = tuple(tag for tag in plan.tags if tag not in events)
    left = set(columns) - {plan.time, *kept, *events}
    metric, value = events
    return replace(
        plan,
        tags=kept,
        fields={metric: KINDS["string"], value: plan.fields.get(value, KINDS["f64"])},
        dropped=tuple(name for name in columns if name in left),
    )


def _progress(total: int | None) -> Progress:
    from kymograph.cli.show import progress_console

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn() if total else TimeElapsedColumn(),
        console=progress_console,
        transient=True,
    )
