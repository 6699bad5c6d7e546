"""Databases and processes: forks, spawned and served ones; nothing hangs, nothing is harmed.

Whatever starts a process (``spawn``, ``fork``, ``forkserver``) and whoever does (pytest-xdist, an
executor, gunicorn with preload, a data loader): a handle is refused where it was not opened, a
fresh one works, and the parent's database goes on.
"""

import ast
import contextlib
import http.client
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kymograph as ky
import process_work as work

METHODS = ["spawn", "fork", "forkserver"]
WATCHDOG = 20
ROWS = 1_000
FOUND = (ROWS * (ROWS - 1) / 2, ROWS)
FORKS = int(os.environ.get("KYMOGRAPH_FORKS", "12"))
HERE = str(Path(__file__).parent)
multiprocessing.get_context("forkserver").set_forkserver_preload(["process_work"])


def filled(path):
    db = ky.open(path, durability="os")
    at = np.arange(ROWS)
    hosts = np.array(["a", "b"])[at % 2]
    db.write("t", {"time": at, "host": hosts, "v": at.astype(float)}, tags=["host"])
    db.flush()
    # Polars' threads and those of the database are there before any fork.
    assert db.scan("t").group_by("host").agg(pl.col("v").sum()).collect().height == 2
    return db


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with filled(tmp_path_factory.mktemp("processes") / "t.ky") as opened:
        yield opened


@pytest.fixture
def path(db):
    """The database's path; afterwards it is as it was before."""
    yield db._native.location
    assert (db.sum("t", "v"), db.read("t").height) == FOUND
    with pytest.raises(ky.DatabaseLocked, match="in this process"):
        ky.open(db._native.location)
    assert db.check().ok


def watched(process):
    """A process's exit code, which it has to have within the watchdog's time."""
    process.join(WATCHDOG)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{process.name} hangs")
    return process.exitcode


def run(script, *arguments, **environment):
    """Runs a script in a fresh interpreter; its lines."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": HERE, **environment},
        capture_output=True,
        text=True,
        # Interpreters begin in it, which takes its time on a busy machine.
        timeout=6 * WATCHDOG,
    )
    assert done.returncode == 0, done.stderr
    assert "panicked" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_every_verb_is_tried():
    public = {name for name in dir(ky.Database) if not name.startswith("_")}
    assert public - {"close", "repaired"} == set(work.VERBS), (
        "process_work.VERBS has a line for each verb"
    )


def test_every_verb_of_an_inherited_handle_is_refused_at_once(db, path):
    reader, snapshot = ky.open(path, mode="r"), db.snapshot()
    old = ky.open(path, as_of=db.version)
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    lazies = [reader.scan("t"), db.scan("t").filter(pl.col("host") == "a").select("v")]
    lazies[1].collect()
    handles = [db, reader, snapshot, snapshot.snapshot(), old]
    child = fork.Process(target=work.in_child, args=(path, handles, lazies, answers))
    child.start()
    assert watched(child) == 0
    assert answers.get() == ([], FOUND)
    # Here they all work.
    assert {handle.read("t").height for handle in handles} == {ROWS}
    assert lazies[1].collect().height == ROWS // 2
    for handle in handles[1:]:
        handle.close()


def test_a_fork_at_any_moment_of_other_threads_is_survived(tmp_path):
    """A lock that another thread holds at the fork is held in the child for ever."""
    path, stop, failed = str(tmp_path / "busy.ky"), threading.Event(), []
    fork = multiprocessing.get_context("fork")
    with filled(path) as db:
        reader = ky.open(path, mode="r")

        def busy(step):
            try:
                while not stop.is_set():
                    step()
            except Exception as error:
                failed.append(error)

        steps = [
            lambda: db.write("u", {"time": [1], "host": ["a"], "v": [1.0]}, tags=["host"]),
            lambda: reader.read("t"),
            lambda: (db.flush(), reader.snapshot().close(), time.sleep(0.001)),
        ]
        threads = [threading.Thread(target=busy, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        try:
            for _ in range(FORKS):
                answers = fork.SimpleQueue()
                child = fork.Process(target=_refused, args=([db, reader], answers))
                child.start()
                assert watched(child) == 0
                assert answers.get() == []
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not failed
        assert db.check().ok
        reader.close()
    with ky.open(path) as db:
        assert (db.sum("t", "v"), db.read("t").height) == FOUND


def _refused(handles, answers):
    answers.put([wrong for db in handles for wrong in work.refusals(db)])


def test_a_forked_child_that_exits_as_usual_harms_nothing(tmp_path):
    lines = run(
        """
        import gc, os, subprocess, sys
        import kymograph as ky
        path = sys.argv[1]
        with ky.open(path, durability="interval") as db:
            reader = ky.open(path, mode="r")
            snapshot = db.snapshot()
            db.write("t", {"time": [1], "v": [1.0]})
            child = os.fork()
            if child == 0:
                # Out of the block, through atexit handlers and the end of the interpreter.
                db.close()
                del reader
                gc.collect()
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
            db.write("t", {"time": [2], "v": [2.0]})
            assert reader.read("t").height == 2
            assert db.stats().readers == 1
            second = "import sys, kymograph; kymograph.open(sys.argv[1])"
            second = subprocess.run([sys.executable, "-c", second, path], stderr=subprocess.PIPE)
            assert b"DatabaseLocked" in second.stderr, "the lock was lost"
        print(ky.open(path).read("t")["v"].to_list())
        """,
        tmp_path / "t.ky",
    )
    assert lines == ["[1.0, 2.0]"]


def test_the_lock_and_the_lease_end_with_their_process_though_children_live(tmp_path):
    path = str(tmp_path / "t.ky")
    script = """
    import os, sys, time
    import kymograph as ky
    db = ky.open(sys.argv[1])
    db.write("t", {"time": [1], "v": [1.0]})
    snapshot = ky.open(sys.argv[1], mode="r").snapshot()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), path]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(ky.DatabaseLocked, match=f"process {parent.pid}"):
            ky.open(path)
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # It lives.
        with ky.open(path) as db:
            assert db.read("t")["v"].to_list() == [1.0]
            assert db.stats().readers == 0
    finally:
        parent.kill()
        os.kill(child, signal.SIGKILL)


