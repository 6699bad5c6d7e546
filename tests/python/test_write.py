"""Frames of every kind, times and fields of every type; what is kept, and what is refused."""

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kymograph as ky
from oracles import NS, bits, each_state, generated, in_order, nanos, plain

TIMES = [3_000_000_000, 1_000_000_000, 2_000_000_000]
BASE = pl.DataFrame(
    {
        "time": pl.Series(TIMES).cast(NS),
        "host": ["b", "a", None],
        "f": [1.5, float("nan"), None],
        "n": pl.Series([1, None, -3], dtype=pl.Int64),
        "up": [True, None, False],
        "s": ["x", None, ""],
    }
)


def with_tag(dtype):
    return BASE.with_columns(pl.col("host", "s").cast(dtype))


def as_pandas(**changes):
    columns = {
        "time": pd.to_datetime(TIMES, utc=True),
        "host": ["b", "a", None],
        "f": pd.array(np.array([1.5, np.nan, 0.0]), dtype="Float64"),
        "n": pd.array([1, None, -3], dtype="Int64"),
        "up": pd.array([True, None, False], dtype="boolean"),
        "s": ["x", None, ""],
    }
    frame = pd.DataFrame({**columns, **changes})
    # pandas' masked floats cannot say both NaN and null through a constructor.
    frame["f"] = pd.Series(pa.array([1.5, float("nan"), None]), dtype=pd.ArrowDtype(pa.float64()))
    return frame


def dictionary_table():
    table = BASE.to_arrow()
    host = pa.array(["b", "a", None]).dictionary_encode()
    return table.set_column(1, "host", host)


class Exporter:
    """Anything with ``__arrow_c_stream__``."""

    def __arrow_c_stream__(self, requested_schema=None):
        return BASE.__arrow_c_stream__(requested_schema)


