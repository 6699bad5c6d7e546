"""Handles: what a closed one says, that none is pickled, that names never become paths."""

import copy
import pathlib
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import kymograph as ky

PACKAGE = pathlib.Path(ky.__file__).parent

# One call of every public verb of a handle; a new verb has to be added here.
VERBS = {
    "create_table": lambda db: db.create_table("other"),
    "set_codec": lambda db: db.set_codec("t", "raw"),
    "set_retention": lambda db: db.set_retention("t", "1d"),
    "write": lambda db: db.write("t", {"time": [1], "v": [1.0]}),
    "write_events": lambda db: db.write_events({"time": [1], "metric": ["m"], "value": [1.0]}),
    "delete": lambda db: db.delete("t"),
    "flush": lambda db: db.flush(),
    "compact": lambda db: db.compact(),
    "tables": lambda db: db.tables(),
    "schema": lambda db: db.schema("t"),
    "series": lambda db: db.series("t"),
    "stats": lambda db: db.stats(),
    "versions": lambda db: db.versions(),
    "version": lambda db: db.version,
    "snapshot": lambda db: db.snapshot(),
    "check": lambda db: db.check(),
    "read": lambda db: db.read("t"),
    "read_numpy": lambda db: db.read_numpy("t"),
    "scan": lambda db: db.scan("t").collect(),
    "explain": lambda db: db.explain("t"),
    "aggregate": lambda db: db.aggregate("t", {"v": "mean"}),
    "last": lambda db: db.last("t"),
    "sum": lambda db: db.sum("t", "v"),
    "top_anomalies": lambda db: db.top_anomalies("t", "v"),
    "correlate": lambda db: db.correlate("t", "v", "v"),
    "sql": lambda db: db.sql("SELECT * FROM t"),
    "policy": lambda db: db.policy("t"),
    "plot": lambda db: db.plot("t"),
}
ANALYSES = {
    "backtest": lambda db: db.backtest("t", "v", horizon=1),
    "causal_graph": lambda db: db.causal_graph("t", ["v", "v"]),
    "changepoints": lambda db: db.changepoints("t", "v"),
    "classify": lambda db: db.classify("t", "v", labels=["x"]),
    "correlation_matrix": lambda db: db.correlation_matrix("t", "v"),
    "cross_correlate": lambda db: db.cross_correlate("t", "v", "v"),
    "decompose": lambda db: db.decompose("t", "v"),
    "detect": lambda db: db.detect("t", "v"),
    "discords": lambda db: db.discords("t", "v", window=3),
    "features": lambda db: db.features("t", "v"),
    "forecast": lambda db: db.forecast("t", "v", horizon=1),
    "granger": lambda db: db.granger("t", ["v", "v"]),
    "isolation_forest": lambda db: db.isolation_forest("t", "v"),
    "matrix_profile": lambda db: db.matrix_profile("t", "v", window=3),
    "motifs": lambda db: db.motifs("t", "v", window=3),
    "partial_correlation": lambda db: db.partial_correlation("t", ["v", "v", "v"]),
    "regress": lambda db: db.regress("t", ["v", "v"]),
    "rolling": lambda db: db.rolling("t", "v", window=3),
    "search": lambda db: db.search("t", "v", query=[1.0, 2.0, 3.0]),
    "seasons": lambda db: db.seasons("t", "v"),
    "trend": lambda db: db.trend("t", "v"),
}
VERBS |= ANALYSES
# What says nothing of data and works on: the report of the open, and close itself.
QUIET = {"close", "repaired"}


def test_every_verb_is_here():
    public = {name for name in dir(ky.Database) if not name.startswith("_")}
    assert public == set(VERBS) | QUIET


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", ["memory", "folder"])
def test_a_closed_handle_says_so(tmp_path, verb, place):
    db = ky.open(None if place == "memory" else tmp_path / "c.ky")
    db.write("t", {"time": [1], "v": [1.0]})
    db.close()
    with pytest.raises(ky.InvalidArgument, match="is closed; open it again"):
        VERBS[verb](db)


@pytest.mark.parametrize("handle", ["database", "snapshot", "native"])
def test_no_handle_is_pickled_or_copied(handle):
    with ky.open() as db:
        db.write("t", {"time": [1], "v": [1.0]})
        taken = {"database": db, "snapshot": db.snapshot(), "native": db._native}[handle]
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises((ky.InvalidArgument, TypeError), match="pickle"):
                take(taken)
        if handle != "native":
            with pytest.raises(ky.InvalidArgument, match="pass the rows that are needed"):
                pickle.dumps(taken)


def test_the_package_has_no_pickle():
    word = re.compile(r"\b(?:c?[Pp]ickle|marshal|shelve|dill|joblib)\b(?!d)")
    files = list(PACKAGE.rglob("*.py"))
    assert len(files) > 30
    # A wrong word shows that the search finds anything.
    assert word.search("import pickle")
    assert not word.search("cannot be pickled")
    for file in files:
        found = word.findall(file.read_text(encoding="utf-8"))
        assert not found, f"{file}: {found}"


HOSTILE = [
    "../../outside",
    "..",
    "/etc/outside",
    "a/b",
    "a\\b",
    "CON",
    "nul.txt",
    "C:outside",
    "~root",
    "$HOME",
    ".tmp",
    "LOCK",
    " ",
    "'; DROP TABLE t; --",
    "naïve-日本語-🐟",
    "\u202ereversed",
    "x" * 255,
]


