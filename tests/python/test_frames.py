"""Frames of every library: the same rows, nulls and NaN apart, instants to the nanosecond."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absent import without
from kymograph._core import InvalidArgument
from kymograph.adapters import to_arrow_stream


def back(frame, **options):
    """What a reader of the stream gets."""
    return pl.DataFrame(pa.table(to_arrow_stream(frame, **options)))


FRAME = pl.DataFrame({"time": [1, 2], "host": ["a", None], "usage": [1.5, float("nan")]})


@pytest.mark.parametrize(
    "make",
    [
        lambda: FRAME,
        lambda: FRAME.lazy(),
        lambda: FRAME.to_arrow(),
        lambda: FRAME.to_arrow().to_batches()[0],
        lambda: pa.RecordBatchReader.from_batches(
            FRAME.to_arrow().schema, FRAME.to_arrow().to_batches()
        ),
        lambda: FRAME.to_dict(as_series=True),
        lambda: FRAME.to_dict(as_series=False),
        lambda: FRAME.to_dicts(),
        lambda: {
            "time": np.array([1, 2]),
            "host": np.array(["a", None], dtype=object),
            "usage": np.array([1.5, np.nan]),
        },
        lambda: pd.DataFrame({"time": [1, 2], "host": ["a", None], "usage": [1.5, np.nan]}),
    ],
)
def test_every_kind_carries_the_same_rows(make):
    got = back(make()).with_columns(pl.col("host").cast(pl.String))
    assert got.equals(FRAME, null_equal=True)
    assert got["usage"].null_count() == 0
    assert got["host"].null_count() == 1


def test_an_array_only_export_works():
    class Lone:
        def __init__(self, batch):
            self.batch = batch

        def __arrow_c_array__(self, requested_schema=None):
            return self.batch.__arrow_c_array__(requested_schema)

    assert back(Lone(FRAME.to_arrow().to_batches()[0])).equals(FRAME, null_equal=True)


@given(st.lists(st.floats(allow_nan=True, width=64)), st.data())
def test_floats_survive_bit_for_bit(values, data):
    array = np.array(values, dtype=np.float64)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    mask = mask.astype(bool)
    for frame in (
        {"x": np.ma.array(array, mask=mask)},
        pd.DataFrame({"x": array}),
        {"x": array.astype(">f8")},
        {"x": np.repeat(array, 2)[::2]},
    ):
        got = back(frame)["x"]
        masked = isinstance(frame, dict) and isinstance(frame["x"], np.ma.MaskedArray)
        keep = ~mask if masked else np.ones(len(array), dtype=bool)
        assert got.is_null().to_list() == (~keep).tolist()
        bits = got.drop_nulls().to_numpy().view(np.int64)
        assert (bits == array[keep].view(np.int64)).all()


@given(
    st.lists(st.integers(-(2**50), 2**50), min_size=1),
    st.sampled_from(["ns", "us", "ms", "s", "m", "h", "D", "10us"]),
)
def test_datetime64_of_any_unit(ticks, unit):
    per = {"ns": 1, "us": 10**3, "10us": 10**4, "ms": 10**6, "s": 10**9}.get(unit, 86400 * 10**9)
    array = np.array([t // per for t in ticks], dtype=np.int64).view(f"datetime64[{unit}]")
    array[0] = np.datetime64("NaT")
    got = back({"time": array})["time"].cast(pl.Datetime("ns")).cast(pl.Int64).to_list()
    nanos = array.astype("datetime64[ns]")
    assert got == [None, *nanos[1:].astype(np.int64).tolist()]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))))
def test_nullable_integers(values):
    frame = pd.DataFrame({"n": pd.array(values, dtype="Int64")})
    assert back(frame)["n"].to_list() == values
    assert back({"n": values})["n"].to_list() == values


@given(st.lists(st.one_of(st.none(), st.text())))
def test_text_in_every_pandas_dtype(values):
    for dtype in ("object", "string", "str", "category"):
        got = back(pd.DataFrame({"s": pd.Series(values, dtype=dtype)}))["s"].cast(pl.String)
        assert got.to_list() == values


def test_nullable_floats_and_booleans_of_pandas():
    frame = pd.DataFrame(
        {
            "f": pd.array([1.5, None], dtype="Float32"),
            "b": pd.array([True, None], dtype="boolean"),
            "u": pd.array([2**64 - 1, None], dtype="UInt64"),
            "c": pd.Categorical([10, None]),
            "arrow": pd.array([1, None], dtype="int64[pyarrow]"),
            "sparse": pd.arrays.SparseArray([0.0, 2.0]),
        }
    )
    assert back(frame).to_dicts() == [
        {"f": 1.5, "b": True, "u": 2**64 - 1, "c": 10, "arrow": 1, "sparse": 0.0},
        {"f": None, "b": None, "u": None, "c": None, "arrow": None, "sparse": 2.0},
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_pandas_times_zoned_or_not_in_index_or_column(unit):
    index = pd.DatetimeIndex(["2024-03-31 00:30", "2024-03-31 01:30"], tz="UTC").as_unit(unit)
    expected = index.as_unit("ns").asi8.tolist()
    for stamps in (index, index.tz_localize(None), index.tz_convert("Europe/Vienna")):
        for frame in (
            pd.DataFrame({"v": [1, 2]}, index=stamps),
            pd.DataFrame({"v": [1, 2]}, index=stamps.rename("when")).rename_axis("time"),
            pd.DataFrame({"v": [1, 2], "time": stamps}),
        ):
            got = back(frame)["time"].cast(pl.Datetime("ns")).cast(pl.Int64)
            assert got.to_list() == expected
    assert back(pd.DataFrame({"v": [1, 2]}, index=index), time="ts").columns == ["ts", "v"]
    multi = pd.DataFrame(
        {"v": [1, 2]}, index=pd.MultiIndex.from_arrays([index, ["a", "b"]], names=["time", "host"])
    )
    assert back(multi).columns == ["time", "host", "v"]


def test_pandas_objects_and_timestamps_keep_nanoseconds():
    stamp = pd.Timestamp("2024-01-01T00:00:00.123456789Z")
    frame = pd.DataFrame({"t": pd.Series([stamp, None], dtype=object), "x": [1, 2]})
    for same in (frame, {"t": [stamp, None], "x": [1, 2]}):
        assert back(same)["t"].cast(pl.Int64).to_list() == [stamp.value, None]


def test_lone_values_repeat():
    assert back({"time": [1, 2], "host": "a", "n": 3}).rows() == [(1, "a", 3), (2, "a", 3)]


def test_integers_among_floats_become_floats():
    assert back({"x": [1, 2.5, None]})["x"].to_list() == [1.0, 2.5, None]
    assert back([{"x": 1}, {"x": 2.5}, {}])["x"].to_list() == [1.0, 2.5, None]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "frame cannot be read: 5"),
        ([1, 2], "frame cannot be read"),
        (FRAME["time"], "frame cannot be read"),
        ({"a": [1], "b": [1, 2]}, "equally long"),
        ({"a": "lonely"}, "equally long"),
        ({"a": np.zeros((2, 2))}, "one dimension"),
        ({"a": np.array([1j])}, "complex"),
        ({"a": np.array([b"\xff"])}, "UTF-8"),
        ({"a": [1, "x"]}, "column 'a'"),
        ({"a": {1, 2}}, "column 'a'"),
        ({"a": np.array([1], dtype="datetime64[as]")}, "exactly"),
        ({"a": np.array([2**62], dtype="datetime64[s]")}, "exactly"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column 'a'"),
        (pd.DataFrame({"a": pd.period_range("2024", periods=2, freq="D")}), "column 'a'"),
    ],
)
def test_what_does_not_work_says_what_would(given, says):
    with pytest.raises(InvalidArgument, match=says):
        to_arrow_stream(given)


def test_pandas_needs_no_pyarrow():
    code = without("pyarrow") + (
        "import pandas as pd\n"
        "from kymograph.adapters import to_arrow_stream\n"
        # Before pandas 3 "str" is NumPy's, which has no missing values.
        "text = 'str' if pd.__version__ >= '3' else 'string'\n"
        "frame = pd.DataFrame({'s': pd.array(['a', None], dtype=text), 'x': [1.0, 2.0],\n"
        "    'c': pd.Categorical(['u', None]), 'n': pd.array([1, None], dtype='Int64')},\n"
        "    index=pd.date_range('2024', periods=2, tz='Europe/Paris'))\n"
        "assert to_arrow_stream(frame).null_count().row(0) == (0, 1, 0, 1, 1)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