def test_a_handle_is_not_pickled(db, path):
    with pytest.raises(ky.InvalidArgument, match=r'pass its path.*mode="r"'):
        pickle.dumps(db)
    with ky.open() as memory, pytest.raises(ky.InvalidArgument, match="memory, so pass the rows"):
        pickle.dumps(memory)
    for method in ("spawn", "forkserver"):
        child = multiprocessing.get_context(method).Process(target=work.fresh, args=(db,))
        with pytest.raises(ky.InvalidArgument, match="pass its path"):
            child.start()


@pytest.mark.parametrize("method", METHODS)
def test_an_executor(method, db, path):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for found in [pool.submit(work.fresh, path) for _ in range(4)]:
            assert found.result(WATCHDOG) == FOUND
        with pytest.raises(ky.InvalidArgument, match="pass its path"):
            pool.submit(work.fresh, db).result(WATCHDOG)


@pytest.mark.parametrize("method", METHODS)
def test_a_data_loader(method, db, path):
    loader = work.Loader(work.Rows(path), method)
    places = range(0, ROWS, 50)
    try:
        assert loader.batch(places, WATCHDOG) == {place: [float(place)] for place in places}
    finally:
        codes = loader.close()
    assert codes == [0, 0]
    if method != "fork":
        return
    # With the handle itself, which only a fork lets through.
    loader = work.Loader(work.Rows(path, db), method)
    try:
        told = loader.batch([1, 2], WATCHDOG)
    finally:
        codes = loader.close()
    assert all("InvalidArgument: this handle of" in error for error in told.values())
    assert codes == [0, 0]


def test_pytest_xdist(db, path, tmp_path):
    inner = """
    import multiprocessing, sys
    sys.path.insert(0, {here!r})
    import process_work as work
    import pytest
    import kymograph as ky

    @pytest.mark.parametrize("method", {methods!r})
    def test_in_a_worker(method, tmp_path):
        assert work.fresh({path!r}) == {found!r}
        with ky.open(tmp_path / "own.ky") as db:
            db.write("t", {{"time": [1], "host": ["a"], "v": [1.0]}}, tags=["host"])
            assert work.asked_by(method, str(tmp_path / "own.ky")) == (1.0, 1)
    """
    text = textwrap.dedent(inner).format(here=HERE, methods=METHODS, path=path, found=FOUND)
    (tmp_path / "test_inner.py").write_text(text)
    options = ["-q", "-p", "xdist", "-n", "2", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        # Three interpreters begin and end, one after the other, before anything is asked.
        timeout=6 * WATCHDOG,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(METHODS)} passed" in done.stdout, done.stdout


class _Socket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=WATCHDOG)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WATCHDOG)
        self.sock.connect(self.path)


def _get(listens, what):
    connection = _Socket(listens)
    connection.request("GET", f"/{what}")
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    return ast.literal_eval(text)


def test_gunicorn_with_preload(tmp_path):
    path = str(tmp_path / "t.ky")
    filled(path).close()
    with contextlib.ExitStack() as stack:
        listens = stack.enter_context(tempfile.TemporaryDirectory()) + "/g"
        log = stack.enter_context((tmp_path / "log").open("w+"))
        command = "-m gunicorn --preload -w 2 --timeout 20 --no-control-socket"
        server = subprocess.Popen(
            [sys.executable, *command.split(), "-b", f"unix:{listens}", "process_work:preload()"],
            env={**os.environ, "PYTHONPATH": HERE, "KYMOGRAPH_APP": path},
            stderr=log,
        )
        stack.callback(server.wait)
        stack.callback(server.kill)
        began = time.monotonic()
        while not Path(listens).exists():
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() - began < WATCHDOG, "gunicorn does not listen"
            time.sleep(0.05)
        found = (FOUND[0], ROWS + 1)
        workers = set()
        for _ in range(4):
            assert _get(listens, "refused") == []
            worker, *answer = _get(listens, "fresh")
            workers.add(worker)
            assert tuple(answer) == found
        assert server.pid not in workers
        for method in METHODS:
            assert tuple(_get(listens, method)[1:]) == found
        # The master holds the database to its end, and its workers do not end that.
        with pytest.raises(ky.DatabaseLocked, match=f"process {server.pid}"):
            ky.open(path)
        server.terminate()
        assert server.wait(WATCHDOG) == 0, (tmp_path / "log").read_text()
        assert "WORKER TIMEOUT" not in (tmp_path / "log").read_text()
    with ky.open(path) as db:
        assert (db.sum("t", "v"), db.read("t").height) == found
