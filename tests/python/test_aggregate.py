"""Every function, x every, by, where, fill, having, limit: as Polars and DuckDB have it."""

import itertools

import duckdb
import polars as pl
import pytest

import kymograph as ky
from kymograph.demo import ec2, machine
from oracles import (
    MINUTE,
    NS,
    STATES,
    aggregated,
    assert_same,
    each_state,
    generated,
    last_wins,
    nab_folder,
    plain,
)

NUMBERS = ("count", "sum", "mean", "min", "max", "std", "var", "first", "last", "median")
PERCENTILES = ("p0", "p25", "p95", "p99.9", "p100")
ALL = {
    "wild": NUMBERS + PERCENTILES,
    "calm": NUMBERS + PERCENTILES,
    "n": NUMBERS + PERCENTILES,
    "up": ("count", "sum", "mean", "min", "max", "first", "last"),
    "word": ("count", "min", "max", "first", "last"),
}
TAGS = ["host", "dc"]
HOUR = 60 * MINUTE


def as_told(frame):
    """Where NaN and infinity meet, std is NaN either way; Polars' sum of bool is u32."""
    return frame.with_columns(pl.col(pl.UInt32).cast(pl.Int64))


@pytest.fixture(scope="module", params=["keep", "last"])
def staged(request, tmp_path_factory):
    """A copy of the database in each state, with the rows that it must answer from."""
    frame = generated(7)
    folder = tmp_path_factory.mktemp(request.param)
    opened = []

    def fill(db):
        # Several writes, so that rows of one time come from different calls.
        for part in frame.iter_slices(700):
            db.write("t", part, tags=TAGS, duplicates=request.param)

    lives = []
    for upto in range(4):
        lives.append(each_state(folder / f"{upto}.ky", fill))
        for _, db in itertools.islice(lives[-1], upto + 1):
            database = db
        opened.append(database)
    rows = frame if request.param == "keep" else last_wins(frame, TAGS)
    yield rows, dict(zip(STATES, opened, strict=True))
    for database in opened:
        database.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("by", [(), ("host",), ("dc", "host")], ids=lambda by: "+".join(by) or "-")
@pytest.mark.parametrize("every", [None, 7 * MINUTE, HOUR], ids=["whole", "7m", "1h"])
@pytest.mark.parametrize("part", ["all", "where", "range"])
def test_every_function_as_polars(staged, state, every, by, part):
    rows, databases = staged
    asked = {}
    if part == "where":
        asked = {"where": {"host": ["a", None], "dc": "x"}}
        rows = rows.filter(pl.col("host").eq_missing("a") | pl.col("host").is_null(), dc="x")
    elif part == "range":
        asked = {"start": 13 * MINUTE, "end": 83 * MINUTE + 1}
        ticks = pl.col("time").cast(pl.Int64)
        rows = rows.filter(ticks >= asked["start"], ticks < asked["end"])
    got = databases[state].aggregate("t", ALL, every=every, by=by, **asked)
    expected = as_told(aggregated(rows, ALL, every, by, TAGS))
    assert got.height > 0
    assert_same(got, expected, rel_tol=1e-7, abs_tol=1e-6)


@pytest.mark.parametrize("state", STATES)
def test_every_function_as_duckdb(staged, state):
    rows, databases = staged
    told = rows.select("time", "host", "dc", "calm", "n")
    ticks = told.with_columns(t=pl.col("time").cast(pl.Int64)).drop("time").with_row_index("row")
    columns = []
    for field, function in itertools.product(("calm", "n"), NUMBERS + PERCENTILES):
        columns.append(f"{duck(field, function)} as {field}_{function.replace('.', '_')}")
    query = (
        f"select t // {HOUR} * {HOUR} as time, host, {', '.join(columns)} from ticks "
        "group by all order by host nulls first, time"
    )
    expected = duckdb.sql(query).pl()
    assert ticks.height > 0
    fields = {"calm": NUMBERS + PERCENTILES, "n": NUMBERS + PERCENTILES}
    got = databases[state].aggregate("t", fields, every="1h", by="host")
    got = plain(got).rename(lambda name: name.replace(".", "_"))
    assert got.columns == expected.columns
    got = got.with_columns(pl.col("time").cast(pl.Int64))
    for name in expected.columns:
        if name == "host":
            assert got[name].to_list() == expected[name].to_list()
        else:
            want = [None if v is None else float(v) for v in expected[name].to_list()]
            have = [None if v is None else float(v) for v in got[name].to_list()]
            assert have == pytest.approx(want, rel=1e-8), name


