"""Many queries at once beside many writers: no error, no torn answer, memory within its budget.

Every write has as many rows with +1 as with -1, so that whatever a query sees adds up to zero.
The budget is what the process holds before, plus ``cache``, four times ``head`` (past which writers
flush themselves) and ``query_memory``; results are let go as soon as they are checked.

``KYMOGRAPH_LOAD_SECONDS`` (4) sets how long, ``KYMOGRAPH_LOAD_QUERIES`` (100; 1,000 in a run of a
minute or more) how many queries are asked at once, ``KYMOGRAPH_LOAD_SEED`` repeats a run's order.
"""

import os
import random
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

import kymograph as ky

SECONDS = float(os.environ.get("KYMOGRAPH_LOAD_SECONDS", "4"))
QUERIES = int(os.environ.get("KYMOGRAPH_LOAD_QUERIES", "1000" if SECONDS >= 60 else "100"))
SEED = int(os.environ.get("KYMOGRAPH_LOAD_SEED", str(time.time_ns() % 10**9)))
WRITERS, HOSTS, START = 16, 20, 3_000
MIB = 1 << 20
CACHE, HEAD, MEMORY = 64 * MIB, 4 * MIB, 96 * MIB
NAMES = np.char.add("h", np.arange(HOSTS).astype(str))
SIGNS = np.tile([1.0, -1.0], HOSTS // 2)


def resident():
    """Bytes of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def frame(writer, number):
    fields = {"v": SIGNS, "w": np.full(HOSTS, float(writer))}
    return {"time": np.full(HOSTS, number * WRITERS + writer), "host": NAMES, **fields}


def by_host(db, chance):
    got = db.aggregate("t", {"v": ["sum", "count"]}, by="host")
    assert got.height == HOSTS
    assert got["v_sum"].sum() == 0
    assert got["v_count"].n_unique() == 1


def by_time(db, chance):
    got = db.aggregate("t", {"v": ["sum", "count"]}, every=chance.choice([100, 1_000, 10_000]))
    assert (got["v_sum"] == 0).all()
    assert got["v_count"].sum() % HOSTS == 0


def one_series(db, chance):
    host = chance.choice(NAMES.tolist())
    got = db.aggregate("t", {"v": "sum"}, where={"host": host}, start=0, end=10_000)
    assert abs(got["v_sum"].item()) == 10_000


def latest(db, chance):
    assert db.last("t").height == HOSTS


def rows(db, chance):
    # 300,000 rows, far more than is reserved for a query at first.
    start = chance.randrange(START * WRITERS // 2)
    got = db.read("t", ["v"], start=start, end=start + 15_000)
    assert (got.height, got["v"].sum()) == (15_000 * HOSTS, 0)


def sql(db, chance):
    got = db.sql("SELECT host, sum(v) AS s, max(w) AS w FROM t GROUP BY host HAVING s <> 0")
    assert abs(got["s"].sum()) < 1e-9


ASKED = [by_host, by_time, one_series, one_series, latest, latest, rows, sql]


class Load:
    """Threads that ask and write until they are stopped, and what they saw."""

    def __init__(self, db):
        self.db, self.stopped, self.errors = db, threading.Event(), []
        self.took, self.done, self.written = [], Counter(), Counter()
        self.peak = 0

    def run(self, work, *arguments):
        try:
            while not self.stopped.is_set():
                work(*arguments)
        except Exception:
            self.errors.append(traceback.format_exc())
            self.stopped.set()

    def ask(self, chance):
        asked = chance.choice(ASKED)
        began = time.perf_counter()
        asked(self.db, chance)
        self.took.append((time.perf_counter() - began) * 1e3)
        self.done[asked.__name__] += 1

    def write(self, writer):
        self.db.write("t", frame(writer, START + self.written[writer]))
        self.written[writer] += 1
        time.sleep(0.01)

    def watch(self):
        self.peak = max(self.peak, resident())
        time.sleep(0.01)


def test_memory_stays_within_its_budget_under_load(tmp_path):
    print(f"KYMOGRAPH_LOAD_SEED={SEED}")
    whole = [frame(writer, number) for number in range(START) for writer in range(WRITERS)]
    whole = {name: np.concatenate([part[name] for part in whole]) for name in whole[0]}
    with ky.open(tmp_path / "t.ky") as db:
        db.write("t", whole, tags=["host"])
    del whole
    options = {"cache": CACHE, "head": HEAD, "query_memory": MEMORY, "durability": "os"}
    with ky.open(tmp_path / "t.ky", **options) as db:
        for asked in ASKED:
            asked(db, random.Random(SEED))
        load, before = Load(db), resident()
        works = [(load.ask, random.Random(SEED + at)) for at in range(QUERIES)]
        works += [(load.write, writer) for writer in range(WRITERS)] + [(load.watch,)]
        threads = [threading.Thread(target=load.run, args=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            load.stopped.wait(SECONDS)
        finally:
            load.stopped.set()
            for thread in threads:
                thread.join()
        budget = before + CACHE + 4 * HEAD + MEMORY
        p50, p99, slowest = np.percentile(load.took, [50, 99, 100])
        print(
            f"{SECONDS:.0f} s, {QUERIES} queries at once, {WRITERS} writers: {len(load.took)} "
            f"queries, {sum(load.written.values())} writes, {len(load.errors)} errors; p50 "
            f"{p50:.0f} ms, p99 {p99:.0f} ms, slowest {slowest:.0f} ms; {load.peak / MIB:.0f} MiB "
            f"at most of a budget of {budget / MIB:.0f} MiB, {before / MIB:.0f} MiB before"
        )
        assert not load.errors, load.errors[0]
        assert set(load.done) == {asked.__name__ for asked in ASKED}
        assert load.peak <= 1.1 * budget
        total = (START * WRITERS + sum(load.written.values())) * HOSTS
        assert db.aggregate("t", {"v": "count"})["v_count"].item() == total
