"""What each engine can do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import polars as pl


class Engine(Protocol):
    """One engine. Times are int nanoseconds, ranges half-open, hosts are names.

    Verbs answer with a frame of any library that holds all of its columns; it is their call that is
    timed. `tidy` is not: it gives that frame the columns of the query as Polars.
    """

    name: str
    version: str
    durable: bool

    def ingest(self, frame: pl.DataFrame, folder: Path) -> None:
        """Writes rows that are sorted by time into a new place, durable when it returns."""

    def open(self, frame: pl.DataFrame, sorted_frame: pl.DataFrame, folder: Path) -> None:
        """Makes what the verbs ask, in the form that suits the engine best.

        The rows come as they are ingested and sorted by host and time.
        """

    def bytes(self) -> int:
        """What that takes on disk."""

    def maxima(
        self, fields: list[str], hosts: list[str], every: int, start: int, end: int
    ) -> Any: ...

    def means(self, fields: list[str], start: int, end: int) -> Any: ...

    def high(self, hosts: list[str] | None, start: int, end: int) -> Any: ...

    def newest(self, end: int, limit: int) -> Any: ...

    def latest(self) -> Any: ...

    def statistics(self, field: str) -> Any: ...

    def anomalies(self, field: str, k: int) -> Any: ...

    def correlation(self, x: str, y: str) -> Any: ...

    def total(self, field: str, host: str, start: int, end: int) -> Any: ...

    def percentile(self, field: str, p: int) -> Any: ...

    def tidy(self, result: Any, columns: list[str]) -> pl.DataFrame: ...

    def close(self) -> None: ...


def by_position(result: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The first columns of a frame under the query's names."""
    frame = result[:, : len(columns)]
    frame.columns = columns
    return frame


def size(folder: Path) -> int:
    """Bytes that all files below a folder take; holes do not count."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sum(min(file.stat().st_size, file.stat().st_blocks * 512) for file in files)


def sync(path: Path) -> None:
    """Waits until a file or the entries of a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
