"""Live readers in processes of their own beside a writer that flushes, compacts and drops by
retention all the time: no error, and no view that is torn.

Write number n has a row of some hosts, all at one time, that say n and how many they are, and whose
values add up to zero. So a view is whole when each of its writes is whole and none is missing
between the first and the last; retention hides whole writes, oldest first.

``KYMOGRAPH_READERS_SECONDS`` (3) sets how long, ``KYMOGRAPH_READERS`` how many readers (16 in a run
of a minute or more, otherwise 4), ``KYMOGRAPH_READERS_SEED`` repeats the order of what is done.
"""

import contextlib
import multiprocessing
import os
import random
import threading
import time
import traceback
from pathlib import Path

import numpy as np

import kymograph as ky

SECONDS = float(os.environ.get("KYMOGRAPH_READERS_SECONDS", "3"))
READERS = int(os.environ.get("KYMOGRAPH_READERS", "16" if SECONDS >= 60 else "4"))
SEED = int(os.environ.get("KYMOGRAPH_READERS_SEED", str(time.time_ns() % 10**9)))
KEEP = "1500ms"
LARGE = 70_000
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["kymograph", "numpy", "test_reader_processes"])


class Torn(AssertionError):
    """A view that no order of whole writes explains."""


class View:
    """What one query saw: the first and the last write, none for neither."""

    def __init__(self, n, rows, v):
        self.first = self.last = None
        if len(n) == 0:
            return
        numbers, place, found = np.unique(n, return_index=True, return_counts=True)
        sums = np.zeros(len(numbers))
        np.add.at(sums, np.searchsorted(numbers, n), v)
        if not np.array_equal(found, rows[place]):
            bad = numbers[found != rows[place]][:5]
            raise Torn(f"writes {bad} have {found[found != rows[place]][:5]} of their rows")
        if sums.any():
            raise Torn(f"writes {numbers[sums != 0][:5]} do not add up to zero")
        self.first, self.last = int(numbers[0]), int(numbers[-1])
        if len(numbers) != self.last - self.first + 1:
            raise Torn(f"{len(numbers)} writes from {self.first} to {self.last}")


def read(db):
    got = db.read_numpy("t", ["n", "rows", "v"])
    return View(got["n"], got["rows"], got["v"])


def aggregated(db):
    got = db.aggregate("t", {"n": ["min", "max"], "v": ["count", "sum"]}, by="host")
    if got.height == 0:
        return View([], [], [])
    if got["v_sum"].sum() != 0:
        raise Torn(f"all values add up to {got['v_sum'].sum()}")
    view = View([], [], [])
    view.first, view.last = got["n_min"].min(), got["n_max"].max()
    return view


def queried(db):
    got = db.sql("SELECT n, count(*) AS found, min(rows) AS rows, sum(v) AS v FROM t GROUP BY n")
    if (got["found"] != got["rows"]).any() or (got["v"] != 0).any():
        raise Torn(f"{got}")
    numbers = np.sort(got["n"].to_numpy())
    return View(numbers, np.ones(len(numbers), np.int64), np.zeros(len(numbers)))


LOOKS = [read, aggregated, queried]


def look_on(path, seed, acknowledged, stop, told):
    """Looks until it is told to stop; tells how often, and what went wrong."""
    chance = random.Random(seed)
    looks, held, newest = 0, 0, -1
    try:
        db = ky.open(path, mode="r")
        while not stop.is_set():
            before, look = acknowledged.value, chance.choice(LOOKS)
            view = look(db)
            if view.last is not None:
                if view.last < newest:
                    raise Torn(f"{look.__name__}: {view.last} after {newest} was seen")
                newest = view.last
                if view.last < before:
                    raise Torn(f"{look.__name__}: {view.last} is last, {before} was acknowledged")
            looks += 1
            if looks == 1 or chance.random() < 0.02:
                # Longer than it takes for every file of it to be replaced.
                with db.snapshot() as snapshot:
                    version, first = snapshot.version, read(snapshot)
                    time.sleep(chance.random())
                    again = chance.choice(LOOKS)(snapshot)
                    if snapshot.version != version or again.last not in (first.last, None):
                        raise Torn(f"a snapshot of {first.last} shows {again.last}")
                held += 1
            if chance.random() < 0.02:
                db.close()
                db = ky.open(path, mode="r")
    except BaseException:
        told.put((looks, held, traceback.format_exc()))
        return
    told.put((looks, held, None))


