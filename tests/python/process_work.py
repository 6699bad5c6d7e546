"""What the processes of ``test_processes.py`` do; imported by each of them."""

import gc
import os
import time
from multiprocessing import get_context

import polars as pl

import kymograph as ky

# Seconds that a refusal may take: nothing is waited for.
AT_ONCE = 2.0

VERBS = {
    "aggregate": lambda db: db.aggregate("t", {"v": "mean"}, by="host"),
    "backtest": lambda db: db.backtest("t", "v", horizon=1),
    "causal_graph": lambda db: db.causal_graph("t", ["v", "v"]),
    "changepoints": lambda db: db.changepoints("t", "v"),
    "check": lambda db: db.check(),
    "classify": lambda db: db.classify("t", "v", labels=["x"]),
    "compact": lambda db: db.compact(),
    "correlate": lambda db: db.correlate("t", "v", "v"),
    "correlation_matrix": lambda db: db.correlation_matrix("t", "v"),
    "create_table": lambda db: db.create_table("u"),
    "cross_correlate": lambda db: db.cross_correlate("t", "v", "v"),
    "decompose": lambda db: db.decompose("t", "v"),
    "delete": lambda db: db.delete("t"),
    "detect": lambda db: db.detect("t", "v"),
    "discords": lambda db: db.discords("t", "v", window=3),
    "explain": lambda db: db.explain("t"),
    "features": lambda db: db.features("t", "v"),
    "flush": lambda db: db.flush(),
    "forecast": lambda db: db.forecast("t", "v", horizon=1),
    "granger": lambda db: db.granger("t", ["v", "v"]),
    "isolation_forest": lambda db: db.isolation_forest("t", "v"),
    "last": lambda db: db.last("t"),
    "matrix_profile": lambda db: db.matrix_profile("t", "v", window=3),
    "motifs": lambda db: db.motifs("t", "v", window=3),
    "partial_correlation": lambda db: db.partial_correlation("t", ["v", "v", "v"]),
    "plot": lambda db: db.plot("t"),
    "policy": lambda db: db.policy("t"),
    "read": lambda db: db.read("t"),
    "read_numpy": lambda db: db.read_numpy("t"),
    "regress": lambda db: db.regress("t", ["v", "v"]),
    "rolling": lambda db: db.rolling("t", "v", window=3),
    "scan": lambda db: db.scan("t"),
    "schema": lambda db: db.schema("t"),
    "search": lambda db: db.search("t", "v", query=[1.0, 2.0, 3.0]),
    "seasons": lambda db: db.seasons("t", "v"),
    "series": lambda db: db.series("t"),
    "set_codec": lambda db: db.set_codec("t", "raw"),
    "set_retention": lambda db: db.set_retention("t", "1d"),
    "snapshot": lambda db: db.snapshot(),
    "sql": lambda db: db.sql("SELECT count(*) FROM t"),
    "stats": lambda db: db.stats(),
    "sum": lambda db: db.sum("t", "v"),
    "tables": lambda db: db.tables(),
    "top_anomalies": lambda db: db.top_anomalies("t", "v"),
    "trend": lambda db: db.trend("t", "v"),
    "version": lambda db: db.version,
    "versions": lambda db: db.versions(),
    "write": lambda db: db.write("t", {"time": [1], "host": ["a"], "v": [1.0]}),
    "write_events": lambda db: db.write_events(
        [{"time": 1, "metric": "m", "value": 1.0}], table="e"
    ),
}


def refusals(db):
    """What is wrong with how an inherited handle answers; empty when it refuses all, at once."""
    wrong = []
    for name, verb in VERBS.items():
        began = time.monotonic()
        try:
            wrong.append(f"{name} answered: {verb(db)!r}")
        except ky.InvalidArgument as error:
            told = f"is used in process {os.getpid()}, which was forked from it"
            if told not in str(error) or "open the database again" not in str(error):
                wrong.append(f"{name}: {error}")
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
        if time.monotonic() - began > AT_ONCE:
            wrong.append(f"{name} took {time.monotonic() - began:.1f} s")
    if "another process" not in repr(db):
        wrong.append(repr(db))
    return wrong


