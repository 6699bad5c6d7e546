"""The latest row of each group, as sorting and taking the last has it."""

import polars as pl
import pytest

import kymograph as ky
from oracles import MINUTE, each_state, generated, in_order, last_wins, plain

TAGS = ["host", "dc"]


def latest(rows, by):
    """The last row at the latest time, in the order of series and arrival."""
    ordered = in_order(rows, TAGS).sort("time", maintain_order=True)
    if not by:
        return ordered.tail(1)
    return (
        ordered.group_by(by, maintain_order=True)
        .tail(1)
        .sort(by, nulls_last=False)
        .select(rows.columns)
    )


@pytest.mark.parametrize("duplicates", ["keep", "last"])
def test_as_polars(tmp_path, duplicates):
    frame = generated(51)
    rows = frame if duplicates == "keep" else last_wins(frame, TAGS).select(frame.columns)

    def fill(db):
        for part in frame.iter_slices(900):
            db.write("t", part, tags=TAGS, duplicates=duplicates)

    for state, db in each_state(tmp_path / "l.ky", fill):
        for by in (None, ["host"], ["dc"], ["dc", "host"], []):
            got = plain(db.last("t", by=by))
            expected = latest(rows, TAGS if by is None else by)
            assert got.equals(expected.select(got.columns), null_equal=True), (state, by)
            some = plain(db.last("t", by=by, fields=["n", "word"]))
            assert some.equals(expected.select("time", *TAGS, "n", "word"))
        ticks = pl.col("time").cast(pl.Int64)
        part = rows.filter(ticks < 40 * MINUTE + 1, pl.col("host").is_null(), dc="y")
        got = plain(db.last("t", where={"host": None, "dc": "y"}, end=40 * MINUTE + 1))
        assert got.equals(latest(part, TAGS).select(got.columns))


def test_late_rows_deletes_and_nothing():
    with ky.open() as db:
        db.write("t", {"time": [5], "h": ["a"], "v": [5.0]}, tags="h")
        db.write("t", {"time": [3], "h": ["a"], "v": [3.0]}, tags="h")
        assert db.last("t")["v"].to_list() == [5.0]
        db.delete("t", start=4)
        assert db.last("t")["v"].to_list() == [3.0]
        assert db.last("t", end=3).is_empty()
        assert db.last("t", end=3).columns == ["time", "h", "v"]
        db.write("t", {"time": [9], "h": ["a"], "v": [None]}, tags="h")
        assert db.last("t")["v"].to_list() == [None]
        db.delete("t")
        assert db.last("t").is_empty()
