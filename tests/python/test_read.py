"""read, read_numpy and series: as filters of the frame that was written."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kymograph as ky
from oracles import MINUTE, NS, each_state, generated, in_order, plain

TAGS = ["host", "dc"]
FRAME = in_order(generated(21, 2_000), TAGS)


@pytest.fixture(scope="module")
def db():
    with ky.open() as database:
        shuffled = FRAME.with_row_index("row").sample(fraction=1, shuffle=True, seed=3)
        # Rows of one series and time keep the order of their arrival.
        database.write("t", shuffled.sort("row").drop("row"), tags=TAGS)
        database.flush()
        yield database


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        (None, pl.lit(True)),
        ({}, pl.lit(True)),
        ({"host": "a"}, pl.col("host") == "a"),
        ({"host": ["a", "c"]}, pl.col("host").is_in(["a", "c"])),
        ({"host": None}, pl.col("host").is_null()),
        (
            {"host": [None, "b"], "dc": "x"},
            (pl.col("host").is_null() | (pl.col("host") == "b")) & (pl.col("dc") == "x"),
        ),
        ({"host": []}, pl.lit(False)),
        ({"host": "nobody"}, pl.lit(False)),
    ],
)
@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (30 * MINUTE, None), (None, MINUTE), (MINUTE, 40 * MINUTE)]
)
def test_where_and_range(db, where, keep, start, end):
    ticks = pl.col("time").cast(pl.Int64)
    inside = (ticks >= (start or -(2**63))) & (ticks < (end or 2**63 - 1))
    expected = FRAME.filter(keep.fill_null(False), inside)
    got = db.read("t", where=where, start=start, end=end)
    assert plain(got).equals(expected)
    assert got.schema["time"] == NS
    assert got.schema["host"] == pl.Categorical
    for limit in (0, 1, 10, 10**6):
        few = db.read("t", where=where, start=start, end=end, limit=limit)
        assert plain(few).equals(expected.head(limit))
    for fields in ("n", ["word", "wild"]):
        some = db.read("t", fields, where, start, end)
        names = [fields] if isinstance(fields, str) else fields
        assert plain(some).equals(expected.select("time", *TAGS, *names))


@pytest.mark.parametrize(
    "moment",
    [
        "1970-01-01T00:30:00Z",
        "1970-01-01 01:30:00+01:00",
        datetime(1970, 1, 1, 0, 30),
        datetime(1970, 1, 1, 0, 30, tzinfo=UTC),
        np.datetime64("1970-01-01T00:30"),
        pd.Timestamp("1970-01-01T00:30Z"),
        30 * MINUTE,
        np.int64(30 * MINUTE),
    ],
    ids=repr,
)
def test_a_moment_however_it_is_said(db, moment):
    at = pl.col("time").cast(pl.Int64)
    assert db.read("t", start=moment).height == FRAME.filter(at >= 30 * MINUTE).height
    assert db.read("t", end=moment).height == FRAME.filter(at < 30 * MINUTE).height


def test_ranges_are_half_open(db):
    at = pl.col("time").cast(pl.Int64)
    here = FRAME.filter(at == 30 * MINUTE).height
    assert here > 0
    assert db.read("t", start=30 * MINUTE, end=30 * MINUTE + 1).height == here
    assert db.read("t", start=30 * MINUTE, end=30 * MINUTE).is_empty()


def test_an_empty_answer_has_the_columns_and_types(db):
    got = db.read("t", start="2030-01-01")
    assert got.is_empty()
    assert dict(got.schema) == dict(db.read("t").schema)


def test_numpy(tmp_path):
    with ky.open(tmp_path / "n.ky") as db:
        frame = {
            "time": [1, 2, 3],
            "host": ["a", "b", None],
            "f": [1.0, None, float("nan")],
            "n": [1, None, 3],
            "up": [None, True, False],
            "s": ["x", None, ""],
            "full": [1, 2, 3],
        }
        db.write("t", frame, tags="host")
        got = db.read_numpy("t")
        assert list(got) == ["time", "host", "f", "n", "up", "s", "full"]
        order = [2, 0, 1]  # the series without a host comes first
        assert got["time"].dtype == np.dtype("datetime64[ns]")
        assert got["time"].astype(np.int64).tolist() == [3, 1, 2]
        assert got["host"].tolist() == [None, "a", "b"]
        assert np.isnan(got["f"]).tolist() == [True, False, True]
        assert isinstance(got["n"], np.ma.MaskedArray)
        assert got["n"].tolist() == [3, 1, None]
        assert got["up"].tolist() == [False, None, True]
        assert got["s"].tolist() == ["", "x", None]
        assert type(got["full"]) is np.ndarray
        assert got["full"].tolist() == [frame["full"][i] for i in order]
        some = db.read_numpy("t", "full", where={"host": "b"})
        assert list(some) == ["time", "host", "full"]
        assert some["full"].tolist() == [2]


def test_series(tmp_path):
    def fill(db):
        db.write("t", FRAME, tags=TAGS)

    for _, db in each_state(tmp_path / "s.ky", fill):
        for where, keep in (({"dc": "x"}, pl.col("dc") == "x"), (None, pl.lit(True))):
            for start, end in ((None, None), (50 * MINUTE, 55 * MINUTE + 1)):
                at = pl.col("time").cast(pl.Int64)
                inside = (at >= (start or 0)) & (at < (end or 2**62))
                expected = (
                    FRAME.filter(keep, inside)
                    .group_by(TAGS, maintain_order=True)
                    .agg(
                        first_time=pl.col("time").min(),
                        last_time=pl.col("time").max(),
                        rows=pl.len().cast(pl.Int64),
                    )
                )
                assert plain(db.series("t", where, start, end)).equals(expected)


def test_schema_tables_and_stats(tmp_path):
    with ky.open(tmp_path / "m.ky") as db:
        assert db.tables() == []
        db.create_table("b", ["h"], {"v": "f64"}, duplicates="last", retention="30d")
        db.create_table("b", ["h"], {"v": "f64"}, duplicates="last", retention="30d")
        db.create_table("a")
        assert db.tables() == ["a", "b"]
        schema = db.schema("b")
        assert schema.retention == 30 * 86_400 * 10**9
        assert (schema.tags, schema.fields, schema.duplicates) == (["h"], {"v": "f64"}, "last")
        assert "duplicates: last" in schema._repr_html_()
        db.write("t", FRAME, tags=TAGS)
        assert db.stats().head_rows == FRAME.height
        db.flush()
        stats = db.stats()
        points = sum(FRAME[c].count() for c in FRAME.columns[3:])
        assert (stats.rows, stats.points, stats.tables) == (FRAME.height, points, 3)
        assert (stats.head_rows, stats.segments) == (0, 1)
        assert stats.series == FRAME.select(TAGS).n_unique()
        on_disk = sum(p.stat().st_size for p in (tmp_path / "m.ky").rglob("*.seg"))
        assert stats.bytes == on_disk
        assert stats.bits_per_value == pytest.approx(on_disk * 8 / points)
        assert sum(stats.codecs.values()) > 0
        told = stats.fields.filter(pl.col("field") != "time", table="t")
        assert dict(told.select("field", "points").rows()) == {
            c: FRAME[c].count() for c in FRAME.columns[3:]
        }
