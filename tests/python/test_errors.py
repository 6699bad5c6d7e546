"""Each class of error, and messages that say what would have worked."""

import subprocess
import sys

import pytest

import kymograph as ky


@pytest.fixture
def db():
    with ky.open() as database:
        database.write(
            "cpu", {"time": [1, 2], "host": ["a", "b"], "usage": [1.0, 2.0]}, tags=["host"]
        )
        yield database


def test_the_tree_and_the_builtins_that_people_catch():
    builtin = {
        ky.InvalidArgument: ValueError,
        ky.NotFound: KeyError,
        ky.Corrupt: OSError,
        ky.Conflict: ValueError,
        ky.LimitExceeded: MemoryError,
        ky.Cancelled: TimeoutError,
        ky.DatabaseLocked: OSError,
        ky.StorageError: OSError,
        ky.Internal: Exception,
    }
    for error, base in builtin.items():
        assert issubclass(error, ky.KymographError)
        assert issubclass(error, base)
        assert error.__module__ == "kymograph"


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda db: db.read("cpuu"), ky.NotFound, 'unknown table "cpuu".*"cpu"'),
        (lambda db: db.schema("cp"), ky.NotFound, '"cpu"'),
        (lambda db: db.delete("cp"), ky.NotFound, '"cpu"'),
        (lambda db: db.scan("cp"), ky.NotFound, '"cpu"'),
        (lambda db: db.series("cp"), ky.NotFound, '"cpu"'),
        (lambda db: db.set_retention("cp", "1d"), ky.NotFound, '"cpu"'),
        (lambda db: db.read("cpu", "usge"), ky.NotFound, 'unknown field.*"usge".*"usage"'),
        (lambda db: db.sum("cpu", "usge"), ky.NotFound, '"usage"'),
        (lambda db: db.correlate("cpu", "usage", "x"), ky.NotFound, '"usage"'),
        (lambda db: db.top_anomalies("cpu", "usge"), ky.NotFound, '"usage"'),
        (lambda db: db.aggregate("cpu", {"usge": "mean"}), ky.NotFound, '"usage"'),
        (lambda db: db.aggregate("cpu", {"usage": "maen"}), ky.InvalidArgument, '"mean"'),
        (lambda db: db.read("cpu", where={"hots": "a"}), ky.NotFound, 'unknown tag.*"host"'),
        (lambda db: db.delete("cpu", where={"hots": "a"}), ky.NotFound, '"host"'),
        (lambda db: db.last("cpu", by="hots"), ky.NotFound, '"host"'),
        (lambda db: db.aggregate("cpu", {"usage": "mean"}, by="hots"), ky.NotFound, '"host"'),
        (lambda db: db.read("cpu", where={"host": 5}), ky.InvalidArgument, r"where\['host'\]"),
        (lambda db: db.read("cpu", where="host"), ky.InvalidArgument, "where takes"),
        (lambda db: db.read("cpu", start="2024", end="x"), ky.InvalidArgument, "start.*ISO 8601"),
        (lambda db: db.read("cpu", limit=-1), ky.InvalidArgument, "limit takes.*-1"),
        (
            lambda db: db.aggregate("cpu", {"usage": "mean"}, limit=-1),
            ky.InvalidArgument,
            "limit takes.*-1",
        ),
        (lambda db: db.top_anomalies("cpu", "usage", k=-1), ky.InvalidArgument, "k takes.*-1"),
        (lambda db: db.top_anomalies("cpu", "usage", k=0), ky.InvalidArgument, "k is 0"),
        (lambda db: db.top_anomalies("cpu", "usage", by=[]), ky.InvalidArgument, "by is empty"),
        (lambda db: db.read("cpu", timeout="soon"), ky.InvalidArgument, "timeout"),
        (lambda db: db.read("cpu", memory="lots"), ky.InvalidArgument, "memory.*512MB"),
        (lambda db: db.read("cpu", timeout=0), ky.Cancelled, "deadline"),
        (lambda db: db.read("cpu", memory=1), ky.LimitExceeded, "memory budget of 1 bytes"),
        (lambda db: db.aggregate("cpu", {}), ky.InvalidArgument, "dict of fields"),
        (lambda db: db.aggregate("cpu", {"usage": []}), ky.InvalidArgument, "no functions"),
        (
            lambda db: db.aggregate("cpu", {"usage": "mean"}, every="1m", fill="lin"),
            ky.InvalidArgument,
            '"linear"',
        ),
        (
            lambda db: db.aggregate("cpu", {"usage": "mean"}, having="usage_maen > 1"),
            ky.InvalidArgument,
            '"usage_mean"',
        ),
        (lambda db: db.create_table("t", fields={"a": "f65"}), ky.InvalidArgument, '"f64"'),
        (lambda db: db.create_table("cpu", tags=["dc"]), ky.Conflict, "exists with other tags"),
        (lambda db: db.create_table(""), ky.InvalidArgument, "1 to 255 bytes"),
        (
            lambda db: db.create_table("t", duplicates="first"),
            ky.InvalidArgument,
            '"keep".*"last"',
        ),
        (lambda db: db.write("cpu", 5), ky.InvalidArgument, "frame cannot be read: 5"),
        (
            lambda db: db.write("cpu", {"at": [1], "usage": [1.0]}),
            ky.NotFound,
            'unknown time column "time".*"at"',
        ),
        (
            lambda db: db.write("cpu", {"time": [1], "usage": ["high"]}),
            ky.InvalidArgument,
            'field "usage" holds f64',
        ),
        (
            lambda db: db.write("cpu", {"time": [1.5], "usage": [1.0]}),
            ky.InvalidArgument,
            "rounded",
        ),
    ],
)
def test_messages_name_what_would_work(db, ask, error, says):
    with pytest.raises(error, match=says):
        ask(db)
    assert db.read("cpu").height == 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda db, **r: db.read("cpu", **r),
        lambda db, **r: db.read_numpy("cpu", **r),
        lambda db, **r: db.aggregate("cpu", {"usage": "mean"}, **r),
        lambda db, **r: db.last("cpu", **r),
        lambda db, **r: db.sum("cpu", "usage", **r),
        lambda db, **r: db.series("cpu", **r),
        lambda db, **r: db.top_anomalies("cpu", "usage", **r),
        lambda db, **r: db.correlate("cpu", "usage", "usage", **r),
        lambda db, **r: db.delete("cpu", **r),
    ],
)
def test_start_after_end(db, ask):
    with pytest.raises(ky.InvalidArgument, match=r"start is later than end: 9 .*> 3"):
        ask(db, start=9, end=3)
    assert db.read("cpu").height == 2


