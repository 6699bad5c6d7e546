"""``ky.open()``: a database in memory has every verb and leaves nothing behind."""

import os

import pytest

import kymograph as ky
from oracles import generated, in_order, plain

TAGS = ["host", "dc"]


def test_every_verb_works_without_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = generated(5, 800)
    with ky.open() as db:
        db.write("t", frame, tags=TAGS)
        expected = in_order(frame, TAGS)
        for step in (db.flush, db.compact, lambda: None):
            assert plain(db.read("t")).equals(expected, null_equal=True)
            assert db.scan("t").collect().height == 800
            step()
        version = db.version
        assert db.versions()["version"].max() == version
        snapshot = db.snapshot()
        db.delete("t", where={"host": "a"})
        assert db.read("t").height == frame.filter(frame["host"].ne_missing("a")).height
        assert snapshot.read("t").height == 800
        assert db.stats().segments == 1
        assert db.check().ok
        assert "memory" in repr(db)
    assert os.listdir(tmp_path) == []


def test_two_are_apart():
    with ky.open() as a, ky.open() as b:
        a.write("t", {"time": [1], "v": [1.0]})
        assert b.tables() == []


def test_it_is_gone_when_closed():
    db = ky.open()
    db.write("t", {"time": [1], "v": [1.0]})
    db.close()
    with pytest.raises(ky.InvalidArgument, match="closed"):
        db.read("t")
    with ky.open() as other:
        assert other.tables() == []
