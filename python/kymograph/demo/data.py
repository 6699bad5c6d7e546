"""The demo's frames, from files of the Numenta Anomaly Benchmark (see data/README.md)."""

from __future__ import annotations

import gzip
from importlib.resources import files

import polars as pl

EC2_HOSTS = ("24ae8d", "53ea38", "5f5533", "77c1ca", "825cc2", "ac20cd")
TOGETHER = ("2014-04-10T00:05:00Z", "2014-04-16T14:20:00Z")
"""When 77c1ca, 825cc2 and ac20cd were all measured."""
FAILURE = ("2014-02-03", "2014-02-12")
"""The days around the machine's final failure on February 8, 2014."""


def machine() -> pl.DataFrame:
    """Temperature of an industrial machine: time, machine, temperature; 22,695 rows of 5 minutes.

    NAB doesn't state the unit. An hour of repeated times on January 7, 2014 is kept.
    """
    return _load("machine_temperature_system_failure").select(
        "time", machine=pl.lit("press"), temperature="value"
    )


def ec2() -> pl.DataFrame:
    """CPU of six EC2 instances in percent: time, host, cpu; about 4,030 rows each.

    The instances were sampled every 5 minutes at different minutes; times are cut to the 5
    minutes that they lie in (the last row of each counts), so that instances can be compared.
    """
    parts = [
        _even(_load(f"ec2_cpu_utilization_{host}")).select("time", host=pl.lit(host), cpu="value")
        for host in EC2_HOSTS
    ]
    return pl.concat(parts)


def network_and_disk() -> pl.DataFrame:
    """A narrow stream of two metrics: time, metric, value (bytes in 5 minutes); 9,436 rows.

    NAB names two instances (5abac7 and 1ef3de), sampled at different minutes; times are cut to
    the 5 minutes that they lie in, and the last row of each counts.
    """
    parts = [
        _even(_load(name)).select("time", metric=pl.lit(metric), value="value")
        for metric, name in (
            ("network_in", "ec2_network_in_5abac7"),
            ("disk_write", "ec2_disk_write_bytes_1ef3de"),
        )
    ]
    return pl.concat(parts)


def csv_bytes() -> int:
    """The size of all the demo's files as the CSV they came as, uncompressed."""
    return sum(len(_text(name)) for name in _names())


def _names() -> list[str]:
    folder = files("kymograph.demo") / "data"
    return sorted(item.name for item in folder.iterdir() if item.name.endswith(".csv.gz"))


def _text(file: str) -> bytes:
    return gzip.decompress((files("kymograph.demo") / "data" / file).read_bytes())


def _even(rows: pl.DataFrame) -> pl.DataFrame:
    cut = rows.with_columns(pl.col("time").dt.truncate("5m"))
    return cut.unique("time", keep="last", maintain_order=True)


def _load(name: str) -> pl.DataFrame:
    schema = {"timestamp": pl.String, "value": pl.Float64}
    text = pl.read_csv(_text(f"{name}.csv.gz"), schema_overrides=schema)
    time = pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us")
    return text.select(time.alias("time"), "value")
