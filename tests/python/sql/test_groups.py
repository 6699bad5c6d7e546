"""Aggregates that DuckDB lacks or defines otherwise: by hand, and against NumPy."""

import math

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from oracles import each_state
from sql.world import SECOND, TAGS, metrics


def table(**fields):
    """A database with the table ``t`` of one series, a row a second."""
    db = ky.open()
    rows = len(next(iter(fields.values())))
    db.write("t", {"time": [at * SECOND for at in range(rows)], **fields})
    return db


def test_a_histogram_counts_below_and_above():
    values = [-1.0, 0.0, 2.4, 2.5, 4.9999, 5.0, 9.99, 10.0, math.nan, math.inf, -math.inf, None]
    with table(v=values, n=[3] * 12) as db:
        got = db.sql("SELECT histogram(v, 0, 10, 4) AS h, histogram(n, 0, 10, 2) AS m FROM t")
        assert got["h"].dtype == pl.List(pl.Int64)
        assert got["h"].to_list() == [[2, 2, 2, 1, 1, 3]]
        assert got["m"].to_list() == [[0, 12, 0, 0]]
        each = db.sql("SELECT histogram(v, 0, 10, 2) AS h FROM t GROUP BY 6s ORDER BY time")
        assert each["h"].to_list() == [[1, 4, 1, 0], [1, 0, 1, 3]]
        for bad in ("10, 0, 4", "0, 10, 0", "0, 10, 2.5"):
            with pytest.raises(ky.InvalidArgument, match="low < high"):
                db.sql(f"SELECT histogram(v, {bad}) FROM t")


def test_a_candlestick_is_open_high_low_close_and_volume():
    with table(price=[3.0, 5.0, None, 1.0, 4.0, 2.0], volume=[1, 2, 3, 4, 5, None]) as db:
        got = db.sql("SELECT candlestick(price, volume) AS c FROM t GROUP BY 3s ORDER BY time")
        assert got.columns == ["time", "c_open", "c_high", "c_low", "c_close", "c_volume"]
        assert [row[1:] for row in got.rows()] == [(3.0, 5.0, 3.0, 5.0, 6), (1.0, 4.0, 1.0, 2.0, 9)]
        plain = db.sql("SELECT candlestick(price) FROM t")
        assert plain.columns == ["open", "high", "low", "close"]
        assert plain.rows() == [(3.0, 5.0, 1.0, 2.0)]


def test_min_and_max_pass_over_nan_unless_there_is_nothing_else():
    with table(v=[math.nan, 1.0, math.nan, math.nan], n=[7, 8, 9, 10]) as db:
        assert db.sql("SELECT min(v), max(v) FROM t").row(0) == (1.0, 1.0)
        assert db.sql("SELECT arg_min(n, v), arg_max(n, v) FROM t").row(0) == (8, 8)
        some = db.sql("SELECT min(v), max(v), arg_max(n, v) FROM t WHERE n > 8").row(0)
        assert math.isnan(some[0])
        assert math.isnan(some[1])
        assert some[2] == 9
        assert db.sql("SELECT count(DISTINCT v) FROM t").item() == 2


def test_of_equals_the_earliest_and_of_modes_the_least():
    with table(v=[2.0, 1.0, 1.0, 2.0], n=[4, 3, 2, 1], w=["b", "a", "a", "b"]) as db:
        assert db.sql("SELECT arg_min(n, v), arg_max(n, v) FROM t").row(0) == (3, 4)
        assert db.sql("SELECT mode(v), mode(n), mode(w) FROM t").row(0) == (1.0, 1, "a")
        time = db.sql("SELECT arg_max(time, v), min(time) FROM t")
        assert time.dtypes == [pl.Datetime("ns", "UTC")] * 2
        assert time.select(pl.all().cast(pl.Int64)).row(0) == (0, 0)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_percentiles_are_numpys(size):
    rng = np.random.default_rng(size)
    values = rng.lognormal(0, 2, size).round(3)
    with table(v=values, n=(values * 10).astype(np.int64)) as db:
        for percent in (0, 0.1, 5, 25, 50, 75, 95, 99, 99.9, 100):
            text = (
                f"SELECT percentile(v, {percent}) AS a, percentile(n, {percent}) AS b, "
                f"percentile_cont({percent / 100!r}) WITHIN GROUP (ORDER BY v) AS c, "
                f"quantile(v, {percent / 100!r}) AS d FROM t"
            )
            a, b, c, d = db.sql(text).row(0)
            assert a == pytest.approx(np.percentile(values, percent), rel=1e-12)
            assert b == pytest.approx(np.percentile((values * 10).astype(int), percent), rel=1e-12)
            assert c == pytest.approx(a, rel=1e-12)
            assert d == pytest.approx(a, rel=1e-12)
        for bad in ("percentile(v, 101)", "percentile(v, -1)", "quantile(v, 1.5)"):
            with pytest.raises(ky.InvalidArgument, match="fraction of 0 to"):
                db.sql(f"SELECT {bad} FROM t")


@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_approximate_percentiles_are_within_half_a_percent(tmp_path, spread):
    """Of the value of the closest rank below."""
    rng = np.random.default_rng(9)
    values = rng.lognormal(0, spread, 20_000) * rng.choice([1, 1, 1, -1], 20_000)
    frame = {"time": np.arange(20_000) * SECOND, "host": ["a", "b"] * 10_000, "v": values}
    ranked = np.sort(values)
    for state, db in each_state(tmp_path / "p.ky", lambda db: db.write("t", frame, tags="host")):
        for percent in (0, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100):
            got = db.sql(
                f"SELECT approx_percentile(v, {percent}), approx_quantile(v, {percent / 100!r}) "
                "FROM t"
            ).row(0)
            exact = ranked[int((len(ranked) - 1) * (percent / 100))]
            for value in got:
                assert abs(value - exact) <= 0.005 * abs(exact) + 1e-12, (state, percent)


