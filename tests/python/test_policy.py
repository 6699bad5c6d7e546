"""Downsampling policies: rows and aggregates of every level together answer as the rows did."""

import math
import time
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kymograph as ky
from oracles import MINUTE, plain

HOUR = 60 * MINUTE
LEVELS = {"5m": "6h", "1h": "30d"}
FUNCTIONS = ["rows", "count", "sum", "min", "max", "mean", "std", "first", "last"]


def data(hours=24, seed=7):
    """Rows every 20 s up to now of two hosts and every type: NaN, nulls, extremes of i64."""
    rng = np.random.default_rng(seed)
    now = time.time_ns()
    times = np.arange(now - hours * HOUR, now, 20 * 10**9)
    n = len(times)
    frame = pl.DataFrame(
        {
            "time": np.repeat(times, 2),
            "host": ["a", "b"] * n,
            "usage": np.round(rng.normal(50, 20, 2 * n), 2),
            "hits": rng.integers(-(2**62), 2**62, 2 * n),
            "up": rng.random(2 * n) < 0.7,
            "note": rng.choice(["x", "y", "zebra"], 2 * n),
        }
    )
    holes = pl.Series(rng.random(2 * n))
    return frame.with_columns(
        pl.when(holes < 0.05).then(None).otherwise(pl.col("usage")).alias("usage"),
        pl.when(holes < 0.1).then(None).otherwise(pl.col("hits")).alias("hits"),
        pl.when(holes > 0.9).then(None).otherwise(pl.col("up")).alias("up"),
        pl.when(holes > 0.8).then(None).otherwise(pl.col("note")).alias("note"),
        pl.col("time").cast(pl.Datetime("ns", "UTC")),
    )


def by_hour(frame, every="1h"):
    """What every hour and host comes to, by Polars."""
    usage, hits, up, note = (pl.col(name) for name in ("usage", "hits", "up", "note"))
    ends = [
        (column.drop_nulls().first().alias(f"{name}_first"), column.drop_nulls().last())
        for name, column in (("usage", usage), ("hits", hits), ("up", up), ("note", note))
    ]
    return (
        frame.sort("host", "time")
        .group_by(pl.col("host"), pl.col("time").dt.truncate(every), maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("usage_rows"),
            usage.count().cast(pl.Int64).alias("usage_count"),
            usage.sum().alias("usage_sum"),
            usage.min().alias("usage_min"),
            usage.max().alias("usage_max"),
            usage.mean().alias("usage_mean"),
            usage.std().alias("usage_std"),
            ends[0][0],
            ends[0][1].alias("usage_last"),
            hits.count().cast(pl.Int64).alias("hits_count"),
            hits.min().alias("hits_min"),
            hits.max().alias("hits_max"),
            ends[1][0],
            ends[1][1].alias("hits_last"),
            up.sum().cast(pl.Int64).alias("up_sum"),
            ends[2][0],
            ends[2][1].alias("up_last"),
            note.min().alias("note_min"),
            note.max().alias("note_max"),
            ends[3][0],
            ends[3][1].alias("note_last"),
        )
        .sort("host", "time")
    )


def asked(db, **more):
    """The same of the engine."""
    fields = {
        "usage": FUNCTIONS,
        "hits": ["count", "min", "max", "first", "last"],
        "up": ["sum", "first", "last"],
        "note": ["min", "max", "first", "last"],
    }
    found = plain(db.aggregate("cpu", fields, every="1h", by="host", **more))
    return found.select("host", "time", pl.exclude("host", "time"))


def fill(path, frame):
    db = ky.open(path)
    db.write("cpu", frame, tags=["host"])
    return db


def roll(db):
    """Sets the policy and rolls up all that is due."""
    db.policy("cpu", downsample=LEVELS, retention="1h")
    db.compact()


def test_every_stage_answers_as_polars_does(tmp_path):
    frame = data()
    wanted = by_hour(frame)
    db = fill(tmp_path / "db", frame)
    assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
    roll(db)
    assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
    left = db.read("cpu")
    floor = left["time"].min()
    assert left.height == frame.filter(pl.col("time") >= floor).height < frame.height / 10
    levels = db.stats().levels
    assert levels["step"].to_list() == ["5m", "1h"]
    assert (levels["aggregates"] > 0).all()
    assert levels["in_policy"].all()
    db.compact()
    db.close()
    with ky.open(tmp_path / "db") as db:
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
        total = frame["usage"].sum()
        assert math.isclose(db.sum("cpu", "usage"), total, rel_tol=1e-9)
        exact = sum(v for v in frame["hits"].to_list() if v is not None)
        if -(2**63) <= exact < 2**63:
            assert db.sum("cpu", "hits") == exact
        series = db.series("cpu")
        assert series["rows"].sum() == frame.height
        assert series["first_time"].min() == frame["time"].min()
        assert db.check()


