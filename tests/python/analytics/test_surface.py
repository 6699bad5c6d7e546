"""Every analysis gives the same answer three ways: of arrays, as a database's verb, in SQL."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kymograph as ky
from kymograph import _core, analytics

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 240
FIELDS = ("usage", "io", "steal")


def series(seed):
    """Hours of three fields with a daily season, a gap of a day, and values that are missing."""
    random = np.random.default_rng(seed)
    hours = np.r_[0:100, 124 : ROWS + 24]
    noise = random.normal(size=(3, ROWS))
    usage = 50 + 10 * np.sin(hours * 2 * np.pi / 24) + noise[0]
    usage[150] += 40
    io = 0.5 * np.roll(usage, 1) + noise[1]
    steal = noise[2] + 0.1 * io
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(hours=int(hour)) for hour in hours],
            "usage": usage,
            "io": io,
            "steal": steal,
        }
    ).with_columns(pl.col("time").dt.cast_time_unit("ns"))
    missing = pl.int_range(pl.len()).is_in([40, 41, 170])
    return frame.with_columns(pl.when(~missing).then(pl.col("usage")).alias("usage"))


SERIES = {host: series(seed) for seed, host in enumerate("ab")}

# Fields and options of one call of every analysis; a new one has to be added here.
CALLS = {
    "detect": (1, {"method": "zscore", "threshold": 0.4}),
    "isolation_forest": (2, {"trees": 20, "seed": 3}),
    "rolling": (1, {"window": 24, "statistic": ["median", "mad"]}),
    "forecast": (
        1,
        {"horizon": 6, "method": "seasonal_naive", "seasons": [24], "levels": [80, 95]},
    ),
    "backtest": (1, {"horizon": 6, "methods": ["naive", "seasonal_naive"], "seasons": [24]}),
    "decompose": (1, {"seasons": [24], "robust": False}),
    "seasons": (1, {}),
    "trend": (1, {"alpha": 0.1}),
    "changepoints": (1, {"method": "pelt", "cost": "l2", "penalty": 50.0}),
    "matrix_profile": (1, {"window": 24}),
    "motifs": (1, {"window": 24, "k": 2}),
    "discords": (1, {"window": 24, "k": 2}),
    "search": (1, {"query": [float(np.sin(i / 4)) for i in range(24)], "measure": "z", "k": 3}),
    "features": (1, {}),
    "classify": (1, {"labels": ["calm", "wild"], "features": 168}),
    "regress": (2, {"lags": [0, 1]}),
    "correlate": (2, {"method": "spearman"}),
    "cross_correlate": (2, {"max_lag": 5}),
    "correlation_matrix": (2, {"method": "spearman"}),
    "granger": (2, {"lags": 2}),
    "partial_correlation": (3, {}),
    "causal_graph": (2, {"max_lag": 2, "alpha": 0.05}),
}
# These take the fields one by one.
PAIRS = {"correlate", "cross_correlate"}


@pytest.fixture(scope="module")
def db():
    with ky.open() as db:
        for host, frame in SERIES.items():
            tagged = frame.with_columns(host=pl.lit(host), room=pl.lit("r" + host))
            db.write("cpu", tagged, tags=["host", "room"])
        yield db


def in_sql(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(in_sql(one) for one in value) + "]"
    return "NULL" if value is None else str(value)


def of_arrays(name, fields, options):
    values = [{field: frame[field] for field in fields} for frame in SERIES.values()]
    times = [frame["time"] for frame in SERIES.values()]
    return getattr(analytics, name)(values, times, **options)


def as_verb(db, name, fields, options):
    asked = fields if name in PAIRS else [fields[0] if len(fields) == 1 else fields]
    return getattr(db, name)("cpu", *asked, by="host", **options)


def in_language(db, name, fields, options):
    given = "".join(f", {key} => {in_sql(value)}" for key, value in options.items())
    return db.sql(f"SELECT * FROM {name}(cpu, {', '.join(fields)}, by => host{given})")


def test_every_analysis_is_in_the_table_and_in_python():
    known = {name for name, _, _ in _core.analyses()}
    assert known, "there are no analyses"
    assert known <= set(CALLS), f"no entry for {known - set(CALLS)}"
    for name in known:
        assert callable(getattr(analytics, name)), name
        assert callable(getattr(ky.Database, name)), name
        assert name in analytics.__all__


@pytest.mark.parametrize("name", [name for name, _, _ in _core.analyses()])
def test_three_ways_give_one_answer(db, name):
    count, options = CALLS[name]
    fields = list(FIELDS[:count])
    verb = as_verb(db, name, fields, options)
    assert verb.height > 0
    assert_frame_equal(in_language(db, name, fields, options), verb)
    arrays = of_arrays(name, fields, options)
    places = {"host": "series", "a_host": "a_series", "b_host": "b_series"}
    named = verb.rename({tag: place for tag, place in places.items() if tag in verb.columns})
    hosts = {host: place for place, host in enumerate(SERIES)}
    marks = [
        pl.col(place).cast(pl.String).replace_strict(hosts, return_dtype=pl.Int64)
        for place in places.values()
        if place in named.columns
    ]
    assert_frame_equal(arrays, named.with_columns(marks))


@pytest.mark.parametrize("name", [name for name, _, _ in _core.analyses()])
def test_nothing_raises_on_a_gap_or_on_nothing(db, name):
    count, options = CALLS[name]
    fields = list(FIELDS[:count])
    asked = fields if name in PAIRS else [fields[0] if count == 1 else fields]
    nobody = {"where": {"host": "nobody"}, **options}
    assert getattr(db, name)("cpu", *asked, **nobody).height == 0
    for values in ([], [1.0], [None, None, None], [1.0] * 50):
        given = {field: pl.Series(values, dtype=pl.Float64) for field in fields}
        # Too little to go on may be an error that says so; it is never a broken invariant.
        with contextlib.suppress(ky.InvalidArgument, ky.NotFound):
            getattr(analytics, name)(given, **options)


def test_rows_of_a_group_are_merged_in_the_order_of_their_times(db):
    merged = db.detect("cpu", "usage", by=[], method="zscore")
    assert merged.columns[:2] == ["time", "value"]
    assert merged["time"].is_sorted()
    alone = db.detect("cpu", "usage", method="zscore")
    assert alone.columns[:3] == ["time", "host", "room"]
    # A value that was written as null is a row whose value is missing.
    assert merged.height == alone.height == 2 * ROWS
    both = pl.concat([f.with_columns(host=pl.lit(h)) for h, f in SERIES.items()])
    both = both.sort("time", "host", maintain_order=True)
    assert merged["value"].to_list() == both["usage"].to_list()
    of_one = db.detect("cpu", "usage", where={"host": "b"}, by="room", method="zscore")
    assert of_one["room"].unique().to_list() == ["rb"]
    kept = alone.filter(pl.col("host").cast(pl.String) == "b")
    assert_frame_equal(of_one.drop("room"), kept.drop("host", "room"))


def test_every_makes_means_of_buckets_and_a_bucket_without_rows_is_a_gap(db):
    found = db.detect("cpu", "usage", by="host", every="6h", method="zscore")
    means = db.aggregate("cpu", {"usage": "mean"}, every="6h", by="host")
    assert found["value"].to_list() == means["usage_mean"].to_list()
    assert found["time"].to_list() == means["time"].to_list()
    steps = set(found.filter(pl.col("host") == "a")["time"].diff().drop_nulls())
    assert len(steps) > 1, "the gap was filled"


def test_range_and_condition_pick_rows(db):
    start, end = START + timedelta(hours=10), START + timedelta(hours=60)
    options = {"method": "zscore", "filter": "usage < $most", "params": {"most": 55.0}}
    found = db.detect("cpu", "usage", by="host", start=start, end=end, **options)
    rows = db.read("cpu", "usage", start=start, end=end, filter="usage < 55.0")
    assert found["value"].to_list() == rows["usage"].to_list()
    told = db.sql(
        "DETECT ANOMALIES IN usage FROM cpu WHERE usage < $most USING zscore BY host "
        "SINCE '2026-01-01T10:00' UNTIL '2026-01-03T12:00'",
        {"most": 55.0},
    )
    assert_frame_equal(told, found)


def test_an_alert_marks_rows(db):
    marked = db.detect("cpu", "usage", method="zscore", alert="score > 0.6 AND host = 'a'")
    wanted = (marked["score"] > 0.6).fill_null(False) & (marked["host"].cast(pl.String) == "a")
    assert marked["alert"].to_list() == wanted.to_list()
    assert 0 < marked["alert"].sum() < marked.height
    text = "DETECT ANOMALIES IN usage FROM cpu USING zscore ALERT ON score > 0.6 AND host = 'a'"
    assert_frame_equal(db.sql(text), marked)
    with pytest.raises(ky.InvalidArgument, match="scor"):
        db.detect("cpu", "usage", method="zscore", alert="scor > 1")


def test_statements_stand_in_queries_of_polars(db):
    text = """
        WITH odd AS (DETECT ANOMALIES IN usage FROM cpu USING zscore BY host ALERT ON score > 0.6)
        SELECT host, count(*) AS n FROM odd WHERE alert GROUP BY host ORDER BY host
    """
    marked = db.detect("cpu", "usage", by="host", method="zscore", alert="score > 0.6")
    wanted = marked.filter("alert").group_by("host").len("n").sort(pl.col("host").cast(pl.String))
    found = db.sql(text)
    assert found.rows() == wanted.rows()
    text = "SELECT max(score) AS top FROM (DETECT ANOMALIES IN usage FROM cpu USING zscore) AS d"
    assert db.sql(text)["top"].item() == marked["score"].max()
    text = """
        SELECT f.time, f.mean, c.usage FROM (
            FORECAST usage FROM cpu WHERE host = 'a' AND time < '2026-01-04' USING naive FOR 3h
        ) AS f JOIN cpu AS c ON c.time = f.time WHERE c.host = 'a' ORDER BY f.time
    """
    joined = db.sql(text)
    assert joined.height == 3
    assert joined["mean"].n_unique() == 1
    both = db.sql(
        "FORECAST usage FROM cpu USING naive FOR 2 BY host UNION ALL "
        "FORECAST usage FROM cpu USING naive FOR 2 BY host"
    )
    assert both.height == 8
    top = db.sql("DETECT ANOMALIES IN usage FROM cpu USING zscore ORDER BY score DESC LIMIT 2")
    assert top["score"].to_list() == marked["score"].drop_nulls().top_k(2).to_list()


def test_explain_tells_the_analysis_and_what_is_read(db):
    plan = db.sql("EXPLAIN FORECAST usage FROM cpu WHERE host = 'a' USING naive FOR 3h BY room")
    text = "\n".join(plan["plan"])
    for part in ("forecast cpu", "by room", "method = 'naive'", "host in a", "1 of 2", "blocks"):
        assert part in text, text
    text = "EXPLAIN ANALYZE DETECT ANOMALIES IN usage FROM cpu USING zscore EVERY 1h"
    lines = "\n".join(db.sql(text)["plan"])
    assert "took" in lines
    assert "buckets" in lines


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda db: db.detect("cpu", "usage", method="zscor"), '"zscore"'),
        (lambda db: db.detect("cpu", "usage", method="zscore", windw=5), "windw"),
        (lambda db: db.detect("cpu", "usge", method="zscore"), '"usage"'),
        (lambda db: db.detect("cpus", "usage"), '"cpu"'),
        (lambda db: db.detect("cpu", "usage", by="hst"), '"host"'),
        (lambda db: db.detect("cpu", "usage", start=5, end=3), "later than end"),
        (lambda db: db.detect("cpu", "usage", by=["host", "host"]), "twice"),
        (lambda db: db.detect("cpu", "usage", events_within="1h"), "events"),
        (lambda db: db._analyze("detect", "cpu", [], None, None, None, None, {}), "one field"),
        (lambda db: db._analyze("detekt", "cpu", "usage", None, None, None, None, {}), '"detect"'),
        (lambda db: analytics.detect(["x"]), "numbers"),
        (lambda db: analytics.detect([1.0, 2.0], [1]), "2 values and 1 times"),
        (lambda db: analytics.detect([1.0, 2.0], [2, 1]), "ascend"),
        (lambda db: analytics.detect({"a": [1.0], "b": [1.0, 2.0]}), "lengths"),
        (lambda db: analytics.detect([1.0], method=object()), "method"),
        (lambda db: db.sql("DETECT ANOMALIES IN usage FROM cpu USING mda"), '"mad"'),
        (
            lambda db: db.sql("FORECAST usage FROM cpu USING naive(drft = 1) FOR 3"),
            "line 1, column",
        ),
        (lambda db: db.sql("SELECT * FROM detct(cpu, usage)"), '"detect"'),
    ],
)
def test_errors_say_what_would_work(db, call, says):
    with pytest.raises((ky.InvalidArgument, ky.NotFound)) as told:
        call(db)
    assert says in str(told.value), told.value


VALUES = [1.0, 2.0, None, 4.0, 5.0] * 6
FORMS = {
    "list": VALUES,
    "numpy": np.array([np.nan if v is None else v for v in VALUES]),
    "masked": np.ma.masked_invalid(np.array([np.nan if v is None else v for v in VALUES])),
    "float32": np.array([np.nan if v is None else v for v in VALUES], dtype=np.float32),
    "polars": pl.Series("v", VALUES),
    "pandas": pytest.importorskip("pandas").Series(VALUES),
    "dict": {"v": VALUES},
    "frame": pl.DataFrame({"v": VALUES}),
}


@pytest.mark.parametrize("form", FORMS)
def test_values_come_as_anything(form):
    found = analytics.detect(FORMS[form], method="zscore")
    assert found.columns[0] == "index"
    assert found["index"].to_list() == list(range(len(VALUES)))
    assert found["value"].to_list() == VALUES
    assert_frame_equal(found, analytics.detect(VALUES, method="zscore"))


def test_times_come_as_anything():
    base = [START + timedelta(minutes=i) for i in range(30)]
    wanted = analytics.detect(VALUES, base, method="zscore")
    assert wanted["time"].to_list() == base
    naive = np.array([t.replace(tzinfo=None) for t in base], dtype="datetime64[s]")
    ns = naive.astype("datetime64[ns]").astype(np.int64)
    for times in (naive, ns, [t.isoformat() for t in base], pl.Series(base), ns.tolist()):
        assert_frame_equal(analytics.detect(VALUES, times, method="zscore"), wanted)
    frame = pl.DataFrame({"time": base, "v": VALUES})
    assert_frame_equal(analytics.detect(frame, method="zscore"), wanted)


def test_a_database_of_numbers_of_any_type_is_analysed():
    rows = {"time": np.arange(40), "whole": np.arange(40), "up": np.arange(40) % 2 == 0}
    with ky.open() as db:
        db.write("t", rows | {"note": ["x"] * 40})
        assert db.detect("t", "whole", method="zscore")["value"].to_list() == list(range(40))
        up = db.detect("t", "up", method="zscore", every="2ns")
        assert up["value"].to_list() == [0.5] * 20
        with pytest.raises(ky.InvalidArgument, match="note"):
            db.detect("t", "note")


SLOW = {
    "matrix_profile": {"window": 300},
    "changepoints": {"method": "exact", "count": 40},
    "detect": {"method": "mad", "window": 100_000},
}


@pytest.mark.parametrize("name", [n for n in SLOW if n in {a[0] for a in _core.analyses()}])
def test_a_long_analysis_is_cancelled_by_its_timeout(name):
    values = np.random.default_rng(5).normal(size=400_000).cumsum()
    began = time.monotonic()
    with pytest.raises(ky.Cancelled, match="deadline"):
        getattr(analytics, name)(values, timeout="200ms", **SLOW[name])
    assert time.monotonic() - began < 10
    with ky.open() as db:
        db.write("t", {"time": np.arange(len(values)), "v": values})
        began = time.monotonic()
        with pytest.raises(ky.Cancelled, match="deadline"):
            getattr(db, name)("t", "v", timeout=0.2, **SLOW[name])
        assert time.monotonic() - began < 10


def test_memory_is_counted():
    values = np.random.default_rng(5).normal(size=200_000)
    with ky.open() as db:
        db.write("t", {"time": np.arange(len(values)), "v": values})
        for call in (
            lambda: db.detect("t", "v", method="zscore", memory="1MB"),
            lambda: analytics.detect(values, method="zscore", memory="1MB"),
        ):
            with pytest.raises(ky.LimitExceeded, match="memory budget of 1000000 bytes"):
                call()


def test_other_threads_run_meanwhile():
    values = np.random.default_rng(5).normal(size=300_000)
    turns = []
    stop = threading.Event()

    def count():
        while not stop.is_set():
            turns.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    began = time.monotonic()
    analytics.detect(values, method="zscore")
    took = time.monotonic() - began
    stop.set()
    thread.join()
    within = [at for at in turns if began <= at <= began + took]
    # With the interpreter held there would be one gap of nearly all of it.
    gaps = np.diff([began, *within, began + took])
    assert gaps.max() < max(0.5 * took, 0.15), (gaps.max(), took)


class Rang(Exception):
    """Told by a signal."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signal there")
def test_a_signal_stops_an_analysis_of_arrays():
    def ring(*_):
        raise Rang

    values = np.random.default_rng(5).normal(size=400_000).cumsum()
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        began = time.monotonic()
        with pytest.raises(Rang):
            analytics.matrix_profile(values, window=300)
        assert time.monotonic() - began < 10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


FORKED = """
import os
import numpy as np
import kymograph as ky
from kymograph import _core

values = np.random.default_rng(1).normal(size=500)
frame = ky.analytics.detect(values, method="mad")
given = ky.analytics.values.inputs(values)
child = os.fork()
if child == 0:
    # The threads of the parent's pool are not here: a pool of its own is.
    bounds = (None, None, 20.0, None)
    options = [("method", ("text", "mad"))]
    found = _core.analyze("detect", given.frames, ["v"], False, options, bounds)
    os._exit(0 if len(found) == 500 else 3)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_forked_child_has_threads_of_its_own():
    ran = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout == "done\n", ran.stderr
