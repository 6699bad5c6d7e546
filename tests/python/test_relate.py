"""top_anomalies and correlate: as Polars has them, and null with its count where there is none."""

import polars as pl
import pytest

import kymograph as ky
from kymograph.adapters import duration_ns
from kymograph.demo import data, ec2, network_and_disk
from oracles import MINUTE, each_state, generated, last_wins, nanos, plain

TAGS = ["host", "dc"]


def anomalies(frame, field, by, k):
    """The naive twin, where a value that is NaN or null does not count."""
    value = pl.col(field).cast(pl.Float64)
    known = frame.filter(value.is_not_null() & value.is_not_nan()).with_columns(value)
    gap = (value - value.median().over("time")).abs()
    # Infinity is not far from itself.
    gap = pl.when(value == value.median().over("time")).then(0.0).otherwise(gap)
    scores = (
        known.with_columns(gap=gap)
        .group_by(by)
        .agg(score=pl.col("gap").mean(), count=pl.len().cast(pl.Int64))
    )
    ranked = scores.sort(["score", *by], descending=[True, *[False] * len(by)], nulls_last=False)
    return ranked.head(k).select(*by, "score", "count")


@pytest.mark.parametrize("by", [["host"], ["dc", "host"]])
@pytest.mark.parametrize("field", ["calm", "n"])
@pytest.mark.parametrize("duplicates", ["keep", "last"])
def test_anomalies_as_polars(tmp_path, by, field, duplicates):
    frame = generated(41)
    rows = frame if duplicates == "keep" else last_wins(frame, TAGS)

    def fill(db):
        db.write("t", frame, tags=TAGS, duplicates=duplicates)

    for state, db in each_state(tmp_path / "a.ky", fill):
        for k in (1, 3, 99):
            got = plain(db.top_anomalies("t", field, k=k, by=by))
            expected = anomalies(rows, field, by, k)
            assert got.select(by).equals(expected.select(by)), state
            assert got["count"].to_list() == expected["count"].to_list()
            assert got["score"].to_list() == pytest.approx(expected["score"].to_list())
        ticks = pl.col("time").cast(pl.Int64)
        part = rows.filter(ticks >= MINUTE, ticks < 50 * MINUTE, dc="x")
        got = db.top_anomalies("t", field, 2, by, where={"dc": "x"}, start=MINUTE, end=50 * MINUTE)
        expected = anomalies(part, field, by, 2)
        assert got["score"].to_list() == pytest.approx(expected["score"].to_list())


def test_anomalies_of_the_demos_instances(tmp_path):
    cpu = ec2().with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    start, end = data.TOGETHER
    part = cpu.filter(
        pl.col("time") >= pl.lit(start).str.to_datetime(time_zone="UTC"),
        pl.col("time") < pl.lit(end).str.to_datetime(time_zone="UTC"),
    )
    with ky.open() as db:
        db.write("ec2", cpu, tags=["host"])
        got = plain(db.top_anomalies("ec2", "cpu", k=9, start=start, end=end))
        expected = anomalies(part, "cpu", ["host"], 9)
        assert got["host"].to_list() == expected["host"].to_list()
        assert got["score"].to_list() == pytest.approx(expected["score"].to_list(), rel=1e-12)


def test_one_node_alone_stands_apart_from_nothing():
    with ky.open() as db:
        db.write("t", {"time": [1, 2], "host": ["a", "a"], "v": [1.0, 9.0]}, tags="host")
        assert plain(db.top_anomalies("t", "v")).rows() == [("a", 0.0, 2)]


def test_unequal_times_nan_and_null_among_nodes():
    nan = float("nan")
    frame = {
        "time": [1, 1, 1, 2, 3, 3, 4],
        "host": ["a", "b", "c", "a", "b", "c", "c"],
        "v": [1.0, 2.0, 6.0, 50.0, nan, 7.0, None],
        "only_b": [None, 1.0, None, None, 2.0, None, None],
    }
    with ky.open() as db:
        db.write("t", frame, tags="host")
        got = plain(db.top_anomalies("t", "v", k=9))
        assert got.rows() == [("c", 2.0, 2), ("a", 0.5, 2), ("b", 0.0, 1)]
        # A node without points is no node.
        assert plain(db.top_anomalies("t", "only_b", k=9)).rows() == [("b", 0.0, 2)]
        empty = db.top_anomalies("t", "v", start=100)
        assert dict(plain(empty).schema) == {
            "host": pl.String,
            "score": pl.Float64,
            "count": pl.Int64,
        }
        assert empty.is_empty()


# --- correlate ---


def pearson(frame, x, y, by):
    """The naive twin over rows that have both."""
    both = frame.filter(pl.col(x).is_not_null() & pl.col(y).is_not_null())
    keys = frame.select(by).unique()
    found = both.group_by(by).agg(
        r=pl.corr(pl.col(x).cast(pl.Float64), pl.col(y).cast(pl.Float64)),
        n=pl.len().cast(pl.Int64),
        constant=(pl.col(x).n_unique() == 1) | (pl.col(y).n_unique() == 1),
    )
    joined = keys.join(found, on=by, how="left", nulls_equal=True).with_columns(
        r=pl.when(~pl.col("constant"), pl.col("n") >= 2).then(pl.col("r")),
        n=pl.col("n").fill_null(0),
    )
    return joined.sort(by, nulls_last=False).select(*by, "r", "n")