def test_sums_of_integers_are_exact_past_i64(tmp_path):
    now = time.time_ns()
    with ky.open() as db:
        top = 2**63 - 1
        times = [now - 3 * HOUR + i for i in range(4)]
        db.write("t", {"time": times, "v": [top, top, -top, -top + 5]})
        db.policy("t", downsample={"1m": "10d"}, retention="1h")
        db.compact()
        assert db.read("t").is_empty()
        row = db.aggregate("t", {"v": ["sum", "min", "max", "mean", "count"]}).row(0)
        assert row == (5, -top, top, 1.25, 4)
        # The sum of a part may not fit where that of all does.
        db.write("t", {"time": [now - 3 * HOUR + 9], "v": [-5]})
        assert db.sum("t", "v") == 0
        db.compact()
        assert db.sum("t", "v") == 0


def test_nan_spreads_as_it_does_through_rows(tmp_path):
    now = time.time_ns()
    start = (now - 5 * HOUR) // HOUR * HOUR
    frame = pl.DataFrame(
        {
            "time": [start, start + 1, start + HOUR, start + HOUR + 1, start + 2 * HOUR],
            "v": [1.0, math.nan, math.nan, math.nan, math.inf],
        }
    )
    fields = {"v": ["count", "sum", "min", "max", "mean", "std", "first", "last"]}
    with ky.open() as db:
        db.write("t", frame)
        before = db.aggregate("t", fields, every="1h")
        whole = db.aggregate("t", fields)
        db.policy("t", downsample={"5m": "1d", "1h": "5y"}, retention="1h")
        db.compact()
        assert db.read("t").is_empty()
        assert_frame_equal(db.aggregate("t", fields, every="1h"), before)
        assert_frame_equal(db.aggregate("t", fields), whole)


def test_late_rows_add_to_what_was_rolled_up(tmp_path):
    frame = data(hours=12)
    on_time = frame.filter(pl.int_range(pl.len()) % 3 != 0)
    late = frame.filter(pl.int_range(pl.len()) % 3 == 0)
    wanted = by_hour(frame)
    with fill(tmp_path / "db", on_time) as db:
        roll(db)
        db.write("cpu", late)
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
        db.flush()
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
        db.compact()
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
        # Compaction made one of the aggregates of one bucket.
        for step in LEVELS:
            level = db.read(f"cpu@{step}").select("host", "time")
            assert level.height > 0
            assert not level.is_duplicated().any()


def test_deletes_reach_every_level(tmp_path):
    frame = data(hours=12)
    with fill(tmp_path / "db", frame) as db:
        roll(db)
        db.delete("cpu", {"host": "a"})
        wanted = by_hour(frame.filter(pl.col("host") == "b"))
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
        first = frame.select(pl.col("time").min().dt.truncate("1h")).item()
        start, end = first + timedelta(hours=3), first + timedelta(hours=5)
        # A second more at both ends cuts two hours more, which stay.
        db.delete("cpu", start=start - timedelta(seconds=1), end=end + timedelta(seconds=1))
        wanted = wanted.filter(~pl.col("time").is_between(start, end, closed="left"))
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)
        db.compact()
        assert_frame_equal(asked(db), wanted, rel_tol=1e-9)


def test_sql_answers_over_all_levels(tmp_path):
    frame = data(hours=12)
    with fill(tmp_path / "db", frame) as db:
        query = (
            "SELECT host, count(*) AS n, count(usage) AS c, min(usage) AS low, max(usage) AS top, "
            "avg(usage) AS mean FROM cpu WHERE host IN ('a', 'b') GROUP BY host "
            "HAVING count(*) > 10 ORDER BY host DESC"
        )
        before = plain(db.sql(query))
        times = db.sql("SELECT min(time) AS a, max(time) AS b, count(time) AS c FROM cpu")
        roll(db)
        assert db.read("cpu").height < frame.height
        assert_frame_equal(plain(db.sql(query)), before, rel_tol=1e-9)
        again = db.sql("SELECT min(time) AS a, max(time) AS b, count(time) AS c FROM cpu")
        assert_frame_equal(again, times)
        lines = db.sql("EXPLAIN SELECT avg(usage) FROM cpu GROUP BY 1h").to_series().to_list()
        levels = [line for line in lines if "aggregates of" in line]
        assert len(levels) == 1
        assert "5m aggregates" in levels[0]
        assert "1h aggregates" in levels[0]
        for text in [
            "SELECT median(usage) FROM cpu",
            "SELECT sum(usage * 2) FROM cpu",
            "SELECT avg(usage) FROM cpu WHERE usage > 50",
            "SELECT corr(usage, hits) FROM cpu",
        ]:
            with pytest.raises(ky.InvalidArgument, match="remain only as 5m and 1h aggregates"):
                db.sql(text)
        floor = db.read("cpu")["time"].min()
        assert db.sql("SELECT median(usage) FROM cpu WHERE time >= $t", {"t": floor}).height == 1
        assert db.sql("SHOW TABLES")["table"].to_list() == ["cpu"]


