"""How the cost of a query grows: with the points, with the series, with the window, with groups.

    pip install -r benches/scaling/requirements.txt
    python benches/scaling/scaling.py [--points 100000000] [--series 1000000] [--out FOLDER]

or `./dev scaling` with the same options. Prints a table and writes scaling.json and scaling.png to
FOLDER (default: the working directory). Four figures:

sum      the sum over the first 10^4, 10^5, ... points of one series, its ends within blocks
series   the mean of one series among 10^3, 10^4, ...: answered first after open, and again
memory   the peak memory of an aggregate over growing windows under memory="256MB", each in a
         process of its own: by 7 minutes, which cut all blocks, so that every value is decoded
         and the result grows with the window; and in one bucket
budget   an aggregate by each of all series under memory="8MB": it must fail with LimitExceeded
         naming the budget, or answer, and its process must stay small either way

Values are multiples of 0.1 around 20, 10 s apart. Each sum and mean is held against NumPy's. In the
memory figures the cache of chunks is 16 MiB, since it does not belong to the query's budget.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import kymograph as ky

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from machine import describe  # noqa: E402

START = 1_451_606_400_000_000_000
STEP = 10_000_000_000
DAY = 86_400_000_000_000
PART = 10_000_000
SEED = 5
WINDOW_SERIES, WINDOW_DAYS = 8, 640
BUDGET, SMALL_BUDGET = "256MB", "8MB"


def values(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(100, 301, count) / 10


def times(first: int, count: int) -> np.ndarray:
    return (START + STEP * np.arange(first, first + count)).view("datetime64[ns]")


def milliseconds(call: Callable[[], Any], calls: int = 31) -> float:
    """The median of calls, after one that does not count."""
    call()
    spent = []
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent) * 1e3


def powers(first: int, last: int) -> Iterator[int]:
    while first <= last:
        yield first
        first *= 10


def sums(folder: Path, points: int) -> Iterator[dict[str, Any]]:
    """Milliseconds of range sums of one series, all but 777 points at the start."""
    rng = np.random.default_rng(SEED)
    prefix = [0.0]
    marks = {}
    with ky.open(folder / "sums", durability="os") as db:
        for first in range(0, points, PART):
            count = min(PART, points - first)
            part = values(rng, count)
            db.write("one", pl.DataFrame({"time": times(first, count), "value": part}), tags=[])
            if first == 0:
                skipped = float(part[:777].sum())
                marks = {n: float(part[:n].sum()) for n in powers(10_000, count)}
            prefix.append(prefix[-1] + float(part.sum()))
            marks[first + count] = prefix[-1]
        db.compact()
        for count in powers(10_000, points):
            start, end = START + 777 * STEP, START + count * STEP
            found = db.sum("one", "value", start=start, end=end)
            assert np.isclose(found, marks[count] - skipped, rtol=1e-9), (found, marks[count])
            call = lambda s=start, e=end: db.sum("one", "value", start=s, end=e)  # noqa: E731
            yield {"points": count, "ms": milliseconds(call)}


def many(folder: Path, count: int, each: int = 10) -> Path:
    """A database of so many series of ten points."""
    path = folder / f"series-{count}"
    rng = np.random.default_rng(SEED)
    part = 100_000
    with ky.open(path, durability="os") as db:
        for first in range(0, count, part):
            names = pl.Series([f"s{at:07}" for at in range(first, min(first + part, count))])
            frame = pl.DataFrame(
                {
                    "time": np.tile(times(0, each), len(names)),
                    "sensor": names.gather(np.repeat(np.arange(len(names)), each)),
                    "value": values(rng, len(names) * each),
                }
            )
            db.write("many", frame, tags=["sensor"])
        db.compact()
    return path


def series(folder: Path, most: int) -> Iterator[dict[str, Any]]:
    """Milliseconds of one series' mean among so many."""
    for count in powers(1000, most):
        path = many(folder, count)
        expected = values(np.random.default_rng(SEED), 1000 * 10)[7770:7780].mean()
        begin = time.perf_counter()
        with ky.open(path, mode="r") as db:

            def call(db: ky.Database = db) -> pl.DataFrame:
                return db.aggregate("many", {"value": "mean"}, where={"sensor": "s0000777"})

            found = call()["value_mean"].item()
            first = (time.perf_counter() - begin) * 1e3
            assert np.isclose(found, expected, rtol=1e-9), (found, expected)
            yield {"series": count, "opened ms": first, "ms": milliseconds(call)}