@pytest.mark.parametrize("by", [["host"], ["dc", "host"], None])
@pytest.mark.parametrize("duplicates", ["keep", "last"])
def test_correlation_as_polars(tmp_path, by, duplicates):
    frame = generated(43).with_columns(mixed=pl.col("calm") * 3 + pl.col("n") / 100)
    # Wholly equal rows only of one series and time may be paired across: keep those apart.
    rows = frame if duplicates == "keep" else last_wins(frame, TAGS)
    if duplicates == "keep":
        rows = frame = frame.unique(["time", *TAGS], keep="first", maintain_order=True)

    def fill(db):
        db.write("t", frame, tags=TAGS, duplicates=duplicates)

    for state, db in each_state(tmp_path / "c.ky", fill):
        for x, y in (("calm", "mixed"), ("calm", "n"), ("n", "n")):
            got = plain(db.correlate("t", x, y, by=by))
            expected = pearson(rows, x, y, by or TAGS)
            assert got.select(by or TAGS).equals(expected.select(by or TAGS)), state
            assert got["n"].to_list() == expected["n"].to_list()
            assert got["r"].to_list() == pytest.approx(expected["r"].to_list(), abs=1e-9)


def test_correlation_of_the_demos_stream():
    frame = network_and_disk()
    wide = frame.pivot(on="metric", index="time", values="value").drop_nulls()
    with ky.open() as db:
        db.write_events(frame, time="time", table="traffic")
        got = db.correlate("traffic", "network_in", "disk_write")
        r = wide.select(pl.corr("network_in", "disk_write")).item()
        assert got.columns == ["r", "n"]
        assert got.row(0) == (pytest.approx(r, abs=1e-12), wide.height)


def test_nearest_within_a_tolerance_as_an_asof_join(tmp_path):
    xs = generated(47, 400).select("time", x="calm").drop_nulls().unique("time").sort("time")
    ys = generated(48, 400).select("time", y="calm").drop_nulls().unique("time").sort("time")
    shifted = ys.with_columns(pl.col("time") + pl.duration(seconds=13))

    def fill(db):
        db.create_table("t", ["host"])
        for frame in (xs, shifted):
            db.write("t", frame.with_columns(host=pl.lit("a")), tags=["host"])

    for state, db in each_state(tmp_path / "n.ky", fill):
        assert plain(db.correlate("t", "x", "y")).rows() == [("a", None, 0)], state
        for tolerance in ("1s", "13s", "20s", "10m"):
            got = plain(db.correlate("t", "x", "y", tolerance=tolerance)).row(0)
            joined = nearest(xs, shifted, duration_ns(tolerance))
            assert got[2] == joined.height
            if joined.height > 1:
                r = joined.select(pl.corr("x", "y")).item()
                assert got[1] == pytest.approx(r, abs=1e-9)
            else:
                assert got[1] is None


def nearest(xs, ys, tolerance):
    """Each x with the nearest y, the earlier of two as near; by looking at all of them."""
    columns = [list(zip(nanos(f), f[f.columns[1]].to_list(), strict=True)) for f in (xs, ys)]
    pairs = []
    for time, x in columns[0]:
        away, _, y = min((abs(at - time), at, y) for at, y in columns[1])
        if away <= tolerance:
            pairs.append((x, y))
    return pl.DataFrame(pairs, schema={"x": pl.Float64, "y": pl.Float64}, orient="row")


@pytest.mark.parametrize(
    ("x", "y", "r", "n"),
    [
        ([], [], None, 0),
        ([1.0], [2.0], None, 1),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], None, 3),
        ([0.1, 0.1, 0.1], [0.3, 0.3, 0.3], None, 3),
        ([1.0, 2.0, None], [1.0, None, 3.0], None, 1),
        ([1.0, 2.0], [10.0, 5.0], -1.0, 2),
        ([1e15 + 1, 1e15 + 2, 1e15 + 3], [1.0, 2.0, 4.0], 0.9819805060619659, 3),
    ],
)
def test_too_little_is_null_with_its_count(x, y, r, n):
    # A row of another time makes the node in every case.
    times = [*range(len(x)), 99]
    frame = pl.DataFrame(
        {"time": times, "host": ["a"] * len(times), "x": [*x, None], "y": [*y, 5.0]},
        schema_overrides={"x": pl.Float64, "y": pl.Float64},
    )
    with ky.open() as db:
        db.write("t", frame, tags="host")
        for _ in range(2):
            got = plain(db.correlate("t", "x", "y", by="host"))
            assert got.rows() == [("a", None if r is None else pytest.approx(r), n)]
            db.flush()


def test_nan_makes_r_nan_and_strings_are_refused():
    frame = {"time": [1, 2, 3], "h": "a", "x": [1.0, float("nan"), 3.0], "s": ["a", "b", "c"]}
    with ky.open() as db:
        db.write("t", frame, tags="h")
        assert db.correlate("t", "x", "x")["r"].is_nan().to_list() == [True]
        with pytest.raises(ky.InvalidArgument, match='field "s" is str'):
            db.correlate("t", "x", "s")
        with pytest.raises(ky.InvalidArgument, match='field "s" is str'):
            db.top_anomalies("t", "s", by="h")
        with pytest.raises(ky.InvalidArgument, match="tolerance"):
            db.correlate("t", "x", "x", tolerance=-1)