def frame(number, chance):
    """Write ``number``: its rows' values are whole numbers, so that they add up exactly."""
    rows = LARGE if chance.random() < 0.004 else chance.randrange(2, 40)
    v = np.array([chance.randrange(-1000, 1000) for _ in range(min(rows, 64) - 1)], float)
    v = np.concatenate([v, np.zeros(rows - 1 - len(v))])
    host = np.char.add("h", (np.arange(rows) % 8).astype(str))
    return {
        "time": np.full(rows, time.time_ns()),
        "host": host,
        "n": np.full(rows, number),
        "rows": np.full(rows, rows),
        "v": np.append(v, -v.sum()),
    }


def upkeep(db, stop, failed):
    """Flushes and compacts, over and over, beside what the background does."""
    try:
        while not stop.wait(0.05):
            db.flush()
            db.compact()
    except Exception:
        failed.append(traceback.format_exc())


def start(path, seed, acknowledged, stop, told):
    reader = PROCESSES.Process(target=look_on, args=(path, seed, acknowledged, stop, told))
    reader.start()
    return reader


def segments(path):
    return sum(1 for _ in Path(path, "segment").iterdir())


def test_no_reader_sees_a_torn_view_or_an_error(tmp_path):
    print(f"KYMOGRAPH_READERS_SEED={SEED}")
    chance, path = random.Random(SEED), str(tmp_path / "t.ky")
    acknowledged, told = PROCESSES.Value("q", -1, lock=False), PROCESSES.Queue()
    stop, done, failed = PROCESSES.Event(), threading.Event(), []
    with ky.open(path, durability="os", head="50kB", history=0) as db:
        fields = {"n": "i64", "rows": "i64", "v": "f64"}
        db.create_table("t", ["host"], fields, retention=KEEP)
        readers = [start(path, SEED + at, acknowledged, stop, told) for at in range(READERS)]
        # One that is killed wherever it is, again and again: what dead readers held is given up.
        victims, killed, most = [], 0, 0
        never, scrap = PROCESSES.Event(), PROCESSES.SimpleQueue()
        keeper = threading.Thread(target=upkeep, args=(db, done, failed))
        keeper.start()
        try:
            began = time.monotonic()
            while (leases := db.stats().readers) < READERS:
                assert time.monotonic() - began < 60, "the readers do not open"
                time.sleep(0.01)
            end, number = time.monotonic() + SECONDS, 0
            while time.monotonic() < end and all(reader.is_alive() for reader in readers):
                db.write("t", frame(number, chance))
                acknowledged.value = number
                number += 1
                if number % 100 == 0:
                    most = max(most, segments(path))
                    leases = max(leases, db.stats().readers)
                    while victims:
                        victims[0].kill()
                        victims.pop(0).join()
                        killed += 1
                    victims.append(start(path, number, acknowledged, never, scrap))
                time.sleep(0.002)
        finally:
            done.set()
            keeper.join()
            stop.set()
            for victim in victims:
                victim.kill()
                victim.join()
        found = [told.get(timeout=60) for _ in readers]
        for reader in readers:
            reader.join(20)
        errors = [error for _, _, error in found if error]
        looks, held = sum(one[0] for one in found), sum(one[1] for one in found)
        print(
            f"{SECONDS:.0f} s, {READERS} readers: {looks} looks, {held} snapshots held, {number} "
            f"writes, {db.version} versions, {killed} readers killed, {len(errors)} errors, at "
            f"most {leases} leases and {most} segments"
        )
        assert not errors, errors[0]
        assert not failed, failed[0]
        assert looks > READERS
        assert held >= READERS
        # Nobody is left, so nothing is kept.
        assert db.stats().readers == 0
        db.compact()
        with contextlib.suppress(FileNotFoundError):
            assert list(Path(path, "readers").iterdir()) == []
        assert segments(path) <= 2
        assert db.check().ok
