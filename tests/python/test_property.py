"""Any interleaving of the verbs leaves what a plain list of rows would hold."""

import os
import shutil
import tempfile

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
from oracles import plain

HOSTS = ("a", "b", None)
FIELDS = {"f": pl.Float64, "n": pl.Int64, "s": pl.String, "up": pl.Boolean}
SPAN = 40
"""Times are 0 to SPAN, so that they meet."""
LARGE = 70_000
"""Rows of four fields that pass the head by and go straight into a segment."""

floats = st.one_of(
    st.none(), st.sampled_from([float("nan"), -0.0, float("inf"), 1.5]), st.floats(width=64)
)
rows = st.tuples(
    st.integers(0, SPAN),
    st.sampled_from(HOSTS),
    floats,
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), st.text(max_size=4)),
    st.one_of(st.none(), st.booleans()),
)


def as_frame(rows, fields):
    schema = {"time": pl.Int64, "host": pl.String, **{name: FIELDS[name] for name in fields}}
    picked = [(row[0], row[1], *(row[2 + list(FIELDS).index(f)] for f in fields)) for row in rows]
    return pl.DataFrame(picked, schema=schema, orient="row").with_columns(
        pl.col("time").cast(pl.Datetime("ns", "UTC"))
    )


class Model:
    """All rows ever written and not deleted, in the order of their arrival."""

    def __init__(self, duplicates, rows=None):
        self.duplicates = duplicates
        self.rows = as_bits(as_frame([], list(FIELDS))) if rows is None else rows

    def copy(self):
        return Model(self.duplicates, self.rows)

    def write(self, frame):
        self.rows = pl.concat([self.rows, as_bits(frame)], how="diagonal")

    def delete(self, hosts, start, end):
        gone = pl.lit(True)
        if hosts is not None:
            gone &= pl.any_horizontal(pl.col("host").eq_missing(host) for host in hosts)
        if start is not None:
            gone &= pl.col("time") >= start
        if end is not None:
            gone &= pl.col("time") < end
        self.rows = self.rows.filter(~gone)

    def seen(self):
        """What ``read`` shows: by series, then time, then arrival."""
        ordered = self.rows.sort("host", "time", nulls_last=False, maintain_order=True)
        if self.duplicates == "keep":
            return ordered
        values = pl.col(*FIELDS).drop_nulls().last()
        merged = ordered.group_by("host", "time", maintain_order=True).agg(values)
        return merged.select(ordered.columns)


def as_bits(frame):
    """Times as ints and floats by their bits, so that equal is equal."""
    frame = frame.with_columns(pl.col("time").cast(pl.Int64))
    if "f" in frame.columns:
        raw = frame["f"].fill_null(0.0).to_numpy().view(np.uint64)
        known = pl.col("f").is_not_null()
        frame = frame.with_columns(f=pl.when(known).then(pl.Series(raw)))
    return frame


class AnyInterleaving(RuleBasedStateMachine):
    @initialize(duplicates=st.sampled_from(["keep", "last"]))
    def begin(self, duplicates):
        self.folder = tempfile.mkdtemp(prefix="kymograph-property-")
        self.path = os.path.join(self.folder, "p.ky")
        self.db = ky.open(self.path, durability="os")
        self.db.create_table(
            "t", ["host"], {"f": "f64", "n": "i64", "s": "str", "up": "bool"}, duplicates=duplicates
        )
        self.model = Model(duplicates)
        self.snapshots = []
        self.large = 0
        self.deleted = False

    @rule(rows=st.lists(rows, min_size=1, max_size=30))
    def write_small(self, rows):
        frame = as_frame(rows, list(FIELDS))
        result = self.db.write("t", frame, tags=["host"])
        assert result.rows == len(rows)
        assert result.points == sum(value is not None for row in rows for value in row[2:])
        before = self.model.copy()
        self.model.write(frame)
        if self.model.duplicates == "last":
            assert result.replaced == points(before) + result.points - points(self.model)
        else:
            assert result.replaced == 0
        if not self.deleted:
            newest = dict(before.rows.group_by("host").agg(pl.col("time").max()).iter_rows())
            late = sum(time < newest.get(host, time) for time, host, *_ in rows)
            assert result.late == late

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
            self.model.write(frame)

    @precondition(lambda self: self.large < 1)
    @rule(seed=st.integers(0, 9), host=st.sampled_from(HOSTS))
    def write_large(self, seed, host):
        self.large += 1
        at = pl.int_range(seed, seed + LARGE, eager=True)
        frame = pl.DataFrame(
            {
                "time": at.cast(pl.Datetime("ns", "UTC")),
                "host": pl.Series([host] * LARGE, dtype=pl.String),
                "f": at / 4,
                "n": at - 7,
                "s": (at % 3).cast(pl.String),
                "up": at % 2 == 0,
            }
        ).sample(fraction=1, shuffle=True, seed=seed)
        self.db.write("t", frame, tags=["host"])
        self.model.write(frame)

    @rule(
        hosts=st.one_of(st.none(), st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)),
        ends=st.tuples(st.integers(-1, SPAN), st.integers(0, SPAN)),
        open_start=st.booleans(),
        open_end=st.booleans(),
    )
    def delete(self, hosts, ends, open_start, open_end):
        start = None if open_start else ends[0]
        end = None if open_end else ends[0] + ends[1]
        self.db.delete("t", None if hosts is None else {"host": hosts}, start, end)
        self.model.delete(hosts, start, end)
        self.deleted = True

    @rule()
    def flush(self):
        self.db.flush()

    @rule()
    def compact(self):
        self.db.compact()

    @rule(closes=st.booleans())
    def reopen(self, closes):
        if closes:
            self.db.close()
        else:
            # What a handle that is dropped leaves is what a kill leaves: the log.
            del self.db
        self.snapshots.clear()
        self.db = ky.open(self.path, durability="os")

    @precondition(lambda self: len(self.snapshots) < 2)
    @rule()
    def snapshot(self):
        self.snapshots.append((self.db.snapshot(), self.model.copy()))

    @rule(start=st.integers(-5, SPAN), length=st.integers(0, SPAN), host=st.sampled_from(HOSTS))
    def ask_a_range(self, start, length, host):
        inside = pl.col("time").is_between(start, start + length, closed="left")
        part = self.model.copy()
        part.rows = part.rows.filter(inside, pl.col("host").eq_missing(pl.lit(host)))
        expected, where = part.seen(), {"host": host}
        assert same(shown(self.db.read("t", None, where, start, start + length)), part)
        count = self.db.aggregate(
            "t", {"n": ["count", "max"]}, where=where, start=start, end=start + length
        )
        values = expected["n"].drop_nulls().to_list()
        if values:
            assert count.row(0) == (len(values), max(values))
        else:
            # Of a table that keeps all, rows without any point of the field make a row.
            keeps = self.model.duplicates == "keep"
            assert count.rows() in ([], [(0, None)] if keeps else [])
        total = self.db.sum("t", "n", where, start, start + length)
        assert total == (sum(values) if values else None)

    @invariant()
    def all_rows_are_there(self):
        if hasattr(self, "db"):
            assert same(shown(self.db.read("t")), self.model)

    @invariant()
    def snapshots_stand_still(self):
        for database, model in getattr(self, "snapshots", []):
            assert same(shown(database.read("t")), model)

    def teardown(self):
        if hasattr(self, "db"):
            assert ky.check(self.path).ok
            self.snapshots.clear()
            self.db.close()
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
    stateful_step_count=18,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
