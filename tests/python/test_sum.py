"""Sums over ranges: as Polars has them, exact for integers, null of nothing, quick over blocks."""

import random
import time

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from oracles import MINUTE, each_state, generated, last_wins

TAGS = ["host", "dc"]


@pytest.mark.parametrize("duplicates", ["keep", "last"])
def test_as_polars(tmp_path, duplicates):
    frame = generated(61)
    rows = frame if duplicates == "keep" else last_wins(frame, TAGS)
    chance = random.Random(5)
    ranges = [(None, None), (0, 1)]
    for _ in range(25):
        start = chance.randrange(0, 130) * MINUTE - chance.randrange(3)
        ranges.append((start, start + chance.randrange(0, 60) * MINUTE))

    def fill(db):
        for part in frame.iter_slices(1_100):
            db.write("t", part, tags=TAGS, duplicates=duplicates)

    for state, db in each_state(tmp_path / "s.ky", fill):
        for start, end in ranges:
            ticks = pl.col("time").cast(pl.Int64)
            inside = (ticks >= (start or -(2**62))) & (ticks < (end or 2**62))
            for where, keep in ((None, pl.lit(True)), ({"dc": "x"}, pl.col("dc") == "x")):
                part = rows.filter(inside, keep)
                for field in ("calm", "n", "up", "wild"):
                    values = part[field].drop_nulls()
                    got = db.sum("t", field, where, start, end)
                    if values.is_empty():
                        assert got is None
                    elif field in ("n", "up"):
                        assert (type(got), got) == (int, values.sum()), state
                    else:
                        assert got == pytest.approx(values.sum(), rel=1e-9, nan_ok=True)


def test_integers_are_exact_past_i64():
    with ky.open() as db:
        most = 2**63 - 1
        db.write("t", {"time": [1, 2, 3], "n": [most, most, -5]})
        for _ in range(2):
            assert db.sum("t", "n") == 2 * most - 5
            db.flush()


def test_nan_and_infinity():
    with ky.open() as db:
        inf = float("inf")
        db.write("t", {"time": [1, 2, 3], "v": [1.0, float("nan"), inf]})
        for _ in range(2):
            assert np.isnan(db.sum("t", "v"))
            assert db.sum("t", "v", end=2) == 1.0
            assert db.sum("t", "v", start=3) == inf
            assert db.sum("t", "v", start=4) is None
            db.flush()
        db.write("s", {"time": [1], "s": ["x"]})
        with pytest.raises(ky.InvalidArgument, match="string, which has no sum"):
            db.sum("s", "s")


def test_a_long_series_is_summed_from_its_statistics():
    rows = 2_000_000
    values = np.arange(rows, dtype=np.int64)
    with ky.open() as db:
        db.write("t", {"time": values * 10, "n": values, "v": values / 2})
        chance = random.Random(6)
        for _ in range(50):
            a, b = sorted(chance.randrange(rows) for _ in range(2))
            total = (a + b - 1) * (b - a) // 2
            got = db.sum("t", "n", start=a * 10, end=(b - 1) * 10 + 1)
            assert got == (total if b > a else None)
        began = time.perf_counter()
        for _ in range(200):
            assert db.sum("t", "v", start=10, end=(rows - 1) * 10) > 0
        # Decoding two million values takes longer than this for a single sum.
        assert (time.perf_counter() - began) / 200 < 0.005
