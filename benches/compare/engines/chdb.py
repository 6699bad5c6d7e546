"""chDB, which is ClickHouse in the process: a MergeTree in a session's folder, ordered by tags and
time, tags LowCardinality, merged into one part; results as Arrow with dictionaries.

A process has one session, so that each ingest is a table of its own.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pyarrow as pa
from chdb import session
from tsbs import FIELDS, TAGS
from workload import HIGH, HOUR, MINUTE

from engines.base import by_position

OUTPUT = (
    " SETTINGS output_format_arrow_low_cardinality_as_dictionary = 1, "
    "output_format_arrow_compression_method = 'none'"
)


class Engine:
    name = "chDB"
    version = version("chdb")
    durable = True

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="kymograph-chdb-")
        self.session = session.Session(self.folder.name)
        self.session.query("CREATE DATABASE d")
        self.table = "d.none"
        self.tables = 0

    def ingest(self, frame: pl.DataFrame, folder: Path) -> None:
        self.session.query(f"DROP TABLE IF EXISTS {self.table} SYNC")
        self.tables += 1
        self.table = f"d.cpu_{self.tables}"
        tags = ", ".join(f"{tag} LowCardinality(String)" for tag in TAGS)
        fields = ", ".join(f"{field} Float64" for field in FIELDS)
        self.session.query(
            f"CREATE TABLE {self.table} (time DateTime64(6, 'UTC') CODEC(DoubleDelta, LZ4), "
            f"{tags}, {fields}) ENGINE = MergeTree ORDER BY ({', '.join(TAGS)}, time) "
            "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
        incoming = frame.to_arrow(compat_level=pl.CompatLevel.oldest())  # noqa: F841
        self.session.query(f"INSERT INTO {self.table} SELECT * FROM Python(incoming)")

    def open(self, frame: pl.DataFrame, sorted_frame: pl.DataFrame, folder: Path) -> None:
        self.ingest(frame, folder)
        self.session.query(f"OPTIMIZE TABLE {self.table} FINAL")

    def bytes(self) -> int:
        found = self.sql(
            "SELECT toInt64(sum(bytes_on_disk)) AS total FROM system.parts WHERE active "
            f"AND database || '.' || table = '{self.table}'"
        )
        return int(found["total"][0].as_py())

    def sql(self, text: str) -> pa.Table:
        answer = self.session.query(text + OUTPUT, "ArrowStream")
        return pa.ipc.open_stream(pa.py_buffer(answer.bytes())).read_all()

    def maxima(
        self, fields: list[str], hosts: list[str], every: int, start: int, end: int
    ) -> pa.Table:
        chosen = ", ".join(f"max({field})" for field in fields)
        return self.sql(
            f"SELECT {bucket(every)} AS t, {chosen} FROM {self.table} "
            f"WHERE {among(hosts)} AND {between(start, end)} GROUP BY t ORDER BY t"
        )

    def means(self, fields: list[str], start: int, end: int) -> pa.Table:
        chosen = ", ".join(f"avg({field})" for field in fields)
        return self.sql(
            f"SELECT {bucket(HOUR)} AS t, hostname, {chosen} FROM {self.table} "
            f"WHERE {between(start, end)} GROUP BY t, hostname"
        )

    def high(self, hosts: list[str] | None, start: int, end: int) -> pa.Table:
        chosen = "" if hosts is None else f" AND {among(hosts)}"
        return self.sql(
            f"SELECT * FROM {self.table} "
            f"WHERE usage_user > {HIGH} AND {between(start, end)}{chosen}"
        )

    def newest(self, end: int, limit: int) -> pa.Table:
        return self.sql(
            f"SELECT {bucket(MINUTE)} AS t, max(usage_user) FROM {self.table} "
            f"WHERE time < {literal(end)} GROUP BY t ORDER BY t DESC LIMIT {limit}"
        )

    def latest(self) -> pa.Table:
        return self.sql(
            f"SELECT * FROM {self.table} WHERE (hostname, time) IN "
            f"(SELECT hostname, max(time) FROM {self.table} GROUP BY hostname)"
        )

    def statistics(self, field: str) -> pa.Table:
        return self.sql(
            f"SELECT {bucket(HOUR)} AS t, hostname, count({field}), avg({field}), "
            f"sum({field}), min({field}), max({field}), stddevSampStable({field}) "
            f"FROM {self.table} GROUP BY t, hostname"
        )

    def anomalies(self, field: str, k: int) -> pa.Table:
        return self.sql(
            f"SELECT hostname, avg(abs({field} - middle)) AS score FROM {self.table} JOIN "
            f"(SELECT time, quantileExactInclusive(0.5)({field}) AS middle FROM {self.table} "
            f"GROUP BY time) AS others USING (time) GROUP BY hostname ORDER BY score DESC LIMIT {k}"
        )

    def correlation(self, x: str, y: str) -> pa.Table:
        return self.sql(
            f"SELECT hostname, corrStable({x}, {y}) FROM {self.table} GROUP BY hostname"
        )

    def total(self, field: str, host: str, start: int, end: int) -> pa.Table:
        return self.sql(
            f"SELECT sum({field}) FROM {self.table} WHERE {among([host])} AND {between(start, end)}"
        )

    def percentile(self, field: str, p: int) -> pa.Table:
        return self.sql(
            f"SELECT {bucket(HOUR)} AS t, hostname, "
            f"quantileExactInclusive({p / 100})({field}) FROM {self.table} GROUP BY t, hostname"
        )

    def tidy(self, result: pa.Table, columns: list[str]) -> pl.DataFrame:
        frame = by_position(pl.DataFrame(result.rename_columns(columns)), columns)
        if "time" in columns and frame["time"].dtype.is_integer():
            # What toStartOf... gives are seconds.
            return frame.with_columns(pl.from_epoch("time", time_unit="s"))
        return frame

    def close(self) -> None:
        self.session.close()
        self.folder.cleanup()


def bucket(every: int) -> str:
    return {MINUTE: "toStartOfMinute(time)", HOUR: "toStartOfHour(time)"}[every]


def among(hosts: list[str]) -> str:
    if len(hosts) == 1:
        return f"hostname = '{hosts[0]}'"
    return "hostname IN (" + ", ".join(f"'{host}'" for host in hosts) + ")"


def between(start: int, end: int) -> str:
    return f"time >= {literal(start)} AND time < {literal(end)}"


def literal(time: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time // 1000)
    return f"toDateTime64('{at:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"