def test_approximate_percentiles_of_infinities_and_nan():
    with table(v=[math.inf, 1.0, -math.inf, math.nan, 2.0]) as db:
        got = [
            db.sql(f"SELECT approx_percentile(v, {percent}) FROM t").item()
            for percent in (0, 25, 50, 75, 100)
        ]
        assert got[0] == -math.inf
        assert got[3] == math.inf
        assert math.isnan(got[4])
        assert got[1:3] == pytest.approx([1.0, 2.0], rel=0.005)


def test_moments_of_few_values():
    with table(a=[1.0, 3.0, 5.0, None], b=[2, 2, 2, 9], one=[None, 4.0, None, None]) as db:
        names = ("stddev", "stddev_pop", "variance", "var_pop")
        spread = db.sql(f"SELECT {', '.join(f'{name}(a)' for name in names)} FROM t").row(0)
        assert spread == pytest.approx((2.0, math.sqrt(8 / 3), 4.0, 8 / 3))
        assert db.sql("SELECT stddev(one), variance(one), stddev_pop(one) FROM t").row(0) == (
            None,
            None,
            0.0,
        )
        pairs = "corr(a, b), covar_samp(a, b), covar_pop(a, b), regr_slope(a, b), regr_slope(b, a)"
        assert db.sql(f"SELECT {pairs} FROM t").row(0) == (None, 0.0, 0.0, None, 0.0)
        with pytest.raises(ky.InvalidArgument):
            db.sql("SELECT corr(a) FROM t")


def test_sums_of_nothing_are_null_and_counts_zero():
    with table(v=[None, 1.0], n=[None, 1]) as db:
        text = "SELECT sum(v), avg(n), min(v), count(v), count(*), count(DISTINCT n) FROM t"
        assert db.sql(f"{text} WHERE v IS NULL").row(0) == (None, None, None, 0, 1, 0)
        assert db.sql(f"{text} WHERE false").row(0) == (None, None, None, 0, 0, 0)
        assert db.sql(f"{text} WHERE false GROUP BY 5m").is_empty()
        # A bucket whose rows have no value is a group all the same.
        assert db.sql("SELECT sum(v) AS s FROM t GROUP BY 1s ORDER BY time")["s"].to_list() == [
            None,
            1.0,
        ]


def test_types_of_aggregates():
    with table(v=[1.0], n=[1], up=[True], w=["q"]) as db:
        for call, dtype in [
            ("count(*)", pl.Int64),
            ("count(DISTINCT w)", pl.Int64),
            ("sum(n)", pl.Int64),
            ("sum(v)", pl.Float64),
            ("avg(n)", pl.Float64),
            ("median(n)", pl.Float64),
            ("max(n)", pl.Int64),
            ("first(up)", pl.Boolean),
            ("bool_and(up)", pl.Boolean),
            ("max(w)", pl.String),
            ("max(time)", pl.Datetime("ns", "UTC")),
            ("max(time) - min(time)", pl.Duration("ns")),
            ("count(*) / 2", pl.Float64),
            ("count(*) // 2", pl.Int64),
        ]:
            assert db.sql(f"SELECT {call} FROM t").dtypes == [dtype], call


def test_first_and_last_of_several_series(tmp_path):
    """By time; at one time by series, then arrival."""
    frame = metrics(np.random.default_rng(31), 600)

    def fill(db):
        for part in frame.iter_slices(200):
            db.write("t", part, tags=TAGS)

    some = frame.filter(pl.col("n").is_not_null())
    ordered = some.sort(["time", *TAGS], nulls_last=False, maintain_order=True)
    for state, db in each_state(tmp_path / "f.ky", fill):
        got = db.sql("SELECT first(n), last(n), last(n, time) FROM t").row(0)
        assert got == (ordered["n"][0], ordered["n"][-1], ordered["n"][-1]), state


@pytest.mark.parametrize("duplicates", ["keep", "last"])
def test_a_row_without_values_is_a_row(tmp_path, duplicates):
    """Which columns are asked for does not change which rows there are."""

    def fill(db):
        rows = {"time": [0, SECOND, 2 * SECOND], "host": ["a"] * 3, "v": [1.0, None, None]}
        db.write("t", rows | {"n": [1, 2, 3]}, tags="host", duplicates=duplicates)

    for state, db in each_state(tmp_path / "r.ky", fill):
        for text, values in [
            ("SELECT v FROM t ORDER BY time", [1.0, None, None]),
            ("SELECT v FROM t LATEST ON time PARTITION BY host", [None]),
            ("SELECT avg(v) AS v FROM t GROUP BY 1s ORDER BY time", [1.0, None, None]),
            ("SELECT avg(coalesce(v, 7)) AS v FROM t", [5.0]),
            ("SELECT count(*) AS v FROM t WHERE v IS NULL", [2]),
            ("SELECT max(v) AS v FROM t WHERE time > '1970-01-01' GROUP BY host", [None]),
            ("SELECT max(v) FILTER (WHERE n > 2) AS v FROM t GROUP BY host", [None]),
            ("SELECT count(v) AS v FROM t GROUP BY 2s STEP 1s ORDER BY time", [1, 1, 0, 0]),
        ]:
            assert db.sql(text).get_column("v").to_list() == values, (state, text)
