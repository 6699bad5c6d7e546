"""Days, weeks and months by the clocks of a place, as Polars truncates there."""

from datetime import UTC, datetime

import polars as pl
import pytest

import kymograph as ky
from oracles import NS

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


@pytest.fixture(scope="module")
def year():
    """A value every half hour from Christmas 2023 to the sixth of January 2025."""
    times = pl.datetime_range(
        datetime(2023, 12, 25), datetime(2025, 1, 6), "30m", time_zone="UTC", eager=True
    )
    frame = pl.DataFrame({"time": times.cast(NS), "v": [float(i % 97) for i in range(len(times))]})
    with ky.open() as db:
        db.write("t", frame)
        db.flush()
        yield db, frame


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("width", "every"),
    [("1d", "1d"), ("1w", "1w"), ("1 month", "1mo"), ("3 months", "1q"), ("1y", "1y")],
)
def test_as_polars_truncates(year, zone, width, every):
    db, frame = year
    local = pl.col("time").dt.convert_time_zone(zone).dt.truncate(every)
    expected = (
        frame.group_by(local.dt.convert_time_zone("UTC").cast(NS).alias("time"))
        .agg(pl.len().cast(pl.Int64).alias("rows"), pl.col("v").sum().alias("total"))
        .sort("time")
    )
    got = db.sql(
        f"SELECT time_bucket('{width}', time, '{zone}') AS day, count(*) AS rows, sum(v) AS total "
        "FROM t GROUP BY day ORDER BY day"
    )
    assert got.columns == ["day", "rows", "total"]
    assert got.rename({"day": "time"}).equals(expected)
    # The same of rows.
    rows = db.sql(f"SELECT time_bucket('{width}', time, '{zone}') AS day FROM t ORDER BY time")
    assert rows["day"].to_list() == (
        frame.select(local.dt.convert_time_zone("UTC").cast(NS))["time"].to_list()
    )


@pytest.mark.parametrize(("unit", "every"), [("day", "1d"), ("week", "1w"), ("month", "1mo")])
def test_date_trunc_takes_a_zone(year, unit, every):
    db, frame = year
    local = pl.col("time").dt.convert_time_zone("Europe/Berlin").dt.truncate(every)
    expected = frame.select(local.dt.convert_time_zone("UTC").cast(NS))["time"].unique().sort()
    got = db.sql(
        f"SELECT date_trunc('{unit}', time, 'Europe/Berlin') AS start, count(*) FROM t "
        "GROUP BY start ORDER BY start"
    )
    assert got["start"].to_list() == expected.to_list()


def test_days_of_23_and_25_hours(year):
    db, _ = year
    got = db.sql(
        "SELECT time_bucket('1d', time, 'Europe/Berlin') AS day, count(*) AS rows FROM t "
        "GROUP BY day HAVING count(*) <> 48 ORDER BY day"
    )
    spring, autumn = datetime(2024, 3, 30, 23, tzinfo=UTC), datetime(2024, 10, 26, 22, tzinfo=UTC)
    of = dict(got.rows())
    assert (of[spring], of[autumn]) == (46, 50)
    # Beside them only the days that the data cuts.
    assert len(of) == 4


def test_parts_of_a_day_start_by_the_clock(year):
    db, _ = year
    got = db.sql(
        "SELECT time_bucket('6h', time, 'Europe/Berlin') AS start, count(*) AS rows FROM t "
        "WHERE time >= '2024-03-30T23:00:00Z' AND time < '2024-03-31T22:00:00Z' "
        "GROUP BY start ORDER BY start"
    )
    # 0 to 6 h has five hours, for the clocks go from 2 to 3.
    assert [(start.hour, rows) for start, rows in got.rows()] == [
        (23, 10),
        (4, 12),
        (10, 12),
        (16, 12),
    ]


def test_an_origin_moves_buckets(year):
    db, frame = year
    got = db.sql(
        "SELECT time_bucket('1h', time, '2024-01-01T00:15:00Z') AS start, count(*) AS rows FROM t "
        "GROUP BY start ORDER BY start"
    )
    shifted = (pl.col("time") - pl.duration(minutes=15)).dt.truncate("1h")
    expected = (
        frame.group_by((shifted + pl.duration(minutes=15)).alias("start"))
        .agg(pl.len().cast(pl.Int64).alias("rows"))
        .sort("start")
    )
    assert got.equals(expected.cast({"start": NS}))


def test_unknown_zones_are_refused(year):
    db, _ = year
    with pytest.raises(ky.InvalidArgument, match="Europe/Berln"):
        db.sql("SELECT count(*) FROM t GROUP BY time_bucket('1d', time, 'Europe/Berln')")


def test_gaps_are_filled_across_a_change_of_clocks():
    with ky.open() as db:
        times = [datetime(2024, 3, 29, 12, tzinfo=UTC), datetime(2024, 4, 2, 12, tzinfo=UTC)]
        db.write("t", {"time": times, "v": [1.0, 5.0]})
        got = db.sql(
            "SELECT time_bucket('1d', time, 'Europe/Berlin') AS day, avg(v) AS v FROM t "
            "GROUP BY day FILL(linear)"
        )
        assert got["v"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert [day.hour for day in got["day"]] == [23, 23, 23, 22, 22]