def test_a_closed_handle_says_so(tmp_path):
    db = ky.open(tmp_path / "c.ky")
    db.write("t", {"time": [1], "v": [1.0]})
    db.close()
    db.close()
    assert "closed" in repr(db)
    assert "closed" in db._repr_html_()
    for ask in (
        db.tables,
        db.flush,
        db.versions,
        db.snapshot,
        db.stats,
        lambda: db.read("t"),
        lambda: db.write("t", {"time": [1], "v": [1.0]}),
        lambda: db.version,
    ):
        with pytest.raises(ky.InvalidArgument, match="is closed; open it again"):
            ask()


def test_opening(tmp_path):
    with pytest.raises(ky.NotFound, match="no database"):
        ky.open(tmp_path / "nothing.ky", mode="r")
    assert not (tmp_path / "nothing.ky").exists()
    with pytest.raises(ky.InvalidArgument, match=r'"rw".*"r"'):
        ky.open(tmp_path / "x.ky", mode="w")
    with pytest.raises(ky.InvalidArgument, match='"full", "interval"'):
        ky.open(tmp_path / "x.ky", durability="ful")
    with pytest.raises(ky.InvalidArgument, match="object store"):
        ky.open(tmp_path / "x.ky", durability="remote")
    with pytest.raises(ky.InvalidArgument, match="needs a path"):
        ky.open(durability="full")
    with pytest.raises(ky.NotFound, match=r"nothing\.ky"):
        ky.check(tmp_path / "nothing.ky")
    (tmp_path / "file").write_text("")
    with pytest.raises((ky.StorageError, ky.InvalidArgument), match="file"):
        ky.open(tmp_path / "file")
    with ky.open(tmp_path / "y.ky"):
        pass
    with pytest.raises(ky.NotFound, match="99"):
        ky.open(tmp_path / "y.ky", as_of=99)


def test_a_second_writer_is_told_who_has_it(tmp_path):
    path = str(tmp_path / "locked.ky")
    code = "import sys, kymograph as ky; db = ky.open(sys.argv[1]); print(1, flush=True); input()"
    owner = subprocess.Popen(
        [sys.executable, "-c", code, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert owner.stdout.readline() == "1\n"
        with pytest.raises(ky.DatabaseLocked, match=rf"\b{owner.pid}\b"):
            ky.open(path)
        with ky.open(path, mode="r") as reader:
            assert reader.tables() == []
        owner.kill()
        owner.wait()
        with ky.open(path) as db:
            assert db.tables() == []
            # In one process too.
            with pytest.raises(ky.DatabaseLocked, match="in this process"):
                ky.open(path)
    finally:
        owner.kill()
        owner.wait()


def test_damage_is_corrupt_and_check_names_the_file(tmp_path):
    path = tmp_path / "d.ky"
    with ky.open(path) as db:
        db.write("t", {"time": list(range(5000)), "v": [float(v % 77) for v in range(5000)]})
    assert ky.check(path).ok
    segment = max((p for p in path.rglob("*.seg")), key=lambda p: p.stat().st_size)
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 0x40
    segment.write_bytes(data)
    report = ky.check(path)
    assert not report
    assert [damage.file for damage in report.damage] == [str(segment.relative_to(path))]
    with ky.open(path, mode="r") as db, pytest.raises(ky.Corrupt, match=segment.name):
        db.read("t")
