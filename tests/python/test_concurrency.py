"""1,000 queries from 64 threads beside a steady writer: every answer is of one moment.

The writer's frame number k has one row of each host, all at the same time and with the value k, so
that what any query sees must be the first frames, whole. ``KYMOGRAPH_CONCURRENCY_SEED`` repeats
the order in which a run asks.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from oracles import nanos

QUERIES, THREADS, HOSTS, WRITES = 1_000, 64, 40, 100
STEP, BUCKET = 10**9, 8
SEED = int(os.environ.get("KYMOGRAPH_CONCURRENCY_SEED", str(time.time_ns() % 10**9)))
NAMES = [f"host{host:02}" for host in range(HOSTS)]


def added(frames):
    """The sum of one host's values after so many frames."""
    return frames * (frames - 1) / 2


def by_host(db):
    got = db.aggregate("t", {"v": ["count", "sum", "min", "max"]}, by="host")
    assert got["host"].cast(pl.String).to_list() == NAMES
    (frames,) = set(got["v_count"])
    assert set(got["v_sum"]) == {added(frames)}
    assert (set(got["v_min"]), set(got["v_max"])) == ({0}, {frames - 1})
    return frames


def by_time(db):
    got = db.aggregate("t", {"v": ["count", "sum"]}, every=BUCKET * STEP)
    rows = got["v_count"].sum()
    frames, torn = divmod(rows, HOSTS)
    assert torn == 0
    assert set(got["v_count"][:-1]) <= {BUCKET * HOSTS}
    assert got["v_sum"].sum() == HOSTS * added(frames)
    return frames


def by_time_and_host(db):
    got = db.aggregate("t", {"v": ["count", "p50"]}, every=BUCKET * STEP, by="host")
    assert got.group_by("time").agg(pl.col("v_count").n_unique())["v_count"].max() == 1
    assert got.group_by("time").agg(pl.col("v_p50").n_unique())["v_p50"].max() == 1
    frames, torn = divmod(got["v_count"].sum(), HOSTS)
    assert torn == 0
    return frames


def total(db):
    found = db.sum("t", "v") / HOSTS
    frames = round((1 + (1 + 8 * found) ** 0.5) / 2)
    assert found == added(frames), "no number of whole frames adds up to this"
    return frames


def latest(db):
    got = db.last("t")
    assert got.height == HOSTS
    ((value, at),) = set(zip(got["v"], nanos(got), strict=True))
    assert at == value * STEP
    return int(value) + 1


def listed(db):
    got = db.series("t")
    (frames,) = set(got["rows"])
    assert set(nanos(got, "last_time")) == {(frames - 1) * STEP}
    return frames


def rows(db):
    got = db.read("t")
    frames, torn = divmod(got.height, HOSTS)
    assert torn == 0
    expected = np.tile(np.arange(frames), HOSTS)
    assert np.array_equal(got["v"].to_numpy(), expected)
    assert np.array_equal(got["time"].to_physical().to_numpy(), expected * STEP)
    return frames


def scanned(db):
    got = db.scan("t").group_by("host").agg(pl.len(), pl.col("v").sum()).collect()
    ((frames, value),) = set(zip(got["len"], got["v"], strict=True))
    assert (got.height, value) == (HOSTS, added(frames))
    return frames


def twice(db):
    moment = db.snapshot()
    frames = by_host(moment)
    assert total(moment) == rows(moment) == frames
    return frames


ASKED = [by_host, by_time, by_time_and_host, total, latest, listed, rows, scanned, twice]


class Writer(threading.Thread):
    """Writes a frame, tells that it is kept, and again, with a flush or a compaction at times."""

    def __init__(self, db):
        super().__init__(daemon=True)
        self.db, self.begun, self.kept = db, 0, 0
        self.stopped, self.error = threading.Event(), None

    def run(self):
        try:
            while not self.stopped.is_set():
                self.write()
                if self.kept % 7 == 0:
                    self.db.flush()
                if self.kept % 20 == 0:
                    self.db.compact()
        except Exception as error:
            self.error = error

    def write(self):
        number = self.begun
        self.begun += 1
        frame = {"time": [number * STEP] * HOSTS, "host": NAMES, "v": np.full(HOSTS, float(number))}
        self.db.write("t", frame, tags=["host"])
        self.kept += 1


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_every_answer_is_of_one_moment(where, tmp_path):
    print(f"KYMOGRAPH_CONCURRENCY_SEED={SEED}")
    chance = random.Random(SEED)
    asked = [chance.choice(ASKED) for _ in range(QUERIES)]
    # The interpreter hands over between threads much more often than it would.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    path = None if where == "memory" else tmp_path / "t.ky"
    try:
        with ky.open(path, head="100kB", durability=None if path is None else "os") as db:
            writer = Writer(db)
            writer.write()
            writer.start()
            first = writer.kept

            def one(ask):
                before = writer.kept
                frames = ask(db)
                # What was kept before the query began is there, and nothing from the future.
                assert before <= frames <= writer.begun, (ask.__name__, before, frames)
                return ask.__name__

            with ThreadPoolExecutor(THREADS) as threads:
                done = Counter(threads.map(one, asked))
                # Queries may be too fast for the writer to have done much meanwhile.
                while writer.kept - first < WRITES and writer.error is None:
                    done.update(threads.map(one, asked[:THREADS]))
            written = writer.kept - first
            writer.stopped.set()
            writer.join()
            assert writer.error is None
            assert rows(db) == by_host(db) == writer.kept
            assert db.check().ok
    finally:
        sys.setswitchinterval(interval)
    print(f"{sum(done.values())} queries, {written} frames were written meanwhile")
    assert sum(done.values()) >= QUERIES
    assert set(done) == {ask.__name__ for ask in ASKED}
