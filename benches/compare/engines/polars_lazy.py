"""The verbs in lazy Polars, over whatever holds the rows sorted by host and time."""

from __future__ import annotations

import polars as pl
from workload import HIGH, HOUR, MINUTE

from engines.base import by_position


class Lazy:
    """`rows()` is the table; the order of its rows is used where it helps."""

    version = pl.__version__

    def rows(self) -> pl.LazyFrame:
        raise NotImplementedError

    def collect(self, plan: pl.LazyFrame) -> pl.DataFrame:
        """By the streaming engine, which is the faster one here but for quantiles."""
        return plan.collect(engine="streaming")

    def maxima(
        self, fields: list[str], hosts: list[str], every: int, start: int, end: int
    ) -> pl.DataFrame:
        plan = self.rows().filter(among(hosts), between(start, end))
        return self.collect(plan.group_by(bucket(every)).agg(pl.col(fields).max()).sort("time"))

    def means(self, fields: list[str], start: int, end: int) -> pl.DataFrame:
        plan = self.rows().filter(between(start, end))
        return self.collect(plan.group_by(bucket(HOUR), "hostname").agg(pl.col(fields).mean()))

    def high(self, hosts: list[str] | None, start: int, end: int) -> pl.DataFrame:
        kept = [pl.col("usage_user") > HIGH, between(start, end)]
        if hosts is not None:
            kept.append(among(hosts))
        return self.collect(self.rows().filter(*kept))

    def newest(self, end: int, limit: int) -> pl.DataFrame:
        plan = self.rows().filter(pl.col("time") < moment(end))
        plan = plan.group_by(bucket(MINUTE)).agg(pl.col("usage_user").max())
        return self.collect(plan.sort("time", descending=True).head(limit))

    def latest(self) -> pl.DataFrame:
        """The rows that another host's row follows, and the last: several times faster than last()
        by group.
        """
        host = pl.col("hostname")
        return self.collect(self.rows().filter(host.ne_missing(host.shift(-1))))

    def statistics(self, field: str) -> pl.DataFrame:
        column = pl.col(field)
        return self.collect(
            self.rows()
            .group_by(bucket(HOUR), "hostname")
            .agg(
                column.count().alias("count"),
                column.mean().alias("mean"),
                column.sum().alias("sum"),
                column.min().alias("min"),
                column.max().alias("max"),
                column.std().alias("std"),
            )
        )

    def anomalies(self, field: str, k: int) -> pl.DataFrame:
        column = pl.col(field)
        away = (column - column.median().over("time")).abs()
        plan = self.rows().select("hostname", away.alias("score"))
        return self.collect(
            plan.group_by("hostname").agg(pl.col("score").mean()).top_k(k, by="score")
        )

    def correlation(self, x: str, y: str) -> pl.DataFrame:
        return self.collect(self.rows().group_by("hostname").agg(pl.corr(x, y)))

    def total(self, field: str, host: str, start: int, end: int) -> pl.DataFrame:
        plan = self.rows().filter(among([host]), between(start, end))
        return self.collect(plan.select(pl.col(field).sum()))

    def percentile(self, field: str, p: int) -> pl.DataFrame:
        value = pl.col(field).quantile(p / 100, "linear")
        plan = self.rows().group_by(bucket(HOUR), "hostname").agg(value)
        return plan.collect(engine="in-memory")

    def tidy(self, result: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        return by_position(result, columns)

    def close(self) -> None:
        pass


def moment(time: int) -> pl.Expr:
    return pl.lit(time).cast(pl.Datetime("ns"))


def between(start: int, end: int) -> pl.Expr:
    return (pl.col("time") >= moment(start)) & (pl.col("time") < moment(end))


def among(hosts: list[str]) -> pl.Expr:
    return pl.col("hostname") == hosts[0] if len(hosts) == 1 else pl.col("hostname").is_in(hosts)


def bucket(every: int) -> pl.Expr:
    return pl.col("time").dt.truncate(f"{every // 1_000_000_000}s")