def duck(field, function):
    match function:
        case "mean":
            return f"avg({field})"
        case "std" | "var":
            name = {"std": "stddev_samp", "var": "var_samp"}[function]
            return f"{name}({field})"
        case "first":
            order = "t, host nulls first, dc, row"
            return f"first({field} order by {order}) filter ({field} is not null)"
        case "last":
            order = "t, host nulls first, dc, row"
            return f"last({field} order by {order}) filter ({field} is not null)"
        case "median":
            return f"quantile_cont({field}, 0.5)"
        case _ if function.startswith("p"):
            return f"quantile_cont({field}, {float(function[1:]) / 100})"
        case _:
            return f"{function}({field})"


def test_the_demos_files_in_every_state(tmp_path):
    cpu = ec2().with_columns(pl.col("time").cast(NS))
    heat = machine().with_columns(pl.col("time").cast(NS))

    def fill(db):
        db.write("ec2", cpu, tags=["host"])
        db.write("machine", heat.sample(fraction=1, shuffle=True, seed=1), tags=["machine"])

    functions = {"cpu": NUMBERS + PERCENTILES}
    for state, db in each_state(tmp_path / "nab.ky", fill):
        for every, by in itertools.product((None, HOUR, 24 * HOUR), ((), ("host",))):
            got = db.aggregate("ec2", functions, every=every, by=by)
            # Two instances' points of one instant are told apart by the order of their names.
            assert_same(got, aggregated(cpu, functions, every, by, ["host"]), rel_tol=1e-8)
        got = db.aggregate("machine", {"temperature": ("mean", "p95", "count")}, every="1d")
        expected = aggregated(heat, {"temperature": ("mean", "p95", "count")}, 24 * HOUR)
        assert_same(got, expected, rel_tol=1e-9)
        assert state


def nab_files():
    found = sorted(nab_folder().glob("*/*.csv"))
    return found or [
        pytest.param(None, marks=pytest.mark.skip(f"the benchmark is not at {nab_folder()}"))
    ]


@pytest.mark.parametrize("path", nab_files(), ids=lambda path: path.stem if path else "none")
def test_all_of_nab(path):
    frame = pl.read_csv(path, schema_overrides={"timestamp": pl.String, "value": pl.Float64})
    frame = frame.select(
        time=pl.col("timestamp").str.to_datetime(time_unit="ns", time_zone="UTC"), value="value"
    )
    functions = {"value": NUMBERS + PERCENTILES}
    with ky.open() as db:
        db.write("t", frame)
        for _ in range(2):
            for every in (None, HOUR, 24 * HOUR):
                expected = aggregated(frame, functions, every)
                got = db.aggregate("t", functions, every=every)
                assert_same(got, expected, rel_tol=1e-7, abs_tol=1e-6)
            db.flush()


# --- fill, having, limit ---


@pytest.fixture(scope="module")
def gappy():
    """Two hosts with holes: a at minutes 0, 1, 5; b at 2, 6."""
    with ky.open() as db:
        minutes, hosts = [0, 1, 5, 2, 6], ["a", "a", "a", "b", "b"]
        times = [m * MINUTE for m in minutes]
        frame = {"time": times, "host": hosts, "v": [1.0, 3.0, 11.0, 5.0, None], "n": minutes}
        db.write("g", frame, tags=["host"])
        yield db


@pytest.mark.parametrize(
    ("fill", "a", "b"),
    [
        ("null", [1, 3, None, None, None, 11, None], [None, None, 5, None, None, None, None]),
        ("previous", [1, 3, 3, 3, 3, 11, 11], [None, None, 5, 5, 5, 5, 5]),
        ("linear", [1, 3, 5, 7, 9, 11, None], [None, None, 5, None, None, None, None]),
        (-1, [1, 3, -1, -1, -1, 11, -1], [-1, -1, 5, -1, -1, -1, -1]),
    ],
)
def test_fill(gappy, fill, a, b):
    got = gappy.aggregate("g", {"v": ["mean", "count"]}, every="1m", by="host", fill=fill)
    assert got["time"].cast(pl.Int64).to_list() == [m * MINUTE for m in range(7)] * 2
    assert got["v_mean"].to_list() == [*a, *b]
    # A bucket of nothing has no points, whatever it is filled with.
    assert got["v_count"].to_list() == [1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]


def test_fill_spans_the_range_that_is_asked(gappy):
    got = gappy.aggregate(
        "g", {"v": "sum"}, every="1m", fill="null", start=-2 * MINUTE, end=8 * MINUTE
    )
    assert got["time"].cast(pl.Int64).to_list() == [m * MINUTE for m in range(-2, 8)]
    with pytest.raises(ky.InvalidArgument, match="fill needs every"):
        gappy.aggregate("g", {"v": "sum"}, fill="null")
    with pytest.raises(ky.LimitExceeded, match="fill would make"):
        gappy.aggregate("g", {"v": "sum"}, every="1ns", fill="null")


