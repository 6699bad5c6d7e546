"""Any interleaving of the verbs leaves what a plain list of rows would hold.

``KYMOGRAPH_EXAMPLES`` is how many runs there are, ``KYMOGRAPH_STEPS`` how many steps each has. A
failure prints its steps as a program.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import kymograph as ky
from oracles import aggregated, assert_same, plain, unpruned

HOSTS = ("a", "b", None)
FIELDS = {"f": pl.Float64, "n": pl.Int64, "s": pl.String, "up": pl.Boolean, "q": pl.Float64}
KINDS = {"f": "f64", "n": "i64", "s": "str", "up": "bool", "q": "f64"}
METRICS = ("x", "y")
SPAN = 40
"""Times are 0 to SPAN after one of two, so that they meet."""
NOW = time.time_ns() // 10**9 * 10**9 - 3_600 * 10**9
OLD = NOW - 400 * 86_400 * 10**9
KEEP = "100d"
"""A retention between the two."""
LARGE = 70_000
"""Rows of four fields that pass the head by and go straight into a segment."""
CODECS = ("auto", "auto", "pco", "raw", "gorilla", "alp_rd")
CHECKED_VERSIONS = 8

# Offsets, so that examples that are kept mean the same in a later run.
times = st.builds(lambda base, at: base + at, st.sampled_from([NOW, OLD]), st.integers(0, SPAN))
hosts = st.sampled_from(HOSTS)
floats = st.one_of(
    st.none(), st.sampled_from([float("nan"), -0.0, float("inf"), 1.5]), st.floats(width=64)
)
# Quarters add up exactly in any order.
quarters = st.one_of(st.none(), st.integers(-400, 400).map(lambda n: n / 4))
rows = st.tuples(
    times,
    hosts,
    floats,
    st.one_of(st.none(), st.integers(-9, 9), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), st.text(max_size=4)),
    st.one_of(st.none(), st.booleans()),
    quarters,
)
events = st.tuples(times, hosts, st.sampled_from(METRICS), quarters)
wheres = st.one_of(st.none(), st.lists(hosts, min_size=1, unique=True))
openings = st.fixed_dictionaries(
    {
        "durability": st.sampled_from(["os", "os", "full", "memory"]),
        "head": st.sampled_from([None, None, 20_000]),
        "cache": st.sampled_from([None, 0, 100_000]),
        "history": st.sampled_from([4, 16, 64]),
        "threads": st.sampled_from([1, 2]),
    }
)


@st.composite
def ranges(draw):
    """A start and an end, either of which may be open."""
    base = draw(st.sampled_from([NOW, NOW, OLD]))
    start = base + draw(st.integers(-1, SPAN))
    end = start + draw(st.integers(0, SPAN))
    if draw(st.booleans()):
        return start, end
    return draw(st.sampled_from([(None, end), (start, None), (None, None), (start, NOW + SPAN)]))


def folder():
    """A folder in memory, where the machine has such."""
    shared = Path("/dev/shm")
    inside = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
    return tempfile.mkdtemp(prefix="kymograph-states-", dir=inside)


def as_frame(rows, fields):
    schema = {"time": pl.Int64, "host": pl.String, **{name: FIELDS[name] for name in fields}}
    picked = [(row[0], row[1], *(row[2 + list(FIELDS).index(f)] for f in fields)) for row in rows]
    return pl.DataFrame(picked, schema=schema, orient="row").with_columns(
        pl.col("time").cast(pl.Datetime("ns", "UTC"))
    )


def as_bits(frame):
    """Times as ints and floats by their bits, so that equal is equal."""
    frame = frame.with_columns(pl.col("time").cast(pl.Int64))
    if "f" in frame.columns:
        raw = frame["f"].fill_null(0.0).to_numpy().view(np.uint64)
        known = pl.col("f").is_not_null()
        frame = frame.with_columns(f=pl.when(known).then(pl.Series(raw)))
    return frame


def of_hosts(hosts):
    """Rows of these series, as an expression."""
    if hosts is None:
        return pl.lit(True)
    return pl.any_horizontal(pl.col("host").eq_missing(host) for host in hosts)


def inside(start, end):
    """Rows of a half-open range, as an expression."""
    within = pl.lit(True)
    if start is not None:
        within &= pl.col("time") >= start
    if end is not None:
        within &= pl.col("time") < end
    return within


class Model:
    """All rows ever written and not deleted, in the order of their arrival."""

    def __init__(self, duplicates, rows=None):
        self.duplicates = duplicates
        self.rows = as_bits(as_frame([], list(FIELDS))) if rows is None else rows

    def copy(self):
        return Model(self.duplicates, self.rows)

    def write(self, frame):
        self.rows = pl.concat([self.rows, as_bits(frame)], how="diagonal")

    def only(self, rows):
        """The same of some rows."""
        return Model(self.duplicates, self.rows.filter(rows))

    def seen(self):
        """What ``read`` shows: by series, then time, then arrival."""
        ordered = self.rows.sort("host", "time", nulls_last=False, maintain_order=True)
        if self.duplicates == "keep":
            return ordered
        values = pl.col(*FIELDS).drop_nulls().last()
        merged = ordered.group_by("host", "time", maintain_order=True).agg(values)
        return merged.select(ordered.columns)


class Events:
    """Points of a narrow table, in the order of their arrival."""

    def __init__(self, duplicates, points=()):
        self.duplicates = duplicates
        self.points = list(points)

    def copy(self):
        return Events(self.duplicates, self.points)

    def delete(self, hosts, start, end):
        def hit(at, host):
            late = start is None or at >= start
            return late and (end is None or at < end) and (hosts is None or host in hosts)

        self.points = [point for point in self.points if not hit(point[0], point[1])]

    def seen(self, metric):
        """One metric's points: by series, then time, then arrival."""
        own = [(host or "", at, v) for at, host, m, v in self.points if m == metric]
        if self.duplicates == "last":
            own = [(host, at, v) for (host, at), v in {(h, at): v for h, at, v in own}.items()]
        return sorted(own, key=lambda point: point[:2])