KINDS = {
    "polars": lambda: BASE,
    "lazy": lambda: BASE.lazy(),
    "categorical": lambda: with_tag(pl.Categorical),
    "enum": lambda: with_tag(pl.Enum(["", "x", "a", "b"])),
    "chunked": lambda: pl.concat([BASE[:1], BASE[1:]], rechunk=False),
    "pandas": as_pandas,
    "pandas categorical": lambda: as_pandas(host=pd.Categorical(["b", "a", None])),
    "pandas zoned": lambda: as_pandas(
        time=pd.to_datetime(TIMES, utc=True).tz_convert("Asia/Tokyo")
    ),
    "pandas index": lambda: as_pandas().set_index("time"),
    "pandas unnamed index": lambda: as_pandas().set_index("time").rename_axis(None),
    "table": lambda: BASE.to_arrow(),
    "batch": lambda: BASE.to_arrow().combine_chunks().to_batches()[0],
    "reader": lambda: BASE.to_arrow().to_reader(1),
    "dictionary": dictionary_table,
    "exporter": Exporter,
    "dict of arrays": lambda: {
        "time": np.array(TIMES, dtype="datetime64[ns]"),
        "host": np.array(["b", "a", None], dtype=object),
        "f": np.ma.array([1.5, np.nan, 0.0], mask=[False, False, True]),
        "n": np.ma.array([1, 0, -3], mask=[False, True, False]),
        "up": np.ma.array([True, False, False], mask=[False, True, False]),
        "s": np.array(["x", None, ""], dtype=object),
    },
    "list of dicts": lambda: [
        {"time": TIMES[0], "host": "b", "f": 1.5, "n": 1, "up": True, "s": "x"},
        {"time": TIMES[1], "host": "a", "f": float("nan")},
        {"time": TIMES[2], "n": -3, "up": False, "s": "", "host": None},
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame(kind):
    with ky.open() as db:
        result = db.write("t", KINDS[kind](), tags=["host"])
        assert (result.rows, result.points, result.late, result.replaced) == (3, 8, 0, 0)
        got = plain(db.read("t"))
        assert got.equals(in_order(BASE, ["host"]).select(got.columns), null_equal=True)
        assert db.schema("t").fields == {"f": "f64", "n": "i64", "up": "bool", "s": "str"}
        assert got["f"].null_count() == 1
        assert got["f"].is_nan().sum() == 1


MOMENT = 1_704_067_200_000_000_000  # 2024-01-01


@pytest.mark.parametrize(
    "times",
    [
        pl.Series([MOMENT, MOMENT + 10**9]),
        pl.Series([MOMENT, MOMENT + 10**9], dtype=pl.UInt64),
        *(
            pl.Series([MOMENT, MOMENT + 10**9])
            .cast(pl.Datetime("ns", zone))
            .cast(pl.Datetime(unit, zone))
            for unit in ("ms", "us", "ns")
            for zone in (None, "UTC", "America/New_York")
        ),
        pa.array([MOMENT // 10**9, MOMENT // 10**9 + 1], pa.timestamp("s")),
        pa.array([MOMENT // 10**9, MOMENT // 10**9 + 1], pa.timestamp("s", "Europe/Vienna")),
        ["2024-01-01", "2024-01-01T00:00:01Z"],
        ["2024-01-01T01:00:00+01:00", "2023-12-31 19:00:01.000000000-05:00"],
        pl.Series(["2024-01-01", "2024-01-01T00:00:01"]).cast(pl.Categorical),
        [datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 1)],
        [
            datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            datetime(2024, 1, 1, 2, 0, 1, tzinfo=timezone(timedelta(hours=2))),
        ],
        np.array(["2024-01-01", "2024-01-01T00:00:01"], dtype="datetime64[s]"),
        [np.datetime64("2024-01-01"), np.datetime64("2024-01-01T00:00:01")],
        [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01T00:00:01")],
    ],
    ids=repr,
)
def test_every_type_of_time(times):
    with ky.open() as db:
        db.write("t", {"at": times, "v": [1, 2]}, time="at")
        got = db.read("t")
        assert nanos(got) == [MOMENT, MOMENT + 10**9]
        assert got.schema["time"] == NS


def test_days_are_times():
    with ky.open() as db:
        db.write("t", {"time": [date(2024, 1, 1), date(1969, 12, 31)], "v": [1, 2]})
        assert nanos(db.read("t")) == [-86_400 * 10**9, MOMENT]


@pytest.mark.parametrize(
    ("dtype", "values", "becomes"),
    [
        (pl.Float64, [1.5, -(2.0**1000)], "f64"),
        (pl.Float32, [1.5, 3.4e38], "f64"),
        (pl.Int64, [-(2**63), 2**63 - 1], "i64"),
        (pl.Int32, [-(2**31), 2**31 - 1], "i64"),
        (pl.Int16, [-(2**15), 2**15 - 1], "i64"),
        (pl.Int8, [-128, 127], "i64"),
        (pl.UInt8, [0, 255], "i64"),
        (pl.UInt16, [0, 2**16 - 1], "i64"),
        (pl.UInt32, [0, 2**32 - 1], "i64"),
        (pl.UInt64, [0, 2**63 - 1], "i64"),
        (pl.Boolean, [True, False], "bool"),
        (pl.String, ["", "é\x00\U0001f600" * 50], "str"),
        (pl.Categorical, ["a", "b"], "str"),
        (pl.Enum(["a", "b"]), ["a", "b"], "str"),
    ],
    ids=str,
)
def test_every_type_of_field(tmp_path, dtype, values, becomes):
    column = pl.Series("v", [*values, None], dtype=dtype)

    def fill(db):
        db.write("t", pl.DataFrame({"time": [1, 2, 3], "v": column}))
        assert db.schema("t").fields == {"v": becomes}

    plain_type = {"f64": pl.Float64, "i64": pl.Int64, "bool": pl.Boolean, "str": pl.String}[becomes]
    for state, db in each_state(tmp_path / "f.ky", fill):
        got = db.read("t")["v"]
        assert got.dtype == plain_type
        assert got.to_list() == column.cast(plain_type).to_list(), state


def test_float16_and_fixed_types_are_told_apart():
    with ky.open() as db:
        db.write("t", {"time": [1], "v": np.array([1.5], dtype=np.float16)})
        assert db.schema("t").fields == {"v": "f64"}
        for bad in (pl.Series([[1]]), pl.Series([b"x"]), pl.Series([timedelta(1)])):
            with pytest.raises(ky.InvalidArgument, match='column "w"'):
                db.write("t", {"time": [2], "w": bad})
        db.write("t", {"time": [2], "v": pl.Series([None], dtype=pl.Null)})
        assert db.read("t")["v"].to_list() == [1.5, None]


BITS = [
    0x0000000000000000,
    0x8000000000000000,  # -0.0
    0x7FF0000000000000,  # inf
    0xFFF0000000000000,
    0x7FF8000000000000,  # NaN
    0xFFF8000000000000,
    0x7FF80000DEADBEEF,  # a quiet NaN with a payload
    0x7FF0000000000001,  # a signalling one
    0x0000000000000001,  # the least subnormal
    0x000FFFFFFFFFFFFF,
    0x7FEFFFFFFFFFFFFF,
    None,
]


@pytest.mark.parametrize("rows", [12, 5_000, 300_000], ids=["head", "blocks", "direct"])
def test_floats_survive_bit_for_bit(tmp_path, rows):
    wanted = [BITS[(row * 7) % 12] for row in range(rows)]
    raw = np.array([0 if v is None else v for v in wanted], dtype=np.uint64).view(np.float64)
    column = np.ma.array(raw, mask=[v is None for v in wanted])

    def fill(db):
        db.write("t", {"time": np.arange(rows), "v": column})

    for state, db in each_state(tmp_path / "b.ky", fill):
        assert bits(db.read("t")["v"]) == wanted, state
        assert bits(db.scan("t").select("v").collect()["v"]) == wanted
        assert db.aggregate("t", {"v": "count"})["v_count"][0] == rows - wanted.count(None)


def test_all_rows_come_back_however_late(tmp_path):
    frame = generated(11)
    expected = in_order(frame, ["host", "dc"])
    parts = list(frame.iter_slices(500))

    def fill(db):
        newest = {}
        for part in parts:
            result = db.write("t", part, tags=["host", "dc"])
            keys = list(zip(part["host"], part["dc"], nanos(part), strict=True))
            late = sum(t < newest.get((h, d), t) for h, d, t in keys)
            for h, d, t in keys:
                newest[h, d] = max(t, newest.get((h, d), t))
            points = sum(part.height - part[c].null_count() for c in part.columns[3:])
            assert (result.rows, result.points, result.late) == (part.height, points, late)
            assert (result.replaced, result.skipped, result.bad_rows) == (0, 0, [])

    for state, db in each_state(tmp_path / "l.ky", fill):
        assert plain(db.read("t")).equals(expected), state
        series = plain(db.series("t"))
        by = expected.group_by("host", "dc", maintain_order=True)
        times = {"first_time": pl.col("time").min(), "last_time": pl.col("time").max()}
        assert series.equals(by.agg(**times, rows=pl.len().cast(pl.Int64)))


def test_a_table_grows_fields_and_tags():
    with ky.open() as db:
        db.write("t", {"time": [1], "host": ["a"], "v": [1.0]}, tags="host")
        db.write("t", {"time": [2], "host": ["a"], "w": ["x"]}, tags="host")
        db.write("t", {"time": [3], "host": ["a"], "dc": ["z"], "v": [3.0]}, tags=["dc"])
        for _ in range(2):
            got = plain(db.read("t")).drop("time").sort("v", "w", nulls_last=True)
            assert got.rows() == [
                ("a", None, 1.0, None),
                ("a", "z", 3.0, None),
                ("a", None, None, "x"),
            ]
            db.compact()
        schema = db.schema("t")
        assert (schema.tags, schema.fields) == (["host", "dc"], {"v": "f64", "w": "str"})
        assert db.series("t").height == 2


@pytest.mark.parametrize(
    ("frame", "column", "row", "says"),
    [
        ({"time": [1, None], "v": [1.0, 2.0]}, "time", 1, "null is no time"),
        ({"time": ["2024-01-01", "yesterday"], "v": [1.0, 2.0]}, "time", 1, "yesterday"),
        (
            {"time": pl.Series([0, 2**60]).cast(pl.Datetime("ms")), "v": [1.0, 2.0]},
            "time",
            1,
            "1677-09-21",
        ),
        ({"time": [1, 2], "n": pl.Series([1, 2**63], dtype=pl.UInt64)}, "n", 1, "greatest i64"),
        ({"time": [1, 2], "n": [1.0, 2.5]}, "n", 1, "2.5 is no i64"),
        ({"time": [1, 2], "v": [1, 2**53 + 1]}, "v", 1, "no exact f64"),
    ],
    ids=["null", "text", "far", "uint64", "fraction", "inexact"],
)
def test_bad_rows_raise_and_nothing_is_kept_or_are_skipped(frame, column, row, says):
    with ky.open() as db:
        db.create_table("t", fields={"v": "f64", "n": "i64"})
        with pytest.raises(ky.InvalidArgument, match=rf'column "{column}", row {row}: .*{says}'):
            db.write("t", frame)
        assert db.read("t").is_empty()
        result = db.write("t", frame, on_error="skip")
        assert (result.rows, result.points, result.skipped) == (1, 1, 1)
        assert [(bad.row, bad.column) for bad in result.bad_rows] == [(row, column)]
        assert says in result.bad_rows[0].why
        assert db.read("t").height == 1


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    ("frame", "tags", "says"),
    [
        ({"time": [1], "host": [5], "v": [1.0]}, ["host"], 'tag column "host".*Int64'),
        ({"time": [1], "v": [[1.0]]}, [], 'column "v".*List'),
        ({"time": [1.5], "v": [1.0]}, [], 'time column "time".*Float64'),
        ({"time": [True], "v": [1.0]}, [], 'time column "time".*Boolean'),
        ({"time": [1], "v": ["a"]}, [], 'field "v" holds f64'),
        ({"time": [1]}, [], "no field"),
        ({"time": [1], "v": [1.0]}, ["time"], "both the time and a tag"),
    ],
)
def test_columns_that_cannot_be_stored(frame, tags, says, on_error):
    with ky.open() as db:
        db.create_table("t", tags=["host"], fields={"v": "f64"})
        version = db.version
        with pytest.raises(ky.InvalidArgument, match=says):
            db.write("t", frame, tags=tags, on_error=on_error)
        assert db.version == version
        assert db.read("t").is_empty()


def test_an_error_makes_no_table():
    with ky.open() as db:
        with pytest.raises(ky.InvalidArgument):
            db.write("t", {"time": [1, None], "v": [1.0, 2.0]})
        assert db.tables() == []


def test_only_the_first_thousand_bad_rows_are_told():
    with ky.open() as db:
        times = [None if row % 2 else row for row in range(5_000)]
        result = db.write("t", {"time": times, "v": [1.0] * 5_000}, on_error="skip")
        assert (result.rows, result.skipped) == (2_500, 2_500)
        assert [bad.row for bad in result.bad_rows] == list(range(1, 2_000, 2))


def test_empty_frames_write_nothing():
    with ky.open() as db:
        result = db.write("t", BASE.clear(), tags=["host"])
        assert (result.rows, result.points) == (0, 0)
        db.write("u", BASE, tags=["host"])
        before = db.read("u")
        assert db.write("u", BASE.clear(), tags=["host"]).rows == 0
        assert db.read("u").equals(before, null_equal=True)


def test_every_null_is_a_row_without_points():
    with ky.open() as db:
        db.write("t", {"time": [1, 2], "v": pl.Series([None, None], dtype=pl.Float64)})
        for step in (db.flush, db.compact, lambda: None):
            assert db.read("t")["v"].to_list() == [None, None]
            assert db.aggregate("t", {"v": ["count", "mean"]}).rows() == [(0, None)]
            assert db.sum("t", "v") is None
            step()


def test_columns_of_nothing_but_null():
    nothing = [None, None]
    with ky.open() as db:
        frame = {"time": [1, 2], "host": nothing, "v": [1.0, 2.0], "w": nothing}
        for each in (frame, pl.DataFrame(frame), pl.DataFrame(frame).to_arrow()):
            db.write("t", each, tags="host")
            # It has no type, so it makes no field.
            assert db.schema("t").fields == {"v": "f64"}
        db.write("t", {"time": [3], "host": ["a"], "v": [None]})
        assert db.read("t", where={"host": "a"})["v"].to_list() == [None]
        assert db.read("t").height == 7
        for bad in ({"time": nothing, "v": [1.0, 2.0]}, pl.DataFrame({"time": nothing, "v": 1})):
            with pytest.raises(ky.InvalidArgument, match='column "time", row 0: null is no time'):
                db.write("u", bad)
        with pytest.raises(ky.InvalidArgument, match="no field"):
            db.write("u", {"time": [1, 2], "w": nothing})
        assert db.tables() == ["t"]
        events = {"time": [1, 2], "metric": ["a", "b"], "value": nothing}
        assert db.write_events(events, table="t").points == 0
