"""How the commands print: one console, frames as tables, sizes as people read them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
progress_console = Console(stderr=True, highlight=False)


def must_exist(db: str) -> None:
    """A command that asks a database must not make one where a path was mistyped."""
    from kymograph import NotFound

    if "://" not in db and not Path(db).exists():
        raise NotFound(f"there is no database at {db!r}")


def size(count: float) -> str:
    """Bytes in binary units: 1536 is "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError


def cell(value: Any) -> str:
    """A value as a table shows it: short numbers, times without empty fractions, null as -."""
    if value is None:
        return "-"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "auto")
    return str(value)


def table(frame: pl.DataFrame, title: str | None = None, rows: int = 200) -> Table:
    """At most ``rows`` rows of a frame as a rich table; numbers stand right."""
    drawn = Table(
        title=title, title_justify="left", title_style="bold", header_style="bold", box=None
    )
    for name, dtype in frame.schema.items():
        drawn.add_column(name, justify="right" if dtype.is_numeric() else "left", no_wrap=True)
    for row in frame.head(rows).iter_rows():
        drawn.add_row(*(cell(value) for value in row))
    return drawn
