"""The assertions on data pass on good data and name what is wrong with bad data."""

import polars as pl
import pytest

import kymograph as ky
from kymograph.testing import assert_between, assert_fresh, assert_no_gaps, assert_no_nulls

MINUTE = 60 * 10**9


@pytest.fixture
def db():
    minutes = [0, 1, 2, 3, 0, 1, 4, 5]
    with ky.open() as database:
        database.write(
            "cpu",
            {
                "time": pl.from_epoch(pl.Series([m * MINUTE for m in minutes]), "ns"),
                "host": ["a"] * 4 + ["b"] * 4,
                "usage": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 200.0],
                "io": [1, 2, 3, 4, 5, None, 7, 8],
            },
            tags=["host"],
        )
        yield database


def test_gaps(db):
    assert_no_gaps(db, "cpu", "1m", where={"host": ["a"]})
    assert_no_gaps(db, "cpu", "3m")
    with pytest.raises(AssertionError, match=r"(?s)1 gaps longer than 1m.*host=b.*00:01.*00:04"):
        assert_no_gaps(db, "cpu", "1m")


def test_freshness(db):
    assert_fresh(db, "cpu", "5m", now=5 * MINUTE)
    with pytest.raises(AssertionError, match=r"(?s)1 of 2 series.*host=a"):
        assert_fresh(db, "cpu", "1m", now=5 * MINUTE)
    with pytest.raises(AssertionError, match="2 of 2"):
        assert_fresh(db, "cpu", "1h")


def test_bounds(db):
    assert_between(db, "cpu", "usage", 0, 200)
    assert_between(db, "cpu", "usage", hi=100, end=5 * MINUTE)
    with pytest.raises(AssertionError, match=r"(?s)1 of 8 values outside \[0, 100\].*200"):
        assert_between(db, "cpu", "usage", 0, 100)
    db.write("cpu", {"time": [9 * MINUTE], "host": ["a"], "usage": [float("nan")]}, tags=["host"])
    with pytest.raises(AssertionError, match="nan"):
        assert_between(db, "cpu", "usage", 0, 200)


def test_nulls(db):
    assert_no_nulls(db, "cpu", "usage")
    with pytest.raises(AssertionError, match=r"(?s)1 of 8 rows.*no io at"):
        assert_no_nulls(db, "cpu")


def test_no_rows_prove_nothing(db):
    with pytest.raises(AssertionError, match="no rows"):
        assert_between(db, "cpu", "usage", 0, 1, start="2030-01-01")
