"""Polars over a frame in memory, sorted by host and time."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from engines.polars_lazy import Lazy


class Engine(Lazy):
    name = "Polars"
    durable = False

    def ingest(self, frame: pl.DataFrame, folder: Path) -> None:
        raise NotImplementedError("a frame in memory is not stored")

    def open(self, frame: pl.DataFrame, sorted_frame: pl.DataFrame, folder: Path) -> None:
        self.frame = sorted_frame

    def bytes(self) -> None:
        return None

    def rows(self) -> pl.LazyFrame:
        return self.frame.lazy()
