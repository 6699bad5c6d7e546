"""kill -9 at any moment: no acknowledged row is lost, and no write is there by half.

``KYMOGRAPH_KILLS`` sets the rounds (200); ``KYMOGRAPH_KILL_SEED`` repeats a run.
"""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter

import numpy as np
import polars as pl
import pytest

import kymograph as ky

ROUNDS = int(os.environ.get("KYMOGRAPH_KILLS", "200"))
SEED = int(os.environ.get("KYMOGRAPH_KILL_SEED", str(time.time_ns() % 10**9)))
LARGE = 70_000
# Its children are forked from a process that has imported everything and opened nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["kymograph", "numpy", "test_kill"])


def write_until_killed(path, durability, first, seed, told):
    """Writes small and large frames, and tells of each before it begins and when it is kept."""
    rng = np.random.default_rng(seed)
    db = ky.open(path, durability=durability, head=200_000, history=4)
    told.send(("open", 0, 0))
    write = first
    while True:
        rows = LARGE if rng.random() < 0.06 else int(rng.integers(1, 60))
        at = np.arange(rows)
        frame = {
            "time": at * 1000 + write,
            "host": np.array(["a", "b", "c"])[at % 3],
            "write": np.full(rows, write),
            "row": at,
            "rows": np.full(rows, rows),
            "x": write + at / 8,
        }
        told.send(("start", write, rows))
        db.write("t", frame, tags=["host"])
        told.send(("done", write, rows))
        write += 1
        chance = rng.random()
        if chance < 0.05:
            db.flush()
        elif chance < 0.06:
            db.compact()


class Life:
    """Rounds of one database: what was acknowledged, and what may or may not be there."""

    def __init__(self, path, durability):
        self.path, self.durability = path, durability
        self.acknowledged = Counter()
        self.next = 0

    def round(self, chance):
        """One child's life; returns the writes that it began and was not told to be kept."""
        ours, theirs = PROCESSES.Pipe(duplex=False)
        child = PROCESSES.Process(
            target=write_until_killed,
            args=(self.path, self.durability, self.next, chance.randrange(2**31), theirs),
        )
        child.start()
        theirs.close()
        assert ours.recv()[0] == "open"
        time.sleep(chance.choice([0.0, 0.004, 0.04, 0.2]) * chance.random())
        child.kill()
        started = {}
        try:
            while True:
                what, number, rows = ours.recv()
                self.next = number + 1
                (started if what == "start" else self.acknowledged)[number] = rows
        except EOFError:
            pass
        child.join()
        assert child.exitcode == -signal.SIGKILL
        return {number: rows for number, rows in started.items() if not self.acknowledged[number]}

    def look(self, open_writes):
        with ky.open(self.path, durability=self.durability) as db:
            if "t" not in db.tables():
                assert not +self.acknowledged
                return
            found = db.read("t")
            whole = db.aggregate("t", {"x": ["count", "sum"]})
        by_write = found.group_by("write").agg(
            pl.len(), pl.col("row").n_unique().alias("distinct"), pl.col("rows").first()
        )
        there = {row["write"]: row for row in by_write.iter_rows(named=True)}
        for row in there.values():
            assert row["len"] == row["distinct"] == row["rows"], (
                f"write {row['write']} of {row['rows']} rows is there by {row['len']}"
            )
        lost = {number for number in +self.acknowledged if number not in there}
        assert not lost, f"acknowledged writes are lost: {sorted(lost)}"
        strange = set(there) - set(+self.acknowledged) - set(open_writes)
        assert not strange, f"writes are there that nobody started: {sorted(strange)}"
        right = found["x"] == found["write"] + found["row"] / 8
        assert right.all()
        assert (found["time"].cast(pl.Int64) == found["row"] * 1000 + found["write"]).all()
        if found.height:
            assert whole["x_count"][0] == found.height
            assert whole["x_sum"][0] == pytest.approx(found["x"].sum())
        # What is there now has been seen, so it must stay.
        for number in there:
            self.acknowledged[number] = there[number]["rows"]


def test_no_acknowledged_row_is_lost(tmp_path):
    chance = random.Random(SEED)
    lives = 0
    rounds = acknowledged = 0
    print(f"KYMOGRAPH_KILL_SEED={SEED}")
    while rounds < ROUNDS:
        durability = ("full", "interval", "os")[lives % 3]
        life = Life(str(tmp_path / f"{lives}.ky"), durability)
        lives += 1
        # A database lives through several kills, so that what a recovery leaves is killed too.
        for _ in range(min(8, ROUNDS - rounds)):
            life.look(life.round(chance))
            rounds += 1
        report = ky.check(life.path)
        assert report.ok, report.damage
        acknowledged += len(+life.acknowledged)
    assert rounds == ROUNDS
    assert acknowledged > ROUNDS / 2, "the children were killed before they wrote anything"
