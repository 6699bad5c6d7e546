"""Lazy scans give what an eager filter gives, and push down what they say they push."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

import kymograph as ky
from oracles import MINUTE, generated, in_order, plain

TAGS = ["host", "dc"]
FRAME = in_order(generated(31, 2_000), TAGS)
T = pl.col("time")
HOST, DC, CALM, WILD, N = (pl.col(name) for name in ("host", "dc", "calm", "wild", "n"))


def at(minutes):
    """A time in the frame's own type."""
    return pl.lit(minutes * MINUTE).cast(pl.Datetime("ns", "UTC"))


@pytest.fixture(scope="module")
def db():
    with ky.open() as database:
        database.write("t", FRAME, tags=TAGS)
        database.flush()
        yield database


PREDICATES = {
    "ge": at(30) <= T,
    "gt": at(30) < T,
    "lt": at(30) > T,
    "le": at(30) >= T,
    "eq": at(30) == T,
    "ne": at(30) != T,
    "mirrored": at(30) <= T,
    "datetime": datetime(1970, 1, 1, 0, 30, tzinfo=UTC) <= T,
    "between": T.is_between(at(10), at(40)),
    "open between": T.is_between(at(10), at(40), closed="none"),
    "left between": T.is_between(at(10), at(40), closed="left"),
    "empty between": T.is_between(at(40), at(10)),
    "contradiction": (at(40) < T) & (at(10) > T),
    "cast to us": T.cast(pl.Datetime("us", "UTC")) > datetime(1970, 1, 1, 0, 30, tzinfo=UTC),
    "cast to ms": T.dt.cast_time_unit("ms") <= datetime(1970, 1, 1, 0, 30, tzinfo=UTC),
    "cast to int": T.cast(pl.Int64) < 30 * MINUTE,
    "cast to date": T.cast(pl.Date) == date(1970, 1, 1),
    "replaced zone": T.dt.replace_time_zone(None) < datetime(1970, 1, 1, 0, 30),
    "part of time": T.dt.minute() < 10,
    "shifted": T + pl.duration(minutes=5) > at(30),
    "tag": HOST == "a",
    "tag ne": HOST != "a",
    "tag null": HOST.is_null(),
    "tag not null": HOST.is_not_null(),
    "tag eq missing": HOST.eq_missing(pl.lit(None)),
    "tag ne missing": HOST.ne_missing(pl.lit("a")),
    "tag in": HOST.is_in(["a", "c", "nobody"]),
    "tag not in": ~HOST.is_in(["a"]),
    "tag in nothing": HOST.is_in([]),
    "tag starts": HOST.cast(pl.String).str.starts_with("a"),
    "two tags": (HOST == "a") & (DC == "x"),
    "tags or": (HOST == "a") | (DC == "x"),
    "tag or null": HOST.is_null() | (HOST == "b"),
    "tags nested": ((HOST == "a") | (HOST == "b")) & ~((DC == "x") & (HOST == "b")),
    "tags compared": HOST.cast(pl.String) < DC.cast(pl.String),
    "field": CALM > 50,
    "field null": CALM.is_null(),
    "field nan": WILD.is_nan(),
    "field cast": N.cast(pl.Float64) / 2 > 3.5,
    "word": pl.col("word").is_in(["q", ""]),
    "flag": pl.col("up"),
    "time and tag": (at(30) <= T) & (HOST == "a"),
    "time and field": (at(30) > T) & (CALM > 50),
    "time or field": (at(5) > T) | (CALM > 70),
    "time or tag": (at(5) > T) | (HOST == "a"),
    "all": (at(10) <= T) & (at(90) > T) & HOST.is_in(["a", "b"]) & (N > 0) & (DC == "y"),
    "deep": (at(1) <= T) & ((HOST == "a") & ((DC == "x") & (at(90) > T) & (CALM < 60))),
    "negated": ~((at(30) <= T) & (HOST == "a")),
    "negated range": ~(at(30) <= T),
    "xor": (HOST == "a") ^ (at(30) < T),
    "never": pl.lit(False),
    "always": pl.lit(True),
    "tag against null": pl.lit(None, dtype=pl.String) == HOST,
}


@pytest.mark.parametrize("name", PREDICATES)
def test_as_an_eager_filter(db, name):
    predicate = PREDICATES[name]
    eager = db.read("t")
    expected = eager.filter(predicate)
    got = db.scan("t").filter(predicate).collect()
    assert got.equals(expected)
    assert dict(got.schema) == dict(eager.schema)
    lazy = db.scan("t").filter(predicate)
    assert lazy.select("n").collect().equals(expected.select("n"))
    assert lazy.select("time", "dc").collect().equals(expected.select("time", "dc"))
    assert lazy.head(7).collect().equals(expected.head(7))
    assert lazy.select(pl.len()).collect().item() == expected.height
    by = lazy.group_by("host").agg(pl.col("calm").sum(), pl.len()).collect()
    wanted = expected.group_by("host").agg(pl.col("calm").sum(), pl.len())
    by, wanted = (plain(f).sort("host") for f in (by, wanted))
    assert by["len"].to_list() == wanted["len"].to_list()
    assert by["calm"].to_list() == pytest.approx(wanted["calm"].to_list())
    assert lazy.collect(engine="streaming").height == expected.height


