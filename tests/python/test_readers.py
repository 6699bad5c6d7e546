"""A second process reads while the first writes: new rows without reopening, batches whole."""

import subprocess
import sys
import time

import polars as pl
import pytest

import kymograph as ky

WRITER = """
import sys, time
import numpy as np
import kymograph as ky

db = ky.open(sys.argv[1], durability="os", head=100_000)
print("open", flush=True)
end = time.monotonic() + float(sys.argv[2])
batch = 0
while time.monotonic() < end:
    rows = 70_000 if batch % 40 == 20 else 100
    frame = {
        "time": np.arange(rows) + batch * 100_000,
        "host": np.array(["a", "b"])[np.arange(rows) % 2],
        "batch": np.full(rows, batch),
        "rows": np.full(rows, rows),
        "x": np.ones(rows),
    }
    db.write("t", frame, tags=["host"])
    batch += 1
    if batch % 50 == 0:
        db.flush()
    if batch % 170 == 0:
        db.compact()
    time.sleep(0.002)
print("wrote", batch, flush=True)
sys.stdin.readline()
db.close()
"""


def test_live_rows_and_never_a_torn_batch(tmp_path):
    path = str(tmp_path / "live.ky")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path, "4"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout.readline() == "open\n"
        seen, looks, versions = 0, 0, set()
        with ky.open(path, mode="r") as db:
            while "t" not in db.tables():
                time.sleep(0.01)
            while writer.poll() is None and looks < 40:
                batches = (
                    db.read("t")
                    .group_by("batch")
                    .agg(pl.len(), pl.col("rows").first(), pl.col("x").sum())
                )
                assert (batches["len"] == batches["rows"]).all(), "a batch is torn"
                # Batches come in order, so what is there is a prefix that only grows.
                assert sorted(batches["batch"].to_list()) == list(range(batches.height))
                assert batches.height >= seen
                looks += batches.height > seen
                seen = batches.height
                count = db.aggregate("t", {"x": "count"})["x_count"]
                assert count.sum() >= batches["len"].sum()
                versions.add(db.version)
            wrote = int(writer.stdout.readline().split()[1])
            # Not flushed, not closed: the log is read.
            assert db.aggregate("t", {"batch": "max"})["batch_max"].to_list() == [wrote - 1]
            assert looks > 5
            assert len(versions) > 1
            snapshot = db.snapshot()
            before = snapshot.read("t").height
            writer.communicate("\n", timeout=30)
            assert writer.returncode == 0
            assert db.read("t").height == before == snapshot.read("t").height
    finally:
        writer.kill()
        writer.wait()


def test_new_rows_are_seen_within_a_tenth_of_a_second(tmp_path):
    path = tmp_path / "fast.ky"
    with ky.open(path) as db, ky.open(path, mode="r") as reader:
        for at in range(20):
            began = time.perf_counter()
            db.write("t", {"time": [at], "v": [at]})
            while "t" not in reader.tables() or reader.last("t")["v"].to_list() != [at]:
                assert time.perf_counter() - began < 5
            took = time.perf_counter() - began
        assert took < 0.1


def test_a_reader_changes_nothing(tmp_path):
    path = tmp_path / "r.ky"
    with ky.open(path) as db:
        db.write("t", {"time": [1], "v": [1.0]})
        with ky.open(path, mode="r") as reader:
            for change in (
                lambda: reader.write("t", {"time": [2], "v": [2.0]}),
                lambda: reader.delete("t"),
                reader.flush,
                reader.compact,
                lambda: reader.create_table("u"),
                lambda: reader.set_retention("t", "1d"),
            ):
                with pytest.raises(ky.InvalidArgument, match='mode="rw"'):
                    change()
        assert db.read("t").height == 1