def test_what_needs_rows_is_refused_with_the_time_that_would_do(tmp_path):
    with fill(tmp_path / "db", data(hours=8)) as db:
        roll(db)
        floor = db.read("cpu")["time"].min()
        for ask in [
            lambda **r: db.aggregate("cpu", {"usage": "p95"}, **r),
            lambda **r: db.aggregate("cpu", {"usage": "twa"}, **r),
            lambda **r: db.aggregate("cpu", {"usage": "mean"}, filter="usage > 1", **r),
            lambda **r: db.correlate("cpu", "usage", "hits", **r),
            lambda **r: db.top_anomalies("cpu", "usage", by="host", **r),
        ]:
            with pytest.raises(ky.InvalidArgument, match="start=") as error:
                ask()
            start = str(error.value).split('start="')[1].split('"')[0]
            assert not ask(start=start).is_empty()
            assert not ask(start=floor).is_empty()


def test_last_knows_series_without_rows(tmp_path):
    now = time.time_ns()
    frame = pl.DataFrame(
        {
            "time": [now - 9 * HOUR, now - 8 * HOUR, now - 8 * HOUR, now - MINUTE],
            "host": ["old", "old", "older", "new"],
            "v": [1.0, 2.0, None, 4.0],
            "w": [None, None, 3, 5],
        }
    )
    with ky.open() as db:
        db.write("t", frame, tags=["host"])
        before = plain(db.last("t"))
        db.policy("t", downsample={"5m": "6h", "1h": "30d"}, retention="1h")
        db.compact()
        assert db.read("t")["v"].to_list() == [4.0]
        assert_frame_equal(plain(db.last("t")), before)
        assert db.last("t", filter="v > 0")["v"].to_list() == [4.0]


def test_duplicates_are_settled_before_rows_are_rolled_up(tmp_path):
    now = time.time_ns()
    old = now - 5 * HOUR
    with ky.open() as db:
        db.create_table("t", fields={"v": "f64"}, duplicates="last")
        db.write("t", {"time": [old, old + 1], "v": [1.0, 2.0]})
        db.write("t", {"time": [old], "v": [10.0]})
        db.policy("t", downsample={"5m": "30d"}, retention="1h")
        db.compact()
        assert db.aggregate("t", {"v": ["sum", "count", "rows"]}).row(0) == (12.0, 2, 2)
        # What was rolled up cannot be replaced: it counts besides.
        db.write("t", {"time": [old], "v": [100.0]})
        db.compact()
        assert db.aggregate("t", {"v": ["sum", "count"]}).row(0) == (112.0, 3)
        # The table is the same for a program that makes it at each start.
        db.set_retention("t", "2h")
        db.create_table("t", fields={"v": "f64"}, duplicates="last", retention="2h")


def test_fields_and_tags_that_come_later_have_aggregates_too(tmp_path):
    now = time.time_ns()
    with ky.open(tmp_path / "db") as db:
        db.write("t", {"time": [now - 9 * HOUR], "v": [1.0]})
        db.policy("t", downsample={"5m": "6h", "1h": "30d"}, retention="1h")
        db.compact()
        late = {"time": [now - 8 * HOUR] * 2, "host": ["a", None], "v": [2.0, 4.0], "w": [7, 8]}
        db.write("t", pl.DataFrame(late), tags=["host"])
        db.compact()
        assert db.read("t").is_empty()
        found = plain(db.aggregate("t", {"v": "sum", "w": ["sum", "count"]}, by="host"))
        assert found.rows() == [(None, 5.0, 8, 1), ("a", 2.0, 7, 1)]
        assert db.aggregate("t", {"v": "sum"}, where={"host": None}).row(0) == (5.0,)
        db.delete("t", {"host": None})
        assert db.aggregate("t", {"v": "sum"}).row(0) == (2.0,)


