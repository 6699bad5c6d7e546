"""Deletes hide at once, and compaction erases from every file."""

import random
from base64 import b85encode

import polars as pl
import pytest

import kymograph as ky
from oracles import MINUTE, each_state, generated, in_order, plain

TAGS = ["host", "dc"]


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ({}, pl.lit(True)),
        ({"where": {"host": "a"}}, pl.col("host").eq_missing(pl.lit("a"))),
        ({"where": {"host": None, "dc": ["x"]}}, pl.col("host").is_null() & (pl.col("dc") == "x")),
        ({"start": 30 * MINUTE}, pl.col("time").cast(pl.Int64) >= 30 * MINUTE),
        (
            {"where": {"dc": "y"}, "start": 9 * MINUTE, "end": 11 * MINUTE + 1},
            (pl.col("dc") == "y")
            & pl.col("time").cast(pl.Int64).is_between(9 * MINUTE, 11 * MINUTE),
        ),
        ({"start": 5, "end": 5}, pl.lit(False)),
        ({"where": {"host": "nobody"}}, pl.lit(False)),
    ],
)
@pytest.mark.parametrize("flushed", [False, True])
def test_what_is_deleted_is_gone_in_every_state(tmp_path, asked, gone, flushed):
    frame = generated(3, 600)
    rest = in_order(frame.filter(~gone), TAGS)

    def fill(db):
        db.write("t", frame, tags=TAGS)
        if flushed:
            db.flush()
        before = db.version
        assert db.delete("t", **asked) > before

    for state, db in each_state(tmp_path / "d.ky", fill):
        assert plain(db.read("t")).equals(rest), state
        count = db.aggregate("t", {"calm": ["count", "max"]})
        if rest.is_empty():
            assert count.is_empty()
            assert db.sum("t", "n") is None
            assert db.last("t").is_empty()
            assert db.series("t").is_empty()
        else:
            assert count.row(0) == (rest["calm"].count(), rest["calm"].max())
            assert db.sum("t", "n") == rest["n"].sum()
            assert db.series("t")["rows"].sum() == rest.height


def test_what_is_written_after_a_delete_stays(tmp_path):
    path = tmp_path / "d.ky"
    with ky.open(path) as db:
        db.write("t", {"time": [1, 2], "v": [1.0, 2.0]})
        db.delete("t", start=2)
        db.write("t", {"time": [2, 3], "v": [20.0, 30.0]})
        for again in (db.flush, db.compact, lambda: None):
            assert db.read("t")["v"].to_list() == [1.0, 20.0, 30.0]
            again()
    with ky.open(path) as db:
        assert db.read("t")["v"].to_list() == [1.0, 20.0, 30.0]


@pytest.mark.parametrize("durability", ["full", "os"])
def test_erased_bytes_are_gone_from_every_file(tmp_path, durability):
    path = tmp_path / "d.ky"
    # Random, so that no codec can shorten them and each stands in the files as it is.
    words = [b85encode(random.Random(row).randbytes(16)).decode() for row in range(50)]

    def found():
        files = [p.read_bytes() for p in path.rglob("*") if p.is_file()]
        return [any(word.encode() in data for data in files) for word in words]

    with ky.open(path, durability=durability) as db:
        hosts = ["secret-host"] * 25 + ["b"] * 25
        db.write("t", {"time": list(range(50)), "host": hosts, "word": words}, tags=["host"])
        assert all(found()), "the words must be found in the log, or this proves nothing"
        db.flush()
        assert all(found())
        db.delete("t", where={"host": "secret-host"})
        assert db.read("t").height == 25
        db.compact()
        assert found() == [False] * 25 + [True] * 25
        assert not any(b"secret-host" in p.read_bytes() for p in path.rglob("*") if p.is_file())
        db.delete("t", start=40)
        db.compact()
        assert found() == [False] * 25 + [True] * 15 + [False] * 10
        db.delete("t")
        db.compact()
        assert not any(found())
        assert db.read("t").is_empty()
        assert db.stats().points == 0
    assert not any(found())
    assert ky.check(path).ok


def test_erasure_takes_older_versions_with_it(tmp_path):
    with ky.open(tmp_path / "d.ky") as db:
        db.write("t", {"time": [1, 2], "v": [1.0, 2.0]})
        old = db.flush()
        db.delete("t", start=2)
        with ky.open(tmp_path / "d.ky", as_of=old) as then:
            assert then.read("t").height == 2
        db.compact()
        assert old not in db.versions()["version"].to_list()
        with pytest.raises(ky.NotFound, match=str(old)):
            ky.open(tmp_path / "d.ky", as_of=old)


def test_retention_drops_old_rows(tmp_path):
    import time

    now = time.time_ns()
    hour = 60 * MINUTE
    with ky.open(tmp_path / "d.ky") as db:
        db.create_table("t", fields={"v": "f64"}, retention="2h")
        db.write("t", {"time": [now - 9 * hour, now - hour, now], "v": [1.0, 2.0, 3.0]})
        assert db.read("t")["v"].to_list() == [2.0, 3.0]
        db.compact()
        assert db.stats().rows == 2
        db.set_retention("t", None)
        assert db.schema("t").retention is None
        assert db.read("t")["v"].to_list() == [2.0, 3.0]


def test_first_and_last_stand_around_deleted_rows():
    with ky.open() as db:
        db.write("t", {"time": [0, 17, 30, 31], "v": [1.5, 2.5, 3.5, 4.5]})
        db.flush()
        db.delete("t", start=17, end=30)
        got = db.aggregate("t", {"v": ["first", "last", "count", "sum"]})
    assert got.row(0) == (1.5, 4.5, 3, 9.5)
