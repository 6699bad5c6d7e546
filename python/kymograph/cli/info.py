"""``kymograph info``: tables, fields and how well they are compressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

if TYPE_CHECKING:
    from kymograph import Stats


def info(db: Annotated[str, typer.Argument(help="The database's path.")]) -> None:
    """Show what a database holds."""
    import kymograph as ky
    from kymograph.cli import show

    show.must_exist(db)
    with ky.open(db, mode="r") as database:
        stats = database.stats()
        rows = [
            {
                "table": schema.name,
                "tags": ", ".join(schema.tags) or "-",
                "fields": ", ".join(f"{name} {kind}" for name, kind in schema.fields.items()),
                "series": database.series(schema.name).height if schema.tags else 1,
                "duplicates": str(schema.duplicates),
            }
            for schema in map(database.schema, database.tables())
        ]
    print_ = show.console.print
    print_(
        f"[bold]{db}[/]: {stats.points:,} points in {show.size(stats.bytes)} "
        f"({_bits(stats)}{stats.series:,} series, {stats.segments:,} segments)",
        soft_wrap=True,
    )
    if stats.cold_segments:
        print_(
            f"{stats.cold_segments:,} of the segments, {show.size(stats.cold_bytes)}, are in the "
            "cold tier"
        )
    if stats.head_rows:
        print_(f"{stats.head_rows:,} more rows are in the log, not yet in a segment")
    if rows:
        print_()
        print_(show.table(pl.DataFrame(rows)))
    if not stats.fields.is_empty():
        print_()
        print_(show.table(_readable(stats.fields)))
    if not stats.levels.is_empty():
        print_()
        print_(show.table(stats.levels.select("table", "step", "aggregates", "bytes", "segments")))


def _bits(stats: Stats) -> str:
    return "" if stats.bits_per_value is None else f"{stats.bits_per_value:.2f} bits a value, "


def _told(codec: dict[str, Any]) -> str:
    detail = f" ({codec['detail']})" if codec["detail"] else ""
    return f"{codec['codec']}{detail} {codec['blocks']:,}"


def _readable(fields: pl.DataFrame) -> pl.DataFrame:
    """The three most used codecs as text, each with its blocks."""
    texts = []
    for codecs in fields["codecs"]:
        ordered = sorted(codecs, key=lambda codec: (-codec["blocks"], codec["codec"]))
        texts.append(", ".join(_told(codec) for codec in ordered[:3]))
    bits = pl.col("bits_per_value").round(2)
    codecs = pl.Series("codecs (blocks)", texts, dtype=pl.String)
    return fields.select("table", "field", "type", "points", bits.alias("bits"), codecs)
