"""duplicates="last": replays change nothing, what is replaced is counted, partial rows merge."""

import polars as pl
import pytest

import kymograph as ky
from oracles import each_state, generated, in_order, last_wins, nanos, plain

TAGS = ["host", "dc"]


@pytest.mark.parametrize("large", [False, True])
def test_replays_are_idempotent(tmp_path, large):
    frame = generated(2, 2_000)
    if large:
        frame = pl.concat([frame] * 30)
    merged = in_order(last_wins(frame, TAGS), TAGS)
    points = sum(merged[c].count() for c in frame.columns[3:])
    written = sum(frame[c].count() for c in frame.columns[3:])

    def fill(db):
        first = db.write("t", frame, tags=TAGS, duplicates="last")
        assert (first.points, first.replaced) == (written, written - points)
        again = db.write("t", frame, tags=TAGS)
        assert again.replaced == written
        db.flush()
        assert db.write("t", frame, tags=TAGS).replaced == written

    for state, db in each_state(tmp_path / "r.ky", fill):
        got = plain(db.read("t"))
        assert got.equals(merged.select(got.columns)), state
        assert db.sum("t", "n") == merged["n"].sum()
        assert db.series("t")["rows"].sum() == merged.height


def test_the_last_write_wins_wherever_the_first_one_lies():
    steps = ("none", "flush", "compact", "snapshot")
    for between in steps:
        for after in steps:
            with ky.open() as db:
                db.write("t", {"time": [1, 2], "v": [1.0, 2.0]}, duplicates="last")
                kept = getattr(db, between)() if between != "none" else None
                result = db.write("t", {"time": [2, 3], "v": [20.0, 30.0]})
                assert result.replaced == 1
                also = getattr(db, after)() if after != "none" else None
                assert db.read("t")["v"].to_list() == [1.0, 20.0, 30.0], (between, after)
                assert db.aggregate("t", {"v": ["sum", "count", "last"]}).row(0) == (51.0, 3, 30.0)
                assert db.sum("t", "v", start=2) == 50.0
                assert db.last("t")["v"].to_list() == [30.0]
                # What was taken before the second write still has the first one's value.
                if between == "snapshot":
                    assert kept.read("t")["v"].to_list() == [1.0, 2.0]
                if after == "snapshot":
                    assert also.read("t")["v"].to_list() == [1.0, 20.0, 30.0]


def test_partial_rows_merge_and_null_replaces_nothing(tmp_path):
    def fill(db):
        db.create_table("t", fields={"a": "f64", "b": "i64"}, duplicates="last")
        db.write("t", {"time": [1, 2], "a": [1.0, 2.0], "b": [10, 20]})
        assert db.write("t", {"time": [1], "b": [11]}).replaced == 1
        frame = pl.DataFrame(
            {"time": [2], "a": [None], "b": [22]}, schema_overrides={"a": pl.Float64}
        )
        assert db.write("t", frame).replaced == 1
        assert db.write("t", {"time": [3], "a": [float("nan")]}).replaced == 0
        assert db.write("t", {"time": [3], "b": [33]}).replaced == 0

    for state, db in each_state(tmp_path / "p.ky", fill):
        got = db.read("t")
        assert nanos(got) == [1, 2, 3]
        assert got["a"].to_list()[:2] == [1.0, 2.0], state
        assert got["a"].is_nan().to_list() == [False, False, True]
        assert got["b"].to_list() == [11, 22, 33]


def test_a_nan_replaces():
    with ky.open() as db:
        db.write("t", {"time": [1], "v": [1.0]}, duplicates="last")
        assert db.write("t", {"time": [1], "v": [float("nan")]}).replaced == 1
        assert db.read("t")["v"].is_nan().to_list() == [True]


def test_keep_counts_all(tmp_path):
    def fill(db):
        for _ in range(3):
            assert db.write("t", {"time": [1, 1], "v": [1.0, 2.0]}).replaced == 0

    for _, db in each_state(tmp_path / "k.ky", fill):
        assert db.read("t")["v"].to_list() == [1.0, 2.0] * 3
        assert db.aggregate("t", {"v": ["count", "sum"]}).row(0) == (6, 9.0)


def test_a_series_is_all_its_tags():
    with ky.open() as db:
        frame = {"time": [1, 1, 1], "h": ["a", "b", None], "v": [1.0, 2.0, 3.0]}
        assert db.write("t", frame, tags="h", duplicates="last").replaced == 0
        assert db.read("t").height == 3


def test_answers_do_not_depend_on_which_writes_were_merged():
    with ky.open() as db:
        db.create_table("t", fields={"f": "f64", "n": "i64"}, duplicates="last")
        db.write("t", {"time": [1], "f": [1.0]})
        db.flush()
        db.write("t", {"time": [2], "f": [2.0], "n": [2]})
        db.write("t", {"time": [3], "f": [3.0]})
        db.flush()

        def answers():
            return (
                db.read("t", "n").rows(),
                db.aggregate("t", {"n": "count"}, every=1).rows(),
                db.last("t", fields="n")["n"].to_list(),
                db.last("t")["f"].to_list(),
                db.read("t").height,
            )

        before = answers()
        db.compact()
        assert answers() == before
        assert [row[-1] for row in before[0]] == [2]
        assert [row[-1] for row in before[1]] == [1]
        assert before[2:] == ([2], [3.0], 3)


def test_a_large_write_comes_after_rows_in_memory():
    with ky.open() as db:
        db.write("t", {"time": [1], "v": [1.0]})
        db.write("t", {"time": [1] * 300_000, "v": [2.0] * 300_000})
        ends = db.aggregate("t", {"v": ["first", "last"]})
        assert ends.row(0) == (1.0, 2.0)