CHILD = """
import json, pathlib, time
import kymograph as ky

def kilobytes(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

path, table, options = {arguments}
with ky.open(path, mode="r", cache="16MiB") as db:
    db.aggregate(table, {{"value": "count"}}, end=0)
    before = kilobytes("VmRSS")
    begin = time.perf_counter()
    try:
        out = db.aggregate(table, {{"value": ["mean", "max"]}}, **options)
        found = {{"rows": out.height}}
    except ky.LimitExceeded as error:
        found = {{"error": str(error)}}
    found["ms"] = (time.perf_counter() - begin) * 1e3
    found["peak MB"] = (kilobytes("VmHWM") - before) * 1024 / 1e6
print(json.dumps(found))
"""


def child(path: Path, table: str, **options: Any) -> dict[str, Any]:
    """What an aggregate takes in a process of its own: rows or error, ms, megabytes over those
    before it.
    """
    code = CHILD.format(arguments=repr((str(path), table, options)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process of an aggregate ended with {done.stderr}")
    return json.loads(done.stdout)


def memory(folder: Path) -> Iterator[dict[str, Any]]:
    """Peak memory over windows of 10 days, 20, 40, ..."""
    path = folder / "windows"
    rng = np.random.default_rng(SEED)
    count = WINDOW_DAYS * DAY // STEP
    with ky.open(path, durability="os") as db:
        for at in range(WINDOW_SERIES):
            frame = pl.DataFrame({"time": times(0, count), "value": values(rng, count)})
            frame = frame.with_columns(sensor=pl.lit(f"s{at}"))
            db.write("windows", frame, tags=["sensor"])
        db.compact()
    days = 10
    while days <= WINDOW_DAYS:
        end = START + days * DAY
        points = days * DAY // STEP * WINDOW_SERIES
        for every in ("7m", None):
            found = child(path, "windows", every=every, start=START, end=end, memory=BUDGET)
            yield {"days": days, "points": points, "every": every or "all"} | found
        days *= 2


def budget(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """An aggregate by every series under a budget too small for its groups, and under none."""
    path = folder / f"series-{count}"
    for limit in (SMALL_BUDGET, None):
        found = child(path, "many", by="sensor", memory=limit)
        error = found.get("error")
        # Named as it was given or in bytes.
        if error and not any(name in error for name in ("8MB", "8000000", "8,000,000")):
            raise AssertionError(f"LimitExceeded does not name the budget: {error}")
        yield {"series": count, "memory": limit} | found


def cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def plot(report: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Cost over size, a panel a figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = [
        ("sum", "points", ["ms"], "range sum of one series", "ms"),
        ("series", "series", ["opened ms", "ms"], "mean of one series among many", "ms"),
        ("memory", "points", ["peak MB"], f"aggregate under memory={BUDGET}", "peak MB"),
    ]
    figure, axes = plt.subplots(1, len(panels), figsize=(12, 3.6), constrained_layout=True)
    for ax, (name, x, ys, title, unit) in zip(axes, panels, strict=True):
        for every in dict.fromkeys(line.get("every") for line in report[name]):
            lines = [line for line in report[name] if line.get("every") == every]
            for y in ys:
                label = y if every is None else f"every {every}"
                ax.plot([line[x] for line in lines], [line[y] for line in lines], "o-", label=label)
        ax.set(title=title, xlabel=x, ylabel=unit, xscale="log")
        ax.set_ylim(0, 1.1 * ax.get_ylim()[1])
        ax.grid(alpha=0.3)
        if len(ax.lines) > 1:
            ax.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=100_000_000)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    print(f"{describe()}, kymograph {ky.__version__}, seed {SEED}")
    report: dict[str, Any] = {"machine": describe(), "kymograph": ky.__version__, "seed": SEED}
    with tempfile.TemporaryDirectory(prefix="kymograph-scaling-") as name:
        folder = Path(name)
        figures: list[tuple[str, Iterator[dict[str, Any]]]] = [
            ("sum", sums(folder, options.points)),
            ("series", series(folder, options.series)),
            ("memory", memory(folder)),
            ("budget", budget(folder, max(powers(1000, options.series)))),
        ]
        for name, lines in figures:
            report[name] = []
            for line in lines:
                report[name].append(line)
                cells = ", ".join(f"{key} {cell(value)}" for key, value in line.items())
                print(f"{name:8} {cells}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scaling.json").write_text(json.dumps(report, indent=1) + "\n")
    plot(report, options.out / "scaling.png")


if __name__ == "__main__":
    main()
