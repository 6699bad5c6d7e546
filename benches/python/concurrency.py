"""How long queries take that 64 threads ask at once, alone and beside a steady writer.

    python benches/python/concurrency.py [--queries 1000] [--threads 64] [--hosts 1000]
        [--hours 12] [--every 10ms] [--rounds 3]

The database lies in a folder and holds the TSBS cpu-only case. Queries are taken in turn from a
mix; the writer adds a row of every tenth host every so often. A query's time is from its call to
its frame, so it holds the wait for a core. Prints p50, p99 and the slowest in ms, the queries a
second, and the rows written meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
import numpy as np
import polars as pl
from tsbs import START, STEP, cpu

import kymograph as ky

HOUR = 3_600_000_000_000
Query = Callable[[ky.Database, int], object]


def one_host(db: ky.Database, nth: int) -> object:
    """The maxima of one host's hour, by minute."""
    start = START + nth % 11 * HOUR
    where = {"hostname": f"host_{nth % 97}"}
    return db.aggregate(
        "cpu", {"usage_user": "max"}, every="1m", where=where, start=start, end=start + HOUR
    )


def eight_hosts(db: ky.Database, nth: int) -> object:
    """Five metrics of eight hosts, an hour, by minute."""
    start = START + nth % 11 * HOUR
    hosts = [f"host_{(nth + step) % 97}" for step in range(8)]
    fields = dict.fromkeys(
        ["usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"], "max"
    )
    where = {"hostname": hosts}
    return db.aggregate("cpu", fields, every="1m", where=where, start=start, end=start + HOUR)


def range_sum(db: ky.Database, nth: int) -> object:
    """The sum of one series over all of its time."""
    return db.sum("cpu", "usage_user", where={"hostname": f"host_{nth % 97}"})


def last_point(db: ky.Database, nth: int) -> object:
    """The latest row of one host."""
    return db.last("cpu", where={"hostname": f"host_{nth % 97}"})


def hourly(db: ky.Database, nth: int) -> object:
    """The mean of every host, by hour."""
    return db.aggregate("cpu", {"usage_user": "mean"}, every="1h", by="hostname")


# Of 20 queries one looks at everything.
MIX: list[Query] = [one_host, eight_hosts, range_sum, last_point] * 5
MIX[7] = hourly


class Writer(threading.Thread):
    """Writes a row of every tenth host every ``seconds``, each time at the next step."""

    def __init__(self, db: ky.Database, hosts: int, first: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.db, self.seconds, self.at, self.rows = db, seconds, first, 0
        self.names = [f"host_{host}" for host in range(0, hosts, 10)]
        self.stopped = threading.Event()

    def run(self) -> None:
        values = dict.fromkeys(["usage_user", "usage_system", "usage_idle"], 50.0)
        while not self.stopped.wait(self.seconds):
            time_ = np.full(len(self.names), self.at).astype("datetime64[ns]")
            frame = pl.DataFrame({"time": time_, "hostname": self.names})
            self.db.write("cpu", frame.with_columns(**{k: pl.lit(v) for k, v in values.items()}))
            self.at += STEP
            self.rows += frame.height


def asked(db: ky.Database, queries: int, threads: int) -> tuple[list[float], float]:
    """Milliseconds of each query, and the seconds of all."""

    def one(nth: int) -> float:
        begin = time.perf_counter()
        MIX[nth % len(MIX)](db, nth)
        return (time.perf_counter() - begin) * 1e3

    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        took = list(pool.map(one, range(queries)))
        return took, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=12)
    parser.add_argument("--every", default="10ms", help="how often the writer writes")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{machine.describe()}, kymograph {ky.__version__}")
    print(f"{options.queries} queries, {options.threads} threads, {options.hosts} hosts")
    print(
        f"{'':14} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'queries/s':>10} {'rows written':>13}"
    )
    with (
        tempfile.TemporaryDirectory(prefix="kymograph-bench-") as folder,
        ky.open(Path(folder) / "cpu.ky") as db,
    ):
        db.write("cpu", cpu(options.hosts, options.hours), tags=["hostname"])
        asked(db, len(MIX), 1)
        at = START + int(options.hours * 360) * STEP
        for writes in itertools.chain.from_iterable([(False, True)] * options.rounds):
            writer = Writer(db, options.hosts, at, ky.duration_ns(options.every) / 1e9)
            if writes:
                writer.start()
            took, seconds = asked(db, options.queries, options.threads)
            writer.stopped.set()
            if writes:
                writer.join()
            at = writer.at
            p50, p99, slowest = np.percentile(took, [50, 99, 100])
            print(
                f"{'with a writer' if writes else 'alone':14} {p50:8.2f} {p99:8.2f} "
                f"{slowest:8.2f} {options.queries / seconds:10.0f} {writer.rows:13}",
                flush=True,
            )


if __name__ == "__main__":
    main()