def collected(lazy):
    """What is wrong with how a lazy scan of an inherited handle answers."""
    try:
        return [f"collect answered: {lazy.collect()!r}"]
    except pl.exceptions.PolarsError as error:
        told = "forked from" in str(error) and "open the database again" in str(error)
        return [] if told else [f"collect: {error}"]


def fresh(path):
    """The sum and the rows of a database that is opened in this process."""
    with ky.open(path, mode="r") as db:
        found = (db.sum("t", "v"), db.read("t").height)
        assert db.aggregate("t", {"v": "count"})["v_count"].to_list() == [found[1]]
        assert db.sql("SELECT count(*) AS n FROM t")["n"].to_list() == [found[1]]
        assert db.versions().height > 0
    return found


def in_child(path, handles, lazies, answers):
    """In a forked child: what is wrong with the handles, and what a fresh one finds."""
    wrong = [told for db in handles for told in refusals(db)]
    wrong += [told for lazy in lazies for told in collected(lazy)]
    for db in handles:
        db.close()
    handles.clear()
    del handles
    gc.collect()
    try:
        ky.open(path).close()
        wrong.append("a second writer could open")
    except ky.DatabaseLocked:
        pass
    answers.put((wrong, fresh(path)))


def asked_by(method, path):
    """What a process that is started by this one finds."""
    context = get_context(method)
    answers = context.SimpleQueue()
    child = context.Process(target=_answer, args=(path, answers))
    child.start()
    found = answers.get()
    child.join()
    return found


def _answer(path, answers):
    answers.put(fresh(path))


class Rows:
    """A dataset as of a data loader: each worker opens the path when it is first asked."""

    def __init__(self, path, handle=None):
        self.path, self.handle, self.own = path, handle, None

    def __getitem__(self, place):
        if self.handle is not None:
            return self.handle.read("t", limit=place)["v"].to_list()
        if self.own is None:
            self.own = ky.open(self.path, mode="r")
        return self.own.read("t", start=place, end=place + 1)["v"].to_list()


class Loader:
    """Worker processes that get a dataset and answer places of it, as PyTorch's loader does."""

    def __init__(self, dataset, method, workers=2):
        context = get_context(method)
        self.places, self.items = context.Queue(), context.Queue()
        args = (dataset, self.places, self.items)
        self.workers = [context.Process(target=_load, args=args) for _ in range(workers)]
        for worker in self.workers:
            worker.start()

    def batch(self, places, seconds):
        for place in places:
            self.places.put(place)
        return dict(self.items.get(timeout=seconds) for _ in places)

    def close(self):
        for _ in self.workers:
            self.places.put(None)
        for worker in self.workers:
            worker.join(10)
        codes = [worker.exitcode for worker in self.workers]
        for worker in self.workers:
            worker.kill()
        return codes


def _load(dataset, places, items):
    while (place := places.get()) is not None:
        try:
            items.put((place, dataset[place]))
        except ky.KymographError as error:
            items.put((place, f"{type(error).__name__}: {error}"))


# --- gunicorn --preload: the master opens, the workers are forked from it ---

HELD = {}


def preload():
    """Opens as an application does that is loaded before the workers are forked."""
    path = os.environ["KYMOGRAPH_APP"]
    HELD["db"] = ky.open(path)
    HELD["db"].write("t", {"time": [10**6], "host": ["a"], "v": [0.0]}, tags=["host"])
    HELD["lazy"] = HELD["db"].scan("t").filter(pl.col("v") > 1)
    HELD["lazy"].collect()
    return application


def application(environ, start_response):
    """Answers "refused" with what is wrong, "fresh" or a start method with what is found."""
    path, asked = os.environ["KYMOGRAPH_APP"], environ["PATH_INFO"].strip("/")
    if asked == "refused":
        answer = refusals(HELD["db"]) + collected(HELD["lazy"])
    else:
        answer = [os.getpid(), *(fresh(path) if asked == "fresh" else asked_by(asked, path))]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(answer).encode()]
