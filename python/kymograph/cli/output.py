"""Frames to standard output, as people or programs want them."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Output(StrEnum):
    """How results are printed."""

    table = "table"
    csv = "csv"
    json = "json"


def put(frame: pl.DataFrame, output: Output) -> None:
    """Prints a frame; a table has 200 rows at most, and says how to see the others."""
    from kymograph.cli import show

    if output is Output.csv:
        sys.stdout.write(frame.write_csv())
    elif output is Output.json:
        sys.stdout.write(frame.write_json() + "\n")
    elif frame.columns == ["plan"]:
        # Lines that are indented and wide on purpose.
        sys.stdout.write("\n".join(frame["plan"]) + "\n")
    else:
        show.console.print(show.table(frame))
        if frame.height > 200:
            show.console.print(f"… {frame.height - 200:,} more rows: limit them, or --format csv")
    sys.stdout.flush()