@pytest.mark.parametrize(
    ("having", "keep"),
    [
        ("n_sum > 1", pl.col("n_sum") > 1),
        ("n_sum >= 1 and v_mean < 10", (pl.col("n_sum") >= 1) & (pl.col("v_mean") < 10)),
        ("v_mean < 2 or v_mean > 10", (pl.col("v_mean") < 2) | (pl.col("v_mean") > 10)),
        ("not (n_sum = 5)", pl.col("n_sum") != 5),
        ('"n_sum" <> 5 AND v_mean != 3', (pl.col("n_sum") != 5) & (pl.col("v_mean") != 3)),
        ("v_mean < 1e9", pl.col("v_mean") < 1e9),
        ("not v_mean < 4", pl.col("v_mean") >= 4),
    ],
)
def test_having(gappy, having, keep):
    asked = {"fields": {"n": "sum", "v": "mean"}, "every": "1m", "by": "host"}
    everything = gappy.aggregate("g", **asked)
    got = gappy.aggregate("g", **asked, having=having)
    assert got.equals(everything.filter(keep))
    assert 0 < got.height < everything.height
    assert gappy.aggregate("g", **asked, having=having, limit=1).equals(got.head(1))


def test_having_comes_after_fill(gappy):
    got = gappy.aggregate("g", {"v": "mean"}, every="1m", fill=0, having="v_mean = 0")
    assert got["time"].cast(pl.Int64).to_list() == [3 * MINUTE, 4 * MINUTE, 6 * MINUTE]


def test_limit(gappy):
    everything = gappy.aggregate("g", {"v": "mean"}, every="1m", by="host")
    for limit in (0, 1, 3, 99):
        got = gappy.aggregate("g", {"v": "mean"}, every="1m", by="host", limit=limit)
        assert got.equals(everything.head(limit))


# --- edges ---


def test_nothing_has_the_right_shape(gappy):
    for every in (None, "1m"):
        for fill in (None, "null") if every else (None,):
            got = gappy.aggregate(
                "g",
                {"v": ["mean"], "n": ["sum"]},
                every=every,
                by="host",
                fill=fill,
                start="2030-01-01",
            )
            expected = {"time": NS} if every else {}
            expected |= {"host": got.schema["host"], "v_mean": pl.Float64, "n_sum": pl.Int64}
            assert dict(got.schema) == expected
            assert got.is_empty()
    assert gappy.aggregate("g", {"v": "mean"}, where={"host": "nobody"}).is_empty()


def test_buckets_before_1970_and_at_the_edges_of_time():
    times = [-(2**63), -1, 0, 2**63 - 1]
    with ky.open() as db:
        db.write("t", {"time": times, "v": [1.0, 2.0, 3.0, 4.0]})
        for _ in range(2):
            got = db.aggregate("t", {"v": "sum"}, every=10)
            starts = got["time"].cast(pl.Int64).to_list()
            assert starts[1:] == [-10, 0, (2**63 - 1) // 10 * 10]
            # The bucket of the earliest time begins before what int64 can say.
            assert starts[0] == -(2**63)
            assert got["v_sum"].to_list() == [1.0, 2.0, 3.0, 4.0]
            db.flush()


def test_sums_of_integers_are_exact_or_refused():
    with ky.open() as db:
        big = 2**62
        db.write(
            "t", {"time": [1, 2, 3], "host": ["a", "b", "b"], "n": [big, big, -big]}, tags=["host"]
        )
        assert db.aggregate("t", {"n": "sum"})["n_sum"].to_list() == [big]
        assert db.aggregate("t", {"n": "sum"}, by="host")["n_sum"].to_list() == [big, 0]
        db.write("t", {"time": [4], "host": ["a"], "n": [2**63 - 1]}, tags=["host"])
        with pytest.raises(ky.InvalidArgument, match="does not fit i64"):
            db.aggregate("t", {"n": "sum"})
        assert db.aggregate("t", {"n": ["max", "count"]})["n_max"].to_list() == [2**63 - 1]


@pytest.mark.parametrize(
    ("field", "function", "says"),
    [
        ("word", "mean", "count, min, max, first, last, distinct and mode"),
        ("up", "std", "count, sum, mean, min, max, first, last, distinct and mode"),
        ("calm", "maen", '"mean"'),
        ("calm", "p101", "p100"),
    ],
)
def test_functions_that_do_not_work_say_what_does(field, function, says):
    with ky.open() as db:
        db.write("t", generated(1, 10), tags=TAGS)
        with pytest.raises(ky.InvalidArgument, match=says):
            db.aggregate("t", {field: function})


def test_a_time_limit_and_a_memory_limit():
    with ky.open() as db:
        db.write("t", generated(1, 5_000), tags=TAGS)
        with pytest.raises(ky.Cancelled):
            db.aggregate("t", {"calm": "p95"}, timeout=0)
        with pytest.raises(ky.LimitExceeded, match="memory"):
            db.aggregate("t", {"calm": "p95"}, memory=100)
        assert db.aggregate("t", {"calm": "p95"}, timeout="10s", memory="64MB").height == 1