@pytest.mark.parametrize(
    ("predicate", "lines"),
    [
        (None, ["time:     [..., ...)", "tags:     all", "series:   8 of 8", "residual: none"]),
        (at(30) <= T, ["[1970-01-01T00:30:00Z, ...)", "residual: none"]),
        (T.is_between(at(10), at(20)), ["[1970-01-01T00:10:00Z, 1970-01-01T00:20:00.000000001Z)"]),
        ((at(1) <= T) & (at(2) > T), ["[1970-01-01T00:01:00Z, 1970-01-01T00:02:00Z)"]),
        (HOST == "a", ["series:   2 of 8", 'col("host")', "residual: none"]),
        (HOST.is_null() & (DC == "x"), ["series:   1 of 8"]),
        (CALM > 50, ["series:   8 of 8", "time:     [..., ...)", 'fields:   "calm" > 50\n']),
        (CALM.round() > 50, ["fields:   all", "residual: [(col("]),
        ((HOST == "a") & (CALM <= 50), ["series:   2 of 8", 'fields:   "calm" <= 50\n']),
        ((at(5) > T) | (HOST == "a"), ["[..., ...)", "series:   8 of 8"]),
    ],
)
def test_explain_shows_what_is_pushed(db, predicate, lines):
    told = db.explain("t", predicate)
    assert told.startswith("SCAN t\n")
    for line in lines:
        assert line in told, told


class Spy:
    """Counts what a scan asks of the native side."""

    def __init__(self, native):
        self.native, self.reads = native, []

    def __getattr__(self, name):
        return getattr(self.native, name)

    def read(self, table, fields, where, condition, limit, every_row, bounds):
        self.reads.append((fields, where, limit, bounds[:2]))
        return self.native.read(table, fields, where, condition, limit, every_row, bounds)


@pytest.fixture
def spied(db, monkeypatch):
    spy = Spy(db._native)
    monkeypatch.setattr(db, "_native", spy)
    return db, spy


def test_what_is_said_to_be_pushed_is_pushed(spied):
    db, spy = spied
    lazy = db.scan("t").filter((at(30) <= T) & (at(40) > T) & (HOST == "a")).select("n")
    spy.reads.clear()
    assert lazy.collect().height > 0
    ((fields, where, limit, bounds),) = spy.reads
    assert fields == ["n"]
    assert dict(where)["host"] == ["a"]
    assert (limit, bounds) == (None, (30 * MINUTE, 40 * MINUTE))


def test_projections_and_heads_are_pushed(spied):
    db, spy = spied
    lazy = db.scan("t")
    spy.reads.clear()
    assert lazy.select("host").collect().height == FRAME.height
    assert lazy.select("word", "n").head(3).collect().height == 3
    assert lazy.filter(CALM > 50).select("n").collect().width == 1
    assert [read[0] for read in spy.reads] == [[], ["n", "word"], ["calm", "n"]]
    assert spy.reads[1][2] == 3


def test_joins_sorts_and_sql(db):
    lazy = db.scan("t")
    names = pl.LazyFrame({"host": ["a", "b"], "name": ["first", "second"]})
    typed = lazy.with_columns(pl.col("host").cast(pl.String))
    joined = typed.join(names, on="host").group_by("name").len().sort("name").collect()
    counts = FRAME.group_by("host").len()
    expected = [counts.filter(host=host)["len"].item() for host in ("a", "b")]
    assert joined["len"].to_list() == expected
    top = lazy.sort("calm", descending=True, nulls_last=True).head(3).collect()
    assert top["calm"].to_list() == FRAME["calm"].drop_nulls().sort(descending=True)[:3].to_list()
    assert pl.SQLContext(t=lazy).execute("select count(*) from t").collect().item() == FRAME.height


def test_an_empty_table_and_a_live_scan():
    with ky.open() as db:
        db.create_table("t", ["host"], {"v": "f64"})
        lazy = db.scan("t")
        assert lazy.collect().is_empty()
        assert lazy.filter(pl.col("v") > 1).select("host").collect().is_empty()
        db.write("t", {"time": [1], "host": ["a"], "v": [2.0]})
        assert lazy.collect().height == 1
        with pytest.raises(ky.NotFound, match='"t"'):
            db.scan("tt")
