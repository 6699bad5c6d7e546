"""DuckDB in a native file: tags as ENUM, rows sorted by host and time, results as Arrow.

Ingest is in the order of arrival, which is faster; the sorted table is what queries and bytes are
of. Groups come unordered where TSBS's order does not change what is in the result.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
from tsbs import FIELDS, TAGS
from workload import HIGH, HOUR, MINUTE

from engines.base import by_position, size

# About the copy that `few` makes.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")


class Engine:
    name = "DuckDB"
    version = duckdb.__version__
    durable = True

    def ingest(self, frame: pl.DataFrame, folder: Path) -> None:
        folder.mkdir(parents=True)
        with duckdb.connect(folder / "cpu.duckdb") as db:
            create(db, frame)
            incoming = frame.to_arrow(compat_level=pl.CompatLevel.oldest())  # noqa: F841
            db.execute("INSERT INTO cpu SELECT * FROM incoming")
            db.execute("CHECKPOINT")

    def open(self, frame: pl.DataFrame, sorted_frame: pl.DataFrame, folder: Path) -> None:
        self.ingest(sorted_frame, folder)
        self.folder = folder
        self.db = duckdb.connect(folder / "cpu.duckdb")

    def bytes(self) -> int:
        return size(self.folder)

    def sql(self, text: str) -> pa.Table:
        return self.db.sql(text).to_arrow_table()

    def few(self, text: str) -> pa.Table:
        """The same of a small result: a tenth faster, and for a large one slower."""
        return self.db.execute(text).to_arrow_table()

    def maxima(
        self, fields: list[str], hosts: list[str], every: int, start: int, end: int
    ) -> pa.Table:
        unit = {MINUTE: "minute", HOUR: "hour"}[every]
        chosen = ", ".join(f"max({field})" for field in fields)
        return self.few(
            f"SELECT date_trunc('{unit}', time) AS t, {chosen} FROM cpu "
            f"WHERE {among(hosts)} AND {between(start, end)} GROUP BY t ORDER BY t"
        )

    def means(self, fields: list[str], start: int, end: int) -> pa.Table:
        chosen = ", ".join(f"avg({field})" for field in fields)
        return self.sql(
            f"SELECT date_trunc('hour', time) AS t, hostname, {chosen} FROM cpu "
            f"WHERE {between(start, end)} GROUP BY t, hostname"
        )

    def high(self, hosts: list[str] | None, start: int, end: int) -> pa.Table:
        chosen = "" if hosts is None else f" AND {among(hosts)}"
        return self.sql(
            f"SELECT * FROM cpu WHERE usage_user > {HIGH} AND {between(start, end)}{chosen}"
        )

    def newest(self, end: int, limit: int) -> pa.Table:
        return self.few(
            f"SELECT date_trunc('minute', time) AS t, max(usage_user) FROM cpu "
            f"WHERE time < {literal(end)} GROUP BY t ORDER BY t DESC LIMIT {limit}"
        )

    def latest(self) -> pa.Table:
        return self.sql(
            "SELECT cpu.* FROM cpu JOIN (SELECT hostname, max(time) AS time FROM cpu "
            "GROUP BY hostname) USING (hostname, time)"
        )

    def statistics(self, field: str) -> pa.Table:
        return self.sql(
            f"SELECT date_trunc('hour', time) AS t, hostname, count({field}), avg({field}), "
            f"sum({field}), min({field}), max({field}), stddev_samp({field}) "
            "FROM cpu GROUP BY t, hostname"
        )

    def anomalies(self, field: str, k: int) -> pa.Table:
        return self.sql(
            f"WITH others AS (SELECT time, median({field}) AS middle FROM cpu GROUP BY time) "
            f"SELECT hostname, avg(abs({field} - middle)) AS score FROM cpu JOIN others "
            f"USING (time) GROUP BY hostname ORDER BY score DESC LIMIT {k}"
        )

    def correlation(self, x: str, y: str) -> pa.Table:
        return self.sql(f"SELECT hostname, corr({x}, {y}) FROM cpu GROUP BY hostname")

    def total(self, field: str, host: str, start: int, end: int) -> pa.Table:
        return self.few(
            f"SELECT sum({field}) FROM cpu WHERE {among([host])} AND {between(start, end)}"
        )

    def percentile(self, field: str, p: int) -> pa.Table:
        return self.sql(
            f"SELECT date_trunc('hour', time) AS t, hostname, quantile_cont({field}, {p / 100}) "
            "FROM cpu GROUP BY t, hostname"
        )

    def tidy(self, result: pa.Table, columns: list[str]) -> pl.DataFrame:
        return by_position(pl.DataFrame(result.rename_columns(columns)), columns)

    def close(self) -> None:
        self.db.close()


def create(db: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> None:
    for tag in TAGS:
        values = ", ".join(f"'{value}'" for value in frame[tag].unique().cast(pl.String).sort())
        db.execute(f"CREATE TYPE {tag}_enum AS ENUM ({values})")
    tags = ", ".join(f"{tag} {tag}_enum" for tag in TAGS)
    fields = ", ".join(f"{field} DOUBLE" for field in FIELDS)
    db.execute(f"CREATE TABLE cpu (time TIMESTAMP, {tags}, {fields})")


def among(hosts: list[str]) -> str:
    if len(hosts) == 1:
        return f"hostname = '{hosts[0]}'"
    return "hostname IN (" + ", ".join(f"'{host}'" for host in hosts) + ")"


def between(start: int, end: int) -> str:
    return f"time >= {literal(start)} AND time < {literal(end)}"


def literal(time: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time // 1000)
    return f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'"
