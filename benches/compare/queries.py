"""kymograph beside DuckDB, chDB, Polars and ArcticDB on TSBS cpu-only, all in one run.

    pip install -r benches/compare/requirements.txt
    python benches/compare/queries.py [--hosts 1000] [--hours 12] [--variant int] [--rounds 6]
        [--seed 1] [--engines kymograph duckdb ...] [--queries lastpoint ...] [--json PATH]

or `./dev compare` with the same options. Engines: kymograph, duckdb (a native file), chdb (a
MergeTree), polars (a frame in memory), parquet (Polars, lazily), arcticdb (LMDB); each as its file
in engines/ says, on all cores. DuckDB always takes part: what it answers is what the others have to
answer, up to 1e-9, before their time counts.

Each round draws its own hosts and times, the same for each engine. In a round each engine answers
a query once untimed, which is what is compared, and then for 50 ms, at least once and at most 20
times; a round counts as its median, and the table shows the median of the rounds. All columns of a
result reach Polars, Arrow or pandas within the time. `ratio` is the best peer's time over that of
kymograph. `least` is what the memory alone would take: the encoded bytes of the fields in the range
and those of the result, over the bandwidth, which is measured before and after. Statistics that
answer without the values may need less; a call from Python that finds nothing is timed as well, and
below that no query comes. It wants an idle machine; how much others took of it is printed.

Ingest is of one Polars frame sorted by time until it is durable; rivals may keep that order there,
though what they answer from is sorted by host and time where that serves them.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

import machine  # noqa: E402
from check import difference, plain  # noqa: E402
from engines import MODULES, make  # noqa: E402
from engines.base import Engine  # noqa: E402
from table import show  # noqa: E402
from tsbs import cpu  # noqa: E402
from workload import Draw, Query  # noqa: E402

ENOUGH = 0.05
CALLS = 20


def once(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def settled(call: Callable[[], Any]) -> float:
    """The median seconds of calls; a result is given back outside of the clock."""
    spent: list[float] = []
    while not spent or (sum(spent) < ENOUGH and len(spent) < CALLS):
        begin = time.perf_counter()
        result = call()
        spent.append(time.perf_counter() - begin)
        del result
    return statistics.median(spent)


def least_bytes(stored: dict[str, int], query: Query, result: pl.DataFrame) -> float:
    """What has to be read and written: the encoded fields in the range, and the result."""
    encoded = sum(stored[name] for name in {"time", *query.fields})
    return encoded * query.series * query.time + result.estimated_size()


class Comparison:
    """All engines over the same rows."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.engines: dict[str, Engine] = {name: make(name) for name in options.engines}
        self.report: dict[str, Any] = {
            "machine": machine.describe(),
            "bandwidth": machine.bandwidth(),
            "versions": {engine.name: engine.version for engine in self.engines.values()},
            "hosts": options.hosts,
            "hours": options.hours,
            "variant": options.variant,
            "seed": options.seed,
            "rounds": options.rounds,
            "ingest": {},
            "bytes": {},
            "mismatches": [],
            "queries": [],
        }

    def load(self) -> None:
        """Times ingest in rounds, engine after engine, then makes what is asked."""
        options = self.options
        frame = cpu(options.hosts, options.hours, options.variant, options.seed, all_tags=True)
        self.report["rows"] = frame.height
        spent: dict[str, list[float]] = {}
        for round_ in range(options.ingests):
            for name, engine in self.engines.items():
                if engine.durable:
                    place = self.folder / f"{name}-ingest-{round_}"
                    seconds = once(lambda e=engine, p=place: e.ingest(frame, p))
                    spent.setdefault(engine.name, []).append(seconds)
        self.report["ingest"] = {name: statistics.median(found) for name, found in spent.items()}
        by_host = frame.sort(pl.col("hostname").cast(pl.String), "time")
        for name, engine in self.engines.items():
            engine.open(frame, by_host, self.folder / name)
            self.report["bytes"][engine.name] = engine.bytes()
        if "kymograph" in self.engines:
            self.stored = self.engines["kymograph"].stored()
            self.report["empty call"] = settled(self.engines["kymograph"].nothing)

    def measure(self) -> None:
        options = self.options
        draws = [
            Draw(options.seed * 1000 + round_, options.hosts, options.hours).all()
            for round_ in range(options.rounds)
        ]
        for drawn in zip(*draws, strict=True):
            if not options.queries or drawn[0].name in options.queries:
                self.report["queries"].append(self.query(drawn))
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)

    def query(self, drawn: tuple[Query, ...]) -> dict[str, Any]:
        """Medians of one query over its rounds, of the engines that answer as DuckDB does."""
        spent: dict[str, list[float]] = {}
        wrong: set[str] = set()
        floor = []
        for query in drawn:
            calls = {
                name: lambda e=engine, q=query: getattr(e, q.verb)(**q.arguments)
                for name, engine in self.engines.items()
            }
            reference = plain(self.engines["duckdb"].tidy(calls["duckdb"](), query.columns), query)
            for name, engine in self.engines.items():
                if name in wrong:
                    continue
                answer = engine.tidy(calls[name](), query.columns)
                what = difference(plain(answer, query), reference, query)
                if what is not None:
                    wrong.add(name)
                    self.report["mismatches"].append(f"{query.name}, {engine.name}: {what}")
                elif name == "kymograph":
                    floor.append(least_bytes(self.stored, query, answer))
            for name, call in calls.items():
                if name not in wrong:
                    spent.setdefault(name, []).append(settled(call))
        found = {
            self.engines[name].name: statistics.median(rounds)
            for name, rounds in spent.items()
            if name not in wrong
        }
        return {
            "name": drawn[0].name,
            "seconds": found,
            "least bytes": statistics.median(floor) if floor else None,
        }

    def close(self) -> None:
        for engine in self.engines.values():
            engine.close()


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Adds each query's best peer, kymograph's ratio to it and the least time; sums them up."""
    ratios = []
    slower = []
    for line in report["queries"]:
        seconds = dict(line["seconds"])
        mine = seconds.pop("kymograph", None)
        line["best peer"] = min(seconds, key=seconds.__getitem__) if seconds else None
        line["ratio"] = None
        line["least"] = line["least bytes"] and line["least bytes"] / report["bandwidth"]
        if mine is not None and seconds:
            line["ratio"] = min(seconds.values()) / mine
            ratios.append(line["ratio"])
            if line["ratio"] < 1:
                slower.append(line["name"])
    mean = math.exp(statistics.mean(map(math.log, ratios))) if ratios else None
    return {"geometric mean": mean, "slower": slower}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=12)
    parser.add_argument("--variant", choices=["int", "dec2", "float"], default="int")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--ingests", type=int, default=3, help="rounds of ingest")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", nargs="+", choices=list(MODULES), default=list(MODULES))
    parser.add_argument("--queries", nargs="+", metavar="NAME", help="all when none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    known = [query.name for query in Draw(1, options.hosts, options.hours).all()]
    for name in options.queries or []:
        if name not in known:
            parser.error(f"--queries: no query {name!r}; there are: {', '.join(known)}")
    if "duckdb" not in options.engines:
        options.engines.append("duckdb")
    others = machine.Others()
    with tempfile.TemporaryDirectory(prefix="kymograph-compare-") as folder:
        comparison = Comparison(options, Path(folder))
        try:
            comparison.load()
            comparison.measure()
            comparison.report["bandwidth"] = max(
                comparison.report["bandwidth"], machine.bandwidth()
            )
        finally:
            comparison.close()
    report = comparison.report | {"summary": summary(comparison.report), "others": others.share()}
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if report["mismatches"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