class AnyInterleaving(RuleBasedStateMachine):
    @initialize(
        duplicates=st.sampled_from(["keep", "last"]),
        on_disk=st.sampled_from([True, True, False]),
        options=openings,
        large=st.integers(0, 14),
    )
    def begin(self, duplicates, on_disk, options, large):
        self.folder = folder() if on_disk else None
        self.path = os.path.join(self.folder, "p.ky") if on_disk else None
        self.open(options if on_disk else {})
        self.db.create_table("t", ["host"], KINDS, duplicates=duplicates)
        self.model = Model(duplicates)
        self.events = Events(duplicates)
        self.snapshots = []
        self.versions = []
        self.reader = None
        self.large = large
        self.deleted = self.retained = False
        self.changed = True

    def open(self, options):
        self.options = options
        self.db = ky.open(self.path, **options)

    # --- writing ---

    @rule(rows=st.lists(rows, min_size=1, max_size=30))
    def write_small(self, rows):
        frame = as_frame(rows, list(FIELDS))
        result = self.db.write("t", frame, tags=["host"])
        assert result.rows == len(rows)
        assert result.points == sum(value is not None for row in rows for value in row[2:])
        before = self.model.copy()
        self.wrote(frame)
        # What is past the retention is there until it is dropped, and counts.
        if self.retained:
            return
        if self.model.duplicates == "last":
            assert result.replaced == points(before) + result.points - points(self.model)
        else:
            assert result.replaced == 0
        if not self.deleted:
            newest = dict(before.rows.group_by("host").agg(pl.col("time").max()).iter_rows())
            late = sum(at < newest.get(host, at) for at, host, *_ in rows)
            assert result.late == late

    def wrote(self, frame):
        self.model.write(frame)
        self.expire()
        self.changed = True

    def expire(self):
        """Forgets what is past the retention."""
        if self.retained:
            self.model = self.model.only(pl.col("time") >= NOW - SPAN)

    @rule(
        rows=st.lists(rows, min_size=1, max_size=10),
        fields=st.lists(st.sampled_from(list(FIELDS)), min_size=1, max_size=2, unique=True),
    )
    def write_some_fields_to_a_table_where_the_last_counts(self, rows, fields):
        # Of a table that keeps all, a row of other fields at one time joins rows by rules of its
        # own; test_events.py has those.
        if self.model.duplicates == "last":
            frame = as_frame(rows, fields)
            self.db.write("t", frame, tags=["host"])
            self.wrote(frame)

    @rule(events=st.lists(events, min_size=1, max_size=12))
    def write_events(self, events):
        columns = ("time", "host", "metric", "value")
        kinds = {"time": pl.Int64, "host": pl.String, "metric": pl.String, "value": pl.Float64}
        frame = pl.DataFrame(events, schema=kinds, orient="row")
        frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC"))).select(columns)
        duplicates = self.events.duplicates
        result = self.db.write_events(frame, tags=["host"], table="e", duplicates=duplicates)
        known = [event for event in events if event[3] is not None]
        assert result.points == len(known)
        self.events.points.extend(known)
        self.changed = True

    @precondition(lambda self: self.large == 0)
    @rule(seed=st.integers(0, 9), host=hosts)
    def write_large(self, seed, host):
        self.large = -1
        at = pl.int_range(seed, seed + LARGE, eager=True)
        frame = pl.DataFrame(
            {
                "time": (NOW + at).cast(pl.Datetime("ns", "UTC")),
                "host": pl.Series([host] * LARGE, dtype=pl.String),
                "f": at / 4,
                "n": at - 7,
                "s": (at % 3).cast(pl.String),
                "up": at % 2 == 0,
                "q": (at % 9) / 4,
            }
        ).sample(fraction=1, shuffle=True, seed=seed)
        self.db.write("t", frame, tags=["host"])
        self.wrote(frame)

    @rule(where=wheres, span=ranges())
    def delete(self, where, span):
        named = None if where is None else {"host": where}
        self.db.delete("t", named, *span)
        self.model = self.model.only(~(of_hosts(where) & inside(*span)))
        self.deleted = self.changed = True

    @rule(where=wheres, span=ranges())
    def delete_events(self, where, span):
        if "e" in self.db.tables():
            self.db.delete("e", None if where is None else {"host": where}, *span)
            self.events.delete(where, *span)
            self.changed = True

    # --- what must change nothing ---

    @rule()
    def flush(self):
        self.db.flush()
        self.changed = True

    @rule()
    def compact(self):
        self.db.compact()
        self.changed = True

    @rule(codec=st.sampled_from(CODECS), cold=st.sampled_from([None, None, "1ns", "1d"]))
    def set_codec(self, codec, cold):
        self.db.set_codec("t", codec, cold)
        self.changed = True

    @precondition(lambda self: self.path is not None)
    @rule(closes=st.booleans(), options=openings)
    def reopen(self, closes, options):
        if closes:
            self.db.close()
        else:
            if self.options["durability"] == "memory":
                self.db.flush()
            # What a handle that is dropped leaves is what a kill leaves: the log.
            del self.db
        self.snapshots.clear()
        self.open(options)
        self.changed = True

    @precondition(lambda self: not self.retained)
    @rule(sets=st.integers(0, 5))
    def set_retention(self, sets):
        # Mostly not: all that is old would be gone from most runs.
        if sets == 0:
            self.db.set_retention("t", KEEP)
            self.retained = self.changed = True
            self.expire()

    # --- other handles ---

    @precondition(lambda self: len(self.snapshots) < 2)
    @rule()
    def snapshot(self):
        self.snapshots.append((self.db.snapshot(), self.model.copy()))

    @precondition(lambda self: self.snapshots)
    @rule()
    def close_a_snapshot(self):
        self.snapshots.pop(0)[0].close()

    @precondition(lambda self: self.path is not None)
    @rule()
    def remember_a_version(self):
        self.db.flush()
        self.versions.append((self.db.version, self.model.copy()))
        del self.versions[:-CHECKED_VERSIONS]

    @precondition(lambda self: self.versions)
    @rule(which=st.integers(0, CHECKED_VERSIONS - 1))
    def look_back(self, which):
        version, model = self.versions[which % len(self.versions)]
        there = version in self.db.versions()["version"].to_list()
        try:
            with ky.open(self.path, as_of=version) as then:
                assert same(shown(then.read("t")), model)
        except ky.NotFound:
            # The background may take a version away between the two looks.
            assert not there or version not in self.db.versions()["version"].to_list()

    @precondition(lambda self: self.path is not None)
    @rule(stays=st.booleans())
    def look_beside(self, stays):
        if self.options["durability"] == "memory":
            self.db.flush()
        if self.reader is None:
            self.reader = ky.open(self.path, mode="r")
        assert same(shown(self.reader.read("t")), self.model)
        if not stays:
            self.reader.close()
            self.reader = None

    # --- asking ---

    def both(self, ask):
        """What a question gives, which must not depend on pruning."""
        answer, whole = ask(self.db), ask(unpruned(self.db))
        if isinstance(answer, pl.DataFrame):
            # Doubles are added in another order, which deviations show.
            assert_same(answer, plain(whole))
        else:
            assert answer == whole
        return answer

    @rule(span=ranges(), where=wheres)
    def ask_a_range(self, span, where):
        part = self.model.only(of_hosts(where) & inside(*span))
        expected, named = part.seen(), None if where is None else {"host": where}
        read = self.db.read("t", None, named, *span)
        assert same(shown(read), part)
        assert same(shown(unpruned(self.db).read("t", None, named, *span)), part)
        values = expected["q"].drop_nulls().to_list()
        total = self.both(lambda db: db.sum("t", "q", named, *span))
        assert total == (sum(values) if values else None)

    @rule(
        span=ranges(),
        where=wheres,
        every=st.sampled_from([None, 1, 7, 10, 100]),
        by=st.sampled_from([(), ("host",)]),
    )
    def ask_for_aggregates(self, span, where, every, by):
        fields = {
            "n": ["count", "min", "max", "first", "last", "distinct"],
            "q": ["count", "sum", "mean", "min", "max", "var", "median", "p90"],
        }
        named = None if where is None else {"host": where}
        got = self.both(lambda db: db.aggregate("t", fields, every, by, named, *span))
        frame = self.model.only(of_hosts(where) & inside(*span)).seen()
        if self.model.duplicates == "last":
            frame = frame.filter(pl.any_horizontal(pl.col("n", "q").is_not_null()))
        frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
        known = {"n": fields["n"][:-1], "q": fields["q"]}
        distinct = got.get_column("n_distinct")
        if frame.height:
            keys = [*(["time"] if every else []), *by]
            expected = aggregated(frame, known, every, by, ["host"])
            assert_same(got.drop("n_distinct"), expected)
            if not keys:
                assert distinct.to_list() == [frame["n"].drop_nulls().n_unique()]
        else:
            assert got.height == 0

    @rule(span=ranges(), where=wheres, by=st.sampled_from([None, (), ("host",)]))
    def ask_for_the_last(self, span, where, by):
        named = None if where is None else {"host": where}
        got = shown(self.both(lambda db: db.last("t", by, None, named, *span)))
        seen = self.model.only(of_hosts(where) & inside(*span)).seen()
        if by == ():
            expected = seen.sort("time", maintain_order=True).tail(1)
        else:
            expected = seen.group_by("host", maintain_order=True).last().select(seen.columns)
        assert got.equals(expected)

    @rule(least=st.integers(-10, 10), span=ranges(), limit=st.one_of(st.none(), st.integers(0, 9)))
    def ask_for_rows_by_a_condition(self, least, span, limit):
        condition = "q >= $least AND up IS NOT NULL"
        got = self.both(
            lambda db: db.read(
                "t", None, None, *span, limit, filter=condition, params={"least": least}
            )
        )
        passing = (pl.col("q") >= least) & pl.col("up").is_not_null() & inside(*span)
        expected = self.model.seen().filter(passing)
        assert shown(got).equals(expected if limit is None else expected.head(limit))

    @rule(least=st.integers(-10, 10), host=st.sampled_from(["a", "b"]))
    def ask_by_scan(self, least, host):
        passing = (pl.col("q") > least) & (pl.col("host") == host)

        def ask(db):
            return db.scan("t").filter(passing).select("time", "host", "q", "n").collect()

        got = as_bits(plain(self.both(ask)))
        assert got.equals(self.model.seen().filter(passing).select(got.columns))

    @rule(least=st.integers(-100, 100), span=ranges())
    def ask_by_sql(self, least, span):
        start, end = (NOW if at is None else at for at in span)
        text = (
            "SELECT host, count(n) AS c, max(n) AS m, sum(q) AS s, last(s) AS w FROM t "
            "WHERE time >= ? AND time < ? AND q > ? GROUP BY host ORDER BY host"
        )
        bounds = [np.datetime64(at, "ns") for at in (start, end)]
        got = self.both(lambda db: db.sql(text, [*bounds, float(least)]))
        seen = self.model.seen().filter(inside(start, end) & (pl.col("q") > least))
        columns = [
            pl.col("n").count().cast(pl.Int64).alias("c"),
            pl.col("n").max().alias("m"),
            pl.col("q").sum().alias("s"),
            pl.col("s").drop_nulls().last().alias("w"),
        ]
        expected = seen.group_by("host").agg(columns).sort("host", nulls_last=True)
        assert plain(got).rows() == expected.rows(), (got, expected)

    @rule(span=ranges())
    def ask_for_series(self, span):
        got = self.both(lambda db: db.series("t", None, *span))
        seen = self.model.only(inside(*span)).seen()
        expected = (
            seen.group_by("host", maintain_order=True)
            .agg(
                pl.col("time").min().alias("first"),
                pl.col("time").max().alias("last"),
                pl.len().cast(pl.Int64).alias("rows"),
            )
            .rows()
        )
        ends = pl.col("first_time", "last_time").cast(pl.Int64)
        assert plain(got).with_columns(ends).rows() == expected

    # --- what always holds ---

    @invariant()
    def all_rows_are_there(self):
        if hasattr(self, "db") and self.changed:
            assert same(shown(self.db.read("t")), self.model)
            if "e" in self.db.tables():
                self.all_events_are_there()
            for database, model in self.snapshots:
                assert same(shown(database.read("t")), model)
            self.changed = False

    def all_events_are_there(self):
        known = self.db.schema("e").fields
        for metric in METRICS:
            if metric not in known:
                assert self.events.seen(metric) == []
                continue
            frame = plain(self.db.read("e", [metric])).with_columns(pl.col("time").cast(pl.Int64))
            got = [(h or "", at, v) for at, h, v in frame.rows() if v is not None]
            assert got == self.events.seen(metric)

    def teardown(self):
        if hasattr(self, "db"):
            for database, model in self.snapshots:
                assert same(shown(database.read("t")), model)
            self.snapshots.clear()
            if self.reader is not None:
                self.reader.close()
            if self.path is None:
                self.db.close()
                return
            assert ky.check(self.path).ok
            self.db.close()
            with ky.open(self.path) as db:
                assert same(shown(db.read("t")), self.model)
            shutil.rmtree(self.folder)


def points(model):
    return sum(model.seen().select(pl.col(*FIELDS).count()).row(0))


def same(got, model):
    """Equal rows in equal order."""
    return got.equals(model.seen())


def shown(frame):
    return as_bits(plain(frame)).select("time", "host", *FIELDS)


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(
    max_examples=int(os.environ.get("KYMOGRAPH_EXAMPLES", "60")),
    stateful_step_count=int(os.environ.get("KYMOGRAPH_STEPS", "18")),
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
