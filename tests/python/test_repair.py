"""Damaged databases: what ``check`` names, what an open says, what a repair keeps and reports."""

import shutil

import numpy as np
import pytest

import kymograph as ky
from kymograph.cli import app

HOUR = 3_600_000_000_000


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 16
    path.write_bytes(bytes(data))


@pytest.fixture
def folder(tmp_path):
    """Two hosts in a segment, rows in the log of a database that was never closed."""
    made = tmp_path / "made.ky"
    db = ky.open(made)
    frame = {
        "time": np.repeat(np.arange(50) * HOUR, 2),
        "host": ["a", "b"] * 50,
        "usage": np.sqrt(np.arange(100)),
        "state": ["up", "down"] * 50,
    }
    db.write("cpu", frame, tags=["host"])
    db.flush()
    db.write("cpu", {"time": [60 * HOUR], "host": ["a"], "usage": [1.0]}, tags=["host"])
    db.write("cpu", {"time": [61 * HOUR], "host": ["b"], "usage": [2.0]}, tags=["host"])
    killed = tmp_path / "killed.ky"
    shutil.copytree(made, killed)
    db.close()
    return killed


def largest(folder, pattern):
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


def test_a_whole_database_has_nothing_to_repair(folder):
    assert ky.check(folder).ok
    with ky.open(folder, repair=True) as db:
        assert db.repaired == ky.Repair(version=None, quarantined=[], lost=[])
        assert db.repaired.tables().height == 0
        assert db.read("cpu").height == 102
    with ky.open(folder) as db:
        assert db.repaired is None
    assert not (folder / "quarantine").exists()


def test_a_damaged_chunk_is_named_and_costs_its_rows_largest(folder):
    segment = largest(folder, "segment/*")
    flip(segment, 40)
    report = ky.check(folder)
    assert not report
    (damage,) = report.damage
    assert damage.file == f"segment/{segment.name}"
    assert damage.table == "cpu"
    assert damage.series == {"host": "a"}
    assert (damage.first_time, damage.last_time) == (0, 49 * HOUR)
    # An open does not read segments; a query that does says which file it is.
    with ky.open(folder) as db, pytest.raises(ky.Corrupt, match=segment.name):
        db.read("cpu")
    with ky.open(folder, repair=True) as db:
        (loss,) = db.repaired.lost
        assert (loss.table, loss.series, loss.rows) == ("cpu", {"host": "a"}, 50)
        assert (loss.first_time, loss.last_time) == (0, 49 * HOUR)
        (kept,) = db.repaired.quarantined
        assert (folder / kept.kept).stat().st_size == segment_size(kept, folder)
        assert db.repaired.tables()["series"].to_list() == ["host=a"]
        assert db.read("cpu", where={"host": "b"}).height == 51
        assert db.read("cpu", where={"host": "a"})["time"].cast(int).to_list() == [60 * HOUR]
        assert db.check().ok
        db.write("cpu", {"time": [62 * HOUR], "host": ["a"], "usage": [1.0]}, tags=["host"])
    assert ky.check(folder).ok


def segment_size(kept, folder):
    assert kept.file.startswith("segment/")
    assert not (folder / kept.file).exists()
    return len((folder / kept.kept).read_bytes())


def test_a_log_that_ends_before_its_mark_is_refused_with_what_a_repair_would_lose(folder):
    log = largest(folder, "wal/*.wal")
    data = log.read_bytes()
    log.write_bytes(data[:-1])
    with pytest.raises(ky.Corrupt, match=r"acknowledged.*repair=True.*lose.*1 write"):
        ky.open(folder)
    with pytest.raises(ky.Corrupt, match="mark"):
        ky.open(folder, mode="r")
    assert [damage.file for damage in ky.check(folder).damage] == [f"wal/{log.name}"]
    with ky.open(folder, repair=True) as db:
        (loss,) = db.repaired.lost
        assert "1 write" in loss.what
        assert loss.table is None
        assert db.read("cpu").height == 101
    assert ky.check(folder).ok


def test_a_damaged_mark_is_named_and_harmless(folder):
    (mark,) = folder.glob("wal/*.durable")
    flip(mark, 30)
    assert [damage.file for damage in ky.check(folder).damage] == [f"wal/{mark.name}"]
    with ky.open(folder) as db:
        assert db.read("cpu").height == 102


def test_a_damaged_newest_manifest(folder):
    newest = sorted(folder.glob("manifest/*"))[-1]
    flip(newest, 50)
    with pytest.raises(ky.Corrupt, match="repair=True"):
        ky.open(folder)
    with ky.open(folder, repair=True) as db:
        assert db.read("cpu").height == 102
        assert db.repaired.quarantined[0].file == f"manifest/{newest.name}"
    assert ky.check(folder).ok


def test_repair_needs_the_writer(folder):
    with pytest.raises(ky.InvalidArgument, match="repair=True"):
        ky.open(folder, mode="r", repair=True)


def test_the_command(folder):
    from typer.testing import CliRunner

    run = CliRunner().invoke
    assert "nothing to repair" in run(app, ["repair", str(folder)]).output
    flip(largest(folder, "segment/*"), 40)
    checked = run(app, ["check", str(folder)])
    assert checked.exit_code == 1
    assert "host=a" in checked.output
    assert "kymograph repair" in checked.output
    repaired = run(app, ["repair", str(folder)])
    assert repaired.exit_code == 1
    for part in ("quarantine/segment", "host=a", "1970-01-03T01", "at most 50 rows"):
        assert part in repaired.output
    assert run(app, ["check", str(folder)]).exit_code == 0
    absent = run(app, ["repair", str(folder / "absent")])
    assert isinstance(absent.exception, ky.NotFound)
    assert not (folder / "absent").exists()