def test_fills_and_sliding_windows_see_all_levels(tmp_path):
    frame = data(hours=12).filter(pl.col("time").dt.hour() % 3 != 0)
    with fill(tmp_path / "db", frame) as db:
        start = frame["time"].min().replace(minute=0, second=0, microsecond=0)
        asks = [
            {"every": "1h", "fill": "previous", "start": start},
            {"every": "3h", "step": "1h"},
            {"every": "1d", "timezone": "Europe/Zurich"},
            {"every": "1mo"},
            {"every": "1h", "limit": 3},
            {"having": "usage_count > 0"},
        ]
        fields = {"usage": ["count", "sum", "max", "delta"]}
        before = [db.aggregate("cpu", fields, **ask) for ask in asks]
        roll(db)
        for ask, wanted in zip(asks, before, strict=True):
            assert_frame_equal(db.aggregate("cpu", fields, **ask), wanted, rel_tol=1e-9)


def test_older_versions_and_snapshots_have_the_rows(tmp_path):
    frame = data(hours=8)
    with fill(tmp_path / "db", frame) as db:
        version = db.flush()
        snapshot = db.snapshot()
        roll(db)
        assert db.read("cpu").height < frame.height == snapshot.read("cpu").height
        snapshot.close()
        with ky.open(tmp_path / "db", as_of=version) as then:
            assert then.read("cpu").height == frame.height
        with ky.open(tmp_path / "db", mode="r") as reader:
            assert_frame_equal(asked(reader), by_hour(frame), rel_tol=1e-9)


def test_a_policy_is_shown_as_it_was_given(tmp_path):
    with ky.open(tmp_path / "db") as db:
        db.write("cpu", {"time": [1], "v": [1.0]})
        assert db.policy("cpu") == ky.Policy("cpu", None, {})
        given = {"5m": "90d", "1h": "5y"}
        found = db.policy("cpu", downsample=given, retention="7d")
        assert found == ky.Policy("cpu", "7d", {"5m": "90d", "1h": "1825d"})
        assert db.schema("cpu").downsample == {"5m": 90 * 24 * HOUR, "1h": 1825 * 24 * HOUR}
        assert db.policy("cpu", retention="8d").downsample == found.downsample
    with ky.open(tmp_path / "db") as db:
        assert db.policy("cpu").retention == "8d"
        assert db.policy("cpu", downsample=None) == ky.Policy("cpu", "8d", {})
        assert db.policy("cpu", retention=None) == ky.Policy("cpu", None, {})


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"downsample": {"5m": "90d"}}, "needs a retention"),
        ({"downsample": {"1h": "90d", "5m": "1y"}, "retention": "7d"}, "ascend"),
        ({"downsample": {"5m": "90d", "12m": "1y"}, "retention": "7d"}, "multiple"),
        ({"downsample": {"5m": "90d", "1h": "90d"}, "retention": "7d"}, "kept longer"),
        ({"downsample": {"5m": "7d"}, "retention": "7d"}, "greater age"),
        ({"downsample": {"1mo": "90d"}, "retention": "7d"}, "months"),
        ({"downsample": ["5m"], "retention": "7d"}, "a dict of steps and ages"),
        ({"downsample": {"5m": "soon"}, "retention": "7d"}, "downsample\\['5m'\\]"),
        ({"retention": 0}, "more than 0"),
    ],
)
def test_a_policy_that_cannot_be_says_why(given, what):
    with ky.open() as db:
        db.write("cpu", {"time": [1], "v": [1.0]})
        with pytest.raises(ky.InvalidArgument, match=what):
            db.policy("cpu", **given)
        assert db.policy("cpu") == ky.Policy("cpu", None, {})
        with pytest.raises(ky.NotFound):
            db.policy("mem", **given)


def test_the_background_rolls_up_by_itself(tmp_path):
    now = time.time_ns()
    with ky.open(tmp_path / "db") as db:
        db.write("t", {"time": [now - 60 * 10**9], "v": [1.0]})
        db.policy("t", downsample={"1s": "1h"}, retention="2s")
        db.write("t", {"time": [time.time_ns()], "v": [2.0]})
        db.flush()
        until = time.monotonic() + 30
        while db.read("t").height and time.monotonic() < until:
            time.sleep(0.1)
        assert db.read("t").is_empty()
        assert db.sum("t", "v") == 3.0
