"""versions, snapshot, as_of and how history expires."""

import polars as pl
import pytest

import kymograph as ky
from oracles import NS


def test_each_version_shows_its_own_state(tmp_path):
    path = tmp_path / "v.ky"
    heights = {}
    with ky.open(path) as db:
        for at in range(6):
            db.write("t", {"time": [at], "v": [at]})
            heights[db.flush()] = at + 1
        versions = db.versions()
        assert dict(versions.schema) == {"version": pl.Int64, "time": NS}
        assert versions["version"].is_sorted()
        assert versions["time"].is_sorted()
        assert versions["version"].max() == db.version
        for version, height in heights.items():
            with ky.open(path, as_of=version) as then:
                assert then.version == version
                assert then.read("t")["v"].to_list() == list(range(height))
                assert then.sum("t", "v") == sum(range(height))
                assert "read-only" in repr(then)
                with pytest.raises(ky.InvalidArgument, match="as_of"):
                    then.write("t", {"time": [9], "v": [9]})
        with ky.open(path, mode="r", as_of=min(heights)) as then:
            db.write("t", {"time": [7], "v": [7]})
            db.compact()
            assert then.read("t").height == heights[min(heights)]


def test_a_snapshot_stands_still(tmp_path):
    with ky.open(tmp_path / "v.ky") as db:
        db.write("t", {"time": [1], "v": [1]})
        in_memory = db.snapshot()
        db.flush()
        on_disk = db.snapshot()
        db.write("t", {"time": [2], "v": [2]})
        later = db.snapshot()
        db.delete("t", end=2)
        db.compact()
        db.write("u", {"time": [1], "v": [1]})
        assert db.read("t")["v"].to_list() == [2]
        for _ in range(2):
            assert in_memory.read("t")["v"].to_list() == [1]
            assert on_disk.read("t")["v"].to_list() == [1]
            assert later.read("t")["v"].to_list() == [1, 2]
            assert later.tables() == ["t"]
            assert later.aggregate("t", {"v": "sum"})["v_sum"].to_list() == [3]
            db.compact()
        with pytest.raises(ky.InvalidArgument, match="snapshot"):
            later.write("t", {"time": [3], "v": [3]})
        later.close()
        with pytest.raises(ky.InvalidArgument, match="closed"):
            later.read("t")
        assert db.read("t").height == 1


def test_history_expires(tmp_path):
    path = tmp_path / "v.ky"
    with ky.open(path, history=3) as db:
        for at in range(12):
            db.write("t", {"time": [at], "v": [at]})
            db.flush()
        newest = db.version
        versions = db.versions()["version"].to_list()
        assert versions == list(range(newest - 3, newest + 1))
        with ky.open(path, as_of=newest - 3) as then:
            assert then.read("t").height == 9
        with pytest.raises(ky.NotFound, match=str(newest - 5)):
            ky.open(path, as_of=newest - 5)
        db.compact()
        for at in range(12, 18):
            db.write("t", {"time": [at], "v": [at]})
            db.flush()
        assert db.read("t").height == 18
    # Segments that only expired versions listed are gone from the disk.
    with ky.open(path, history=3) as db:
        listed = 0
        for version in db.versions()["version"]:
            with ky.open(path, as_of=version) as then:
                listed += then.stats().segments
        assert 0 < len(list(path.rglob("*.seg"))) <= listed
    assert ky.check(path).ok


def test_a_write_tells_the_version_that_has_it(tmp_path):
    path = tmp_path / "v.ky"
    with ky.open(path) as db:
        rows = 300_000
        large = {"time": list(range(rows)), "v": [1.0] * rows}
        result = db.write("t", large)
        assert result.version == db.version
        with ky.open(path, as_of=result.version) as then:
            assert then.read("t").height == rows