def test_names_never_become_paths(tmp_path):
    folder = tmp_path / "deep" / "db.ky"
    with ky.open(folder, durability="os") as db:
        for name in HOSTILE:
            frame = {
                "time": [1, 2],
                name: ["../../up", "\0"],
                "v": [1.0, 2.0],
                f"f{name[:250]}": [1, 2],
            }
            db.write(name, frame, tags=[name])
            db.flush()
            assert db.read(name, where={name: "\0"})["v"].to_list() == [2.0]
        db.compact()
        assert sorted(db.tables()) == sorted(HOSTILE)
    with ky.open(folder) as db:
        for name in HOSTILE:
            assert db.read(name).height == 2
    allowed = re.compile(
        r"LOCK|\.reserve(?:\.last)?|manifest/\d{20}|segment/\d{20}\.seg|wal/\d{20}\.(?:wal|durable)"
    )
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert found
    for path in found:
        assert allowed.fullmatch(path.relative_to(folder).as_posix()), path


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "\x7f", "x" * 256, "ü" * 128])
def test_names_that_cannot_be_used(name):
    with ky.open() as db:
        for use in (
            lambda: db.create_table(name),
            lambda: db.write(name, {"time": [1], "v": [1.0]}),
            lambda: db.create_table("t", tags=[name]),
            # Polars gives a column without a name one.
            lambda: db.write("t", {"time": [1], name or "\n": [1.0]}),
        ):
            with pytest.raises(ky.InvalidArgument, match="1 to 255 bytes and no control"):
                use()
        assert db.tables() == []


def test_bounds_of_every_query(tmp_path):
    at = np.arange(200_000)
    frame = {"time": at, "v": np.sqrt(at)}
    with ky.open(query_memory="100kB") as db:
        db.write("t", frame)
        for ask in (lambda: db.read("t"), lambda: db.sql("SELECT time, v FROM t")):
            with pytest.raises(ky.LimitExceeded, match="larger query_memory"):
                ask()
        assert db.read("t", end=10).height == 10
    with ky.open(query_timeout="1ns") as db:
        db.write("t", frame)
        with pytest.raises(ky.Cancelled, match="deadline"):
            db.aggregate("t", {"v": "mean"})
        assert db.read("t", timeout=60).height == at.size
    with pytest.raises(ky.InvalidArgument, match="query_timeout"):
        ky.open(query_timeout="soon")
    with pytest.raises(ky.InvalidArgument, match="query_timeout=-1"):
        ky.open(query_timeout=-1)
    with pytest.raises(ky.InvalidArgument, match="query_memory"):
        ky.open(query_memory="lots")


def test_a_cap_on_series():
    with ky.open(max_series=10) as db:
        frame = {"time": range(11), "host": [str(i) for i in range(11)], "v": [1.0] * 11}
        with pytest.raises(ky.LimitExceeded, match=r"more than 10.*max_series"):
            db.write("t", frame, tags=["host"])
        with pytest.raises(MemoryError):
            db.write("t", frame, tags=["host"])
        db.write("t", {name: values[:10] for name, values in frame.items()}, tags=["host"])
        with pytest.raises(ky.LimitExceeded, match="would have 11"):
            db.write("t", {name: values[10:] for name, values in frame.items()}, tags=["host"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_local_folder_is_no_network_file_system(tmp_path):
    ky.open(tmp_path / "a.ky").close()
    ky.open(tmp_path / "b.ky", network_filesystem=True).close()


def test_the_background_has_nothing_to_tell(tmp_path):
    with ky.open(tmp_path / "b.ky") as db:
        stats = db.stats()
        assert (stats.background_failures, stats.background_error) == (0, None)


CHANGES = {
    "create_table",
    "set_codec",
    "set_retention",
    "write",
    "write_events",
    "delete",
    "flush",
    "compact",
}

POISONED = """
import pathlib, resource, sys
import kymograph as ky
from test_handles import ANALYSES, CHANGES, QUIET, VERBS

folder = pathlib.Path(sys.argv[1])
db = ky.open(folder)
db.write("t", {"time": [1], "host": ["a"], "v": [1.0]}, tags=["host"])
log = max(path.stat().st_size for path in folder.glob("wal/*.wal"))
resource.setrlimit(resource.RLIMIT_FSIZE, (log + 3, resource.RLIM_INFINITY))
try:
    db.write("t", {"time": [2], "v": [1.0]})
except ky.StorageError as error:
    print("failed", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for verb, ask in VERBS.items():
    try:
        ask(db)
    except ky.StorageError as error:
        assert verb in CHANGES, (verb, error)
        assert "open it again" in str(error), (verb, error)
    except ImportError:
        assert verb == "plot"
    except ky.InvalidArgument:
        # One row is too little for some.
        assert verb in ANALYSES, verb
    else:
        assert verb not in CHANGES, verb
assert db.read("t").height == 1
try:
    db.close()
except ky.StorageError as error:
    assert "open it again" in str(error)
    print("closed")
again = ky.open(folder)
assert again.read("t")["time"].cast(int).to_list() == [1]
again.close()
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_poisoned_handle_says_so_on_every_verb_that_changes(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", POISONED, str(tmp_path / "p.ky")],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parent,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[1:] == ["closed", "done"], ran.stdout
    assert ran.stdout.startswith("failed")
