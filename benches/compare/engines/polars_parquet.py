"""Polars over one Parquet file, lazily: rows sorted by host and time in groups of 65,536, so that
statistics prune by host (which they do for strings, not for categories); zstd.

Ingest is in the order of arrival, which is faster; the sorted file is what queries and bytes are
of.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from engines.base import size, sync
from engines.polars_lazy import Lazy


class Engine(Lazy):
    name = "Parquet"
    durable = True

    def ingest(self, frame: pl.DataFrame, folder: Path) -> None:
        folder.mkdir(parents=True)
        write(frame, folder)

    def open(self, frame: pl.DataFrame, sorted_frame: pl.DataFrame, folder: Path) -> None:
        self.folder = folder
        self.ingest(sorted_frame.with_columns(pl.col("hostname").cast(pl.String)), folder)

    def bytes(self) -> int:
        return size(self.folder)

    def rows(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.folder / "cpu.parquet")


def write(frame: pl.DataFrame, folder: Path) -> None:
    frame.write_parquet(folder / "cpu.parquet", row_group_size=65_536, statistics=True)
    sync(folder / "cpu.parquet")
    sync(folder)
