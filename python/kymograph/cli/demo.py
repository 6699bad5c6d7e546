"""``kymograph demo``: the demo's story, printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer


def demo(
    directory: Annotated[
        Path | None,
        typer.Argument(
            help="Where to leave the database and the charts.",
            metavar="[DIR]",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Write real metrics into a database, ask it questions, draw charts. Takes seconds."""
    from kymograph.cli import show
    from kymograph.demo import data, tell

    print_ = show.console.print
    with show.progress_console.status("writing and asking …"):
        story = tell(directory)

    def head(text: str) -> None:
        print_()
        print_(f"[bold blue]{text}[/]")

    head("Written")
    print_("Real metrics of the Numenta Anomaly Benchmark (MIT licence), three tables:")
    for name, rows in story.tables.items():
        print_(f"  {name:<8} {rows:>7,} rows")
    print_(
        f"{story.points:,} points in {story.seconds:.3f} s: "
        f"[bold]{story.points / story.seconds:,.0f} points/s[/], fsynced"
    )
    head("Stored")
    raw = story.points * 16
    print_(f"  16 bytes a point  {show.size(raw):>10}")
    print_(f"  the CSV files     {show.size(story.csv):>10}")
    print_(
        f"  [bold]kymograph         {show.size(story.stored):>10}[/]"
        f"  {raw / story.stored:.1f}x smaller than raw, "
        f"{story.csv / story.stored:.1f}x than CSV"
    )
    head("A machine's last days: temperature by day")
    print_(show.table(story.failure.with_columns(pl.col("time").cast(pl.Date).alias("time"))))
    head("Which EC2 instance is unlike the others?")
    print_("Mean of |CPU - median of the three at that time| (times cut to 5 minutes),")
    print_(f"{data.TOGETHER[0]} to {data.TOGETHER[1]}, when all three were measured:")
    print_(show.table(story.anomalies))
    head("Do network input and disk writes move together?")
    print_(
        f"Pearson r = [bold]{story.r:.3f}[/] over {story.pairs:,} pairs (times cut to 5 minutes)."
    )
    print_("NAB names two instances; whether one program drives both, it does not say.")
    head("Look further")
    print_(f"  kymograph info {story.database}", soft_wrap=True)
    print_(
        f"  kymograph aggregate {story.database} ec2 cpu:mean,p95 --every 1d --by host",
        soft_wrap=True,
    )
    if story.chart is None:
        print_("  charts: pip install kymograph\\[plot], then run this again")
    else:
        print_(f"  charts: {story.chart}", soft_wrap=True)
