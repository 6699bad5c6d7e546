"""kymograph through its public API: one table, ten tags, as it was written, not compacted."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from tsbs import TAGS
from workload import HIGH, STATISTICS

import kymograph as ky
from engines.base import by_position, size


class Engine:
    name = "kymograph"
    version = ky.__version__
    durable = True

    def ingest(self, frame: pl.DataFrame, folder: Path) -> None:
        with ky.open(folder, durability="full") as db:
            db.write("cpu", frame, tags=TAGS)

    def open(self, frame: pl.DataFrame, sorted_frame: pl.DataFrame, folder: Path) -> None:
        self.folder = folder
        self.ingest(frame, folder)
        self.db = ky.open(folder)

    def bytes(self) -> int:
        return size(self.folder)

    def stored(self) -> dict[str, int]:
        """Encoded bytes of each field, and of the times."""
        fields = self.db.stats().fields
        return dict(zip(fields["field"], fields["bytes"], strict=True))

    def nothing(self) -> pl.DataFrame:
        """An aggregate of no rows: what a call costs."""
        return self.db.aggregate("cpu", {"usage_user": "max"}, start=0, end=1)

    def maxima(
        self, fields: list[str], hosts: list[str], every: int, start: int, end: int
    ) -> pl.DataFrame:
        return self.db.aggregate(
            "cpu",
            dict.fromkeys(fields, "max"),
            every=every,
            where={"hostname": hosts},
            start=start,
            end=end,
        )

    def means(self, fields: list[str], start: int, end: int) -> pl.DataFrame:
        return self.db.aggregate(
            "cpu", dict.fromkeys(fields, "mean"), every="1h", by="hostname", start=start, end=end
        )

    def high(self, hosts: list[str] | None, start: int, end: int) -> pl.DataFrame:
        if hasattr(self.db, "sql"):
            among = ""
            if hosts is not None:
                among = " AND hostname IN (" + ", ".join(f"'{host}'" for host in hosts) + ")"
            return self.db.sql(
                f"SELECT * FROM cpu WHERE usage_user > {HIGH} "
                f"AND time >= '{iso(start)}' AND time < '{iso(end)}'{among}"
            )
        time = pl.col("time")
        first, last = (pl.lit(at).cast(pl.Datetime("ns", "UTC")) for at in (start, end))
        kept = (pl.col("usage_user") > HIGH) & (time >= first) & (time < last)
        if hosts is not None:
            kept &= pl.col("hostname").is_in(hosts)
        return self.db.scan("cpu").filter(kept).collect()

    def newest(self, end: int, limit: int) -> pl.DataFrame:
        if hasattr(self.db, "sql"):
            return self.db.sql(
                f"SELECT max(usage_user) FROM cpu WHERE time < '{iso(end)}' "
                f"GROUP BY 1m ORDER BY time DESC LIMIT {limit}"
            )
        return self.db.aggregate("cpu", {"usage_user": "max"}, every="1m", end=end).tail(limit)

    def latest(self) -> pl.DataFrame:
        return self.db.last("cpu")

    def statistics(self, field: str) -> pl.DataFrame:
        return self.db.aggregate("cpu", {field: STATISTICS}, every="1h", by="hostname")

    def anomalies(self, field: str, k: int) -> pl.DataFrame:
        return self.db.top_anomalies("cpu", field, k, by="hostname")

    def correlation(self, x: str, y: str) -> pl.DataFrame:
        return self.db.correlate("cpu", x, y, by="hostname")

    def total(self, field: str, host: str, start: int, end: int) -> pl.DataFrame:
        total = self.db.sum("cpu", field, where={"hostname": host}, start=start, end=end)
        return pl.DataFrame({"sum": [total]})

    def percentile(self, field: str, p: int) -> pl.DataFrame:
        return self.db.aggregate("cpu", {field: f"p{p}"}, every="1h", by="hostname")

    def tidy(self, result: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        return by_position(result, columns)

    def close(self) -> None:
        self.db.close()


def iso(time: int) -> str:
    """ISO 8601 with microseconds."""
    return str(pl.Series([time]).cast(pl.Datetime("ns")).dt.strftime("%FT%T%.6fZ")[0])
