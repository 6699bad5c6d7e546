"""``ky.to_pandas``: the same rows with a DatetimeIndex, categories for tags, nulls kept apart."""

import subprocess
import sys
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kymograph as ky
from absent import without
from oracles import NS, generated, nanos, plain

TAGS = ["host", "dc"]


@pytest.fixture(scope="module")
def db():
    with ky.open() as database:
        database.write("t", generated(11, 700), tags=TAGS)
        yield database


def test_a_read_is_the_same_rows(db):
    frame = db.read("t")
    got = ky.to_pandas(frame)
    assert (got.index.name, str(got.index.dtype)) == ("time", "datetime64[ns, UTC]")
    assert got.index.asi8.tolist() == nanos(frame)
    assert got.columns.tolist() == frame.columns[1:]
    for name in (*TAGS, "n", "up", "word"):
        expected = frame[name].cast(pl.String) if name in TAGS else frame[name]
        values = [None if pd.isna(value) else value for value in got[name]]
        assert values == expected.to_list(), name
    for name in ("wild", "calm"):
        expected = frame[name].fill_null(float("nan")).to_numpy()
        assert np.array_equal(got[name].to_numpy(), expected, equal_nan=True), name
    kinds = {name: str(dtype) for name, dtype in got.dtypes.items()}
    assert kinds == dict.fromkeys(TAGS, "category") | {
        **dict.fromkeys(["wild", "calm"], "float64"),
        **{"n": "Int64", "up": "boolean", "word": "string"},
    }


def test_it_goes_back_in(db):
    with ky.open() as other:
        other.write("t", ky.to_pandas(db.read("t")), tags=TAGS)
        floats = pl.col("wild", "calm")
        expected = plain(db.read("t")).with_columns(floats.fill_null(float("nan")))
        assert plain(other.read("t")).equals(expected)


def test_aggregates_have_the_bucket_as_index(db):
    frame = db.aggregate("t", {"calm": ["mean", "count"]}, every="30m", by="host")
    got = ky.to_pandas(frame)
    assert got.index.asi8.tolist() == nanos(frame)
    assert str(got["calm_count"].dtype) == "int64"
    expected = frame.filter(pl.col("host") == "a")["calm_mean"].to_list()
    assert got[got["host"] == "a"]["calm_mean"].tolist() == expected
    assert got["calm_mean"].resample("1h").count().sum() == frame["calm_mean"].drop_nulls().len()


def test_without_time_rows_are_numbered(db):
    got = ky.to_pandas(db.aggregate("t", {"n": "sum"}, by="host"))
    assert got.index.tolist() == [0, 1, 2, 3]
    assert got.index.name is None
    series = ky.to_pandas(db.series("t"))
    assert str(series["first_time"].dtype) == "datetime64[ns, UTC]"


def test_categories_are_those_of_the_frame_in_order():
    pl.Series(["from", "another", "frame"], dtype=pl.Categorical)
    tags = pl.Series(["web", None, "db", "web"], dtype=pl.Categorical)
    got = ky.to_pandas(pl.DataFrame({"host": tags}))["host"]
    assert got.cat.categories.tolist() == ["db", "web"]
    assert got.cat.codes.tolist() == [1, -1, 0, 1]
    assert not got.cat.ordered
    sizes = pl.Series(["s", None, "l"], dtype=pl.Enum(["s", "m", "l"]))
    got = ky.to_pandas(pl.DataFrame({"size": sizes}))["size"]
    assert (got.cat.ordered, got.cat.categories.tolist()) == (True, ["s", "m", "l"])
    assert got.cat.codes.tolist() == [0, -1, 2]
    nothing = pl.Series([None, None], dtype=pl.Categorical)
    assert ky.to_pandas(pl.DataFrame({"host": nothing}))["host"].isna().all()


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Vienna"])
def test_times_of_any_unit_and_zone(unit, zone):
    stamps = pl.Series([datetime(2024, 7, 1, 12, tzinfo=UTC), None]).dt.cast_time_unit(unit)
    stamps = stamps.dt.convert_time_zone(zone) if zone else stamps.dt.replace_time_zone(None)
    got = ky.to_pandas(pl.DataFrame({"time": stamps, "also": stamps}))
    assert got.index.tolist() == [pd.Timestamp("2024-07-01T12:00Z"), pd.NaT]
    assert str(got.index.dtype) == "datetime64[ns, UTC]"
    assert str(got["also"].dtype) == f"datetime64[{unit}{', ' + zone if zone else ''}]"
    assert got["also"].iloc[0] == pd.Timestamp("2024-07-01T12:00", tz="UTC" if zone else None)
    assert got["also"].isna().tolist() == [False, True]


def test_whole_numbers_beyond_floats_stay_whole():
    large = [2**63 - 1, None, -(2**63)]
    got = ky.to_pandas(
        pl.DataFrame({"n": large, "u": pl.Series([2**64 - 1, None, 0], dtype=pl.UInt64)})
    )
    assert got["n"].tolist() == [2**63 - 1, pd.NA, -(2**63)]
    assert (str(got["u"].dtype), got["u"][0]) == ("UInt64", 2**64 - 1)


def test_types_that_queries_may_make():
    frame = pl.DataFrame(
        {
            "day": [date(2024, 2, 29), None],
            "took": pl.Series([1_500, None], dtype=pl.Duration("ms")),
            "list": [[1, 2], None],
            "wide": pl.Series([2**100, None], dtype=pl.Int128),
            "nothing": [None, None],
        }
    )
    got = ky.to_pandas(frame)
    assert got["day"][0] == pd.Timestamp("2024-02-29")
    assert got["took"][0] == pd.Timedelta("1.5s")
    assert got["list"].tolist() == [[1, 2], None]
    assert got["wide"].tolist() == [2**100, None]
    assert got.isna().iloc[1].all()


def test_lazy_empty_and_independent():
    frame = pl.DataFrame({"time": pl.Series([5], dtype=pl.Int64).cast(NS), "v": [1.0], "n": [None]})
    frame = frame.with_columns(pl.col("n").cast(pl.Int64))
    got = ky.to_pandas(frame.lazy())
    got.iloc[0, 0] = 7.0
    got.iloc[0, 1] = 8
    assert frame.row(0)[1:] == (1.0, None)
    assert ky.to_pandas(frame.clear()).shape == (0, 2)
    assert ky.to_pandas(frame.select("time")).shape == (1, 0)
    assert ky.to_pandas(pl.DataFrame({"time": [3], "v": [1]})).columns.tolist() == ["time", "v"]


@pytest.mark.parametrize("given", [{"a": [1]}, pl.Series([1]), None, pd.DataFrame({"a": [1]})])
def test_anything_else_is_refused(given):
    with pytest.raises(ky.InvalidArgument, match="to_pandas takes a Polars DataFrame"):
        ky.to_pandas(given)


def test_it_needs_pandas_and_no_pyarrow():
    code = (
        "import polars as pl, kymograph as ky\n"
        "tags = pl.Series(['a', None], dtype=pl.Categorical)\n"
        "frame = pl.DataFrame({'time': [1, 2], 'host': tags, 's': ['x', None], 'n': [None, 1]})\n"
        "frame = frame.with_columns(pl.col('time').cast(pl.Datetime('ns', 'UTC')))\n"
        "try: assert ky.to_pandas(frame).isna().sum().tolist() == [1, 1, 1]\n"
        "except ImportError as error: print(error)\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", without(missing) + code],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for missing in ("pyarrow", "pandas")
    ]
    assert told == ["", "to_pandas needs pandas: pip install kymograph[pandas]"]
