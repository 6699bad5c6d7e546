"""The engine's figures: ingest, appends, open, latency, one small query.

    python benches/python/figures.py [--rounds 6] [--series 1000000] [NAME ...]

Prints a table of medians over the rounds, with minimum and maximum, and the machine's name.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
import numpy as np
import polars as pl
from tsbs import FIELDS, START, STEP, cpu

import kymograph as ky


def bulk(rounds: int, folder: Path) -> Iterator[float]:
    """Million values a second, one frame of 43 million values, durability full."""
    frame = cpu(1000, 12)
    values = frame.height * len(FIELDS)
    for round_ in range(rounds):
        with ky.open(folder / f"bulk{round_}", durability="full") as db:
            begin = time.perf_counter()
            db.write("cpu", frame, tags=["hostname"])
            yield values / (time.perf_counter() - begin) / 1e6


def appends(rounds: int, folder: Path) -> Iterator[float]:
    """Thousand rows a second through `write` of frames of 100 rows, durability interval."""
    frame = cpu(100, 0.2)
    frames = [frame.slice(at, 100) for at in range(0, frame.height, 100)]
    for round_ in range(rounds):
        with ky.open(folder / f"append{round_}", durability="interval") as db:
            begin = time.perf_counter()
            for _ in range(10):
                for small in frames:
                    db.write("cpu", small, tags=["hostname"])
            yield 10 * frame.height / (time.perf_counter() - begin) / 1e3


def latency(rounds: int, folder: Path) -> Iterator[float]:
    """Milliseconds from the call of a durable write of 100 rows to a query that has seen them."""
    frame = cpu(100, 1)
    with ky.open(folder / "latency", durability="full") as db:
        for round_ in range(rounds * 20):
            begin = time.perf_counter()
            db.write("cpu", frame.slice(round_ * 100, 100), tags=["hostname"])
            seen = db.aggregate("cpu", {"usage_user": "count"})["usage_user_count"].item()
            yield (time.perf_counter() - begin) * 1e3
            assert seen == (round_ + 1) * 100


def small_query(rounds: int, folder: Path) -> Iterator[float]:
    """Milliseconds of one series, one hour, by minute, max: from Python, of 4.3 million rows."""
    with ky.open(folder / "query") as db:
        db.write("cpu", cpu(1000, 12), tags=["hostname"])
        hour = 3_600_000_000_000
        for round_ in range(rounds * 100):
            host = {"hostname": f"host_{round_ % 1000}"}
            start = START + (round_ % 11) * hour
            begin = time.perf_counter()
            out = db.aggregate(
                "cpu", {"usage_user": "max"}, every="1m", where=host, start=start, end=start + hour
            )
            yield (time.perf_counter() - begin) * 1e3
            assert out.height == 60


def many_series(series: int, folder: Path) -> None:
    """Makes the database that `opened` opens: 100 points a series."""
    path = folder / "series"
    if path.exists():
        return
    with ky.open(path, durability="os") as db:
        part = 100_000
        rng = np.random.default_rng(5)
        times = (START + STEP * np.arange(100)).astype("datetime64[ns]")
        for first in range(0, series, part):
            names = pl.Series([f"sensor_{i:07}" for i in range(first, min(first + part, series))])
            n = len(names)
            frame = pl.DataFrame(
                {
                    "time": np.tile(times, n),
                    "sensor": names.gather(np.repeat(np.arange(n), 100)),
                    "value": np.round(rng.normal(20, 1, n * 100), 1),
                }
            )
            db.write("sensors", frame, tags=["sensor"])
        db.compact()


def opened(rounds: int, folder: Path, series: int) -> Iterator[tuple[float, float, float]]:
    """Seconds to open and answer one series' mean, and the process's peak memory in GiB."""
    many_series(series, folder)
    for _ in range(rounds):
        code = (
            "import re, time, kymograph as ky\n"
            "begin = time.perf_counter()\n"
            f"db = ky.open({str(folder / 'series')!r})\n"
            "opened = time.perf_counter() - begin\n"
            "n = db.aggregate('sensors', {'value': 'count'}, where={'sensor': 'sensor_0000777'})\n"
            "assert n.item() == 100, n\n"
            "total = time.perf_counter() - begin\n"
            "status = open('/proc/self/status').read()\n"
            "peak = int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 2**20\n"
            "print(opened, total, peak)\n"
        )
        line = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        first, total, peak = map(float, line.stdout.split())
        yield first, total, peak


def line(name: str, values: list[float], unit: str, target: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:34} {middle:10.3f} {low:10.3f} {high:10.3f}  {unit:10} {target}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="bulk, appends, latency, query, open; all when none"
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--series", type=int, default=1_000_000)
    options = parser.parse_args()
    wanted = set(options.names)
    print(f"{machine.describe()}, kymograph {ky.__version__}")
    print(f"{'figure':34} {'median':>10} {'min':>10} {'max':>10}  {'unit':10} target")
    simple: list[tuple[str, str, Callable[[int, Path], Iterator[float]], str, str]] = [
        ("bulk", "bulk ingest, full", bulk, "M values/s", ">= 25"),
        ("appends", "rows appended, interval", appends, "K rows/s", ">= 100"),
        ("latency", "write to query, full", latency, "ms", "< 100"),
        ("query", "one series, one hour", small_query, "ms", "< 0.5"),
    ]
    with tempfile.TemporaryDirectory(prefix="kymograph-bench-") as name:
        folder = Path(name)
        for key, title, run, unit, target in simple:
            if not wanted or key in wanted:
                line(title, list(run(options.rounds, folder)), unit, target)
        if not wanted or "open" in wanted:
            found = list(opened(options.rounds, folder, options.series))
            line(f"open, {options.series:,} series", [f[0] for f in found], "s", "< 2")
            line("  and one series answered", [f[1] for f in found], "s", "")
            line("  peak memory", [f[2] for f in found], "GiB", "< 2")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
