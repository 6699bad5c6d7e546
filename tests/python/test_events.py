"""Narrow lists of events, spread into fields with times of their own."""

import polars as pl
import pytest

import kymograph as ky
from kymograph.demo import network_and_disk
from oracles import MINUTE, each_state, nanos, plain

EVENTS = pl.DataFrame(
    {
        "timestamp": [1, 2, 2, 3, 1, 2],
        "node_id": ["a", "a", "a", "a", "b", "b"],
        "metric": ["cpu", "cpu", "io", "io", "io", "cpu"],
        "value": [1.0, 2.0, 20.0, None, 10.0, float("nan")],
    }
)


def test_metrics_become_fields(tmp_path):
    def fill(db):
        result = db.write_events(EVENTS, time="timestamp", tags=["node_id"])
        assert (result.rows, result.points) == (6, 5)

    for state, db in each_state(tmp_path / "e.ky", fill):
        assert db.tables() == ["events"]
        schema = db.schema("events")
        assert (schema.tags, schema.fields) == (["node_id"], {"cpu": "f64", "io": "f64"})
        got = plain(db.read("events"))
        assert nanos(got) == [1, 2, 1, 2]
        assert got["node_id"].to_list() == ["a", "a", "b", "b"]
        assert got["cpu"].to_list()[:3] == [1.0, 2.0, None], state
        assert got["cpu"].is_nan().to_list()[3]
        assert got["io"].to_list() == [None, 20.0, 10.0, None]
        # A metric's own rows only.
        assert nanos(db.read("events", "io", where={"node_id": "a"})) == [2]
        counts = db.aggregate("events", {"cpu": "count", "io": "count"}, by="node_id")
        assert plain(counts).rows() == [("a", 2, 1), ("b", 1, 1)]
        # A projection takes no row away: the lazy answer is the eager one.
        for columns in (["io"], ["cpu"], ["time"], ["node_id", "io"]):
            lazy = db.scan("events").select(columns).collect()
            assert plain(lazy).equals(got.select(columns)), (state, columns)
        assert db.scan("events").select(pl.len()).collect().item() == 4


def test_as_polars_pivots_the_demos_stream(tmp_path):
    frame = network_and_disk().with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    wide = frame.pivot(on="metric", index="time", values="value").sort("time")

    def fill(db):
        for part in frame.sample(fraction=1, shuffle=True, seed=2).iter_slices(2_000):
            db.write_events(part, time="time", table="traffic")

    for state, db in each_state(tmp_path / "e.ky", fill):
        got = db.read("traffic").select(wide.columns)
        assert got.equals(wide), state


def test_values_of_every_type_and_their_own_fields():
    with ky.open() as db:
        for metric, values in (("f", [1.5]), ("n", [2]), ("s", ["x"]), ("up", [True])):
            db.write_events({"time": [1], "metric": [metric], "value": values}, table="t")
        assert db.schema("t").fields == {"f": "f64", "n": "i64", "s": "str", "up": "bool"}
        assert db.read("t").drop("time").rows() == [(1.5, 2, "x", True)]
        with pytest.raises(ky.InvalidArgument, match='"n" holds i64'):
            db.write_events({"time": [1], "metric": ["n"], "value": ["text"]}, table="t")


def test_dictionary_metrics_and_large_lists():
    rows = 300_000
    frame = pl.DataFrame(
        {
            "time": pl.int_range(rows, eager=True) // 3 * MINUTE,
            "metric": pl.Series(["a", "b", "c"] * (rows // 3)).cast(pl.Categorical),
            "value": pl.int_range(rows, eager=True),
        }
    )
    with ky.open() as db:
        assert db.write_events(frame, table="t").points == rows
        got = db.read("t")
        assert got.height == rows // 3
        for at, metric in enumerate("abc"):
            assert got[metric].equals(pl.int_range(at, rows, 3, eager=True).alias(metric))


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"time": [1], "metric": [None], "value": [1.0]}, 'column "metric", row 0: null'),
        ({"time": [None], "metric": ["a"], "value": [1.0]}, 'column "time", row 0'),
        ({"time": [1], "metric": [""], "value": [1.0]}, 'column "metric", row 0'),
        ({"time": [1], "metric": ["x\ny"], "value": [1.0]}, 'column "metric", row 0'),
        ({"time": [1], "metric": ["a"], "value": [1.0], "more": [1]}, '"more"'),
        ({"time": [1], "metric": ["a"]}, 'value column "value"'),
        ({"at": [1], "metric": ["a"], "value": [1.0]}, 'time column "time".*"at"'),
    ],
)
def test_what_cannot_be_an_event(frame, says):
    frame = {
        name: pl.Series(v, dtype=pl.String if name == "metric" else None)
        for name, v in frame.items()
    }
    with ky.open() as db:
        with pytest.raises((ky.InvalidArgument, ky.NotFound), match=says):
            db.write_events(frame)
        assert db.tables() == []


def test_bad_events_are_skipped_and_told():
    frame = {"time": [1, None, 3], "metric": ["a", "a", None], "value": [1.0, 2.0, 3.0]}
    with ky.open() as db:
        result = db.write_events(frame, on_error="skip")
        assert (result.rows, result.skipped) == (1, 2)
        assert [(b.row, b.column) for b in result.bad_rows] == [(1, "time"), (2, "metric")]


def test_duplicate_events_all_count_or_the_last_wins():
    frame = {"time": [1, 1], "metric": ["a", "a"], "value": [1.0, 2.0]}
    with ky.open() as db:
        db.write_events(frame, table="keep")
        assert db.read("keep")["a"].to_list() == [1.0, 2.0]
        assert db.write_events(frame, table="last", duplicates="last").replaced == 1
        assert db.read("last")["a"].to_list() == [2.0]
