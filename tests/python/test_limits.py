"""``timeout`` and ``memory`` of every query: what stops, what it says, and nothing else stops."""

import numpy as np
import polars as pl
import pytest

import kymograph as ky

ROWS, HOSTS = 60_000, 100
PASSED = "deadline has passed"
BUDGET = "memory budget of {} bytes is used up"

VERBS = {
    "read": lambda db, **limits: db.read("t", **limits),
    "read_numpy": lambda db, **limits: db.read_numpy("t", **limits)["x"],
    "aggregate": lambda db, **limits: db.aggregate("t", {"x": "mean"}, **limits),
    "aggregate by": lambda db, **limits: db.aggregate("t", {"x": "p95"}, by="host", **limits),
    "aggregate every": lambda db, **limits: db.aggregate("t", {"x": "sum"}, every="1m", **limits),
    "aggregate fill": lambda db, **limits: db.aggregate(
        "t", {"x": "sum"}, every="1s", fill=0, start=0, end="1970-01-01T01:00:00Z", **limits
    ),
    "last": lambda db, **limits: db.last("t", **limits),
    "last by": lambda db, **limits: db.last("t", by=[], **limits),
    "sum": lambda db, **limits: db.sum("t", "x", **limits),
    "series": lambda db, **limits: db.series("t", **limits),
    "top_anomalies": lambda db, **limits: db.top_anomalies("t", "x", **limits),
    "correlate": lambda db, **limits: db.correlate("t", "x", "n", **limits),
    "correlate near": lambda db, **limits: db.correlate("t", "x", "n", tolerance="1s", **limits),
    "scan": lambda db, **limits: db.scan("t", **limits).collect(),
    "scan where": lambda db, **limits: (
        db.scan("t", **limits).filter(pl.col("host") < "5").collect()
    ),
    "scan streaming": lambda db, **limits: db.scan("t", **limits).collect(engine="streaming"),
}
# Its result is the table's list of series, which is in memory anyway.
HOLDS_NOTHING = {"series"}
LARGE_RESULTS = {"read", "read_numpy", "scan", "scan where", "scan streaming"}


@pytest.fixture(scope="module", params=["head", "flushed"])
def db(request):
    at = np.arange(ROWS)
    with ky.open() as database:
        frame = {
            "time": at // HOSTS * 10**9,
            "host": np.array([str(host) for host in range(HOSTS)])[at % HOSTS],
            "x": np.sqrt(at),
            "n": at,
        }
        for first in range(0, ROWS, 10_000):
            part = {name: values[first : first + 10_000] for name, values in frame.items()}
            database.write("t", part, tags=["host"])
        if request.param == "flushed":
            database.flush()
        yield database


def same(got, expected):
    if isinstance(got, pl.DataFrame):
        return got.equals(expected)
    return np.array_equal(got, expected)


@pytest.mark.parametrize("verb", VERBS)
def test_a_timeout_stops_the_query_and_only_that_one(db, verb):
    ask = VERBS[verb]
    expected = ask(db)
    for timeout in (0, 1e-9, "1ns"):
        with pytest.raises(ky.Cancelled, match=PASSED):
            ask(db, timeout=timeout)
        with pytest.raises(TimeoutError):
            ask(db, timeout=timeout)
    assert same(ask(db, timeout="1h"), expected)
    assert same(ask(db), expected)


@pytest.mark.parametrize("verb", VERBS)
def test_a_budget_stops_what_would_hold_more(db, verb):
    ask = VERBS[verb]
    expected = ask(db)
    if verb not in HOLDS_NOTHING:
        with pytest.raises(ky.LimitExceeded, match=BUDGET.format(1)):
            ask(db, memory=1)
        with pytest.raises(MemoryError):
            ask(db, memory="1B")
    if verb in LARGE_RESULTS:
        with pytest.raises(ky.LimitExceeded, match=BUDGET.format(100_000)):
            ask(db, memory="100kB")
    assert same(ask(db, memory="64MB"), expected)
    assert same(ask(db), expected)


def test_a_scan_keeps_its_limits_and_each_collect_its_own_time(db):
    lazy = db.scan("t", timeout=5, memory="1kB")
    for _ in range(2):
        with pytest.raises(ky.LimitExceeded, match=BUDGET.format(1000)):
            lazy.collect()
    small = db.scan("t", timeout=5, memory="10MB").filter(pl.col("host") == "7")
    assert small.collect().height == small.collect().height == ROWS // HOSTS
    with pytest.raises(ky.Cancelled, match=PASSED):
        db.scan("t", timeout=0).select(pl.len()).collect()


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": -1}, "timeout=-1 cannot be used; it is a positive number of seconds"),
        ({"timeout": float("nan")}, "timeout=nan cannot be used"),
        ({"memory": "lots"}, "memory takes bytes or text"),
    ],
)
def test_limits_that_are_none(db, limits, says):
    with pytest.raises(ky.InvalidArgument, match=says):
        db.scan("t", **limits)
    with pytest.raises(ky.InvalidArgument, match=says.replace("nan", "NaN")):
        db.read("t", **limits)
