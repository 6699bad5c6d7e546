"""What the same values take on disk in Parquet, in DuckDB and in kymograph, and how fast they load.

    python benches/compare/sizes.py [DATA_DIR] [--hosts 1000] [--hours 12] [--json PATH]

The rivals are in requirements.txt beside this file; kymograph's lines want it installed. Series of
DATA_DIR (default ../shared/data beside the checkout) are the ones of `cargo bench --bench codec`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "benches" / "python"))

from tsbs import FIELDS, TAGS, cpu  # noqa: E402

try:
    import kymograph as ky
except ImportError:
    ky = None

# Options of `pyarrow.parquet.write_table` for columns of doubles.
PARQUET: dict[str, dict[str, Any]] = {
    "Parquet, zstd": {"use_dictionary": False},
    "Parquet, byte-stream-split + zstd": {"use_dictionary": False, "use_byte_stream_split": True},
    "Parquet, dictionary + zstd": {"use_dictionary": True},
}
# Bits a value that the whole folder is to take, times and tags in it.
TARGETS = {"int": 3.2, "dec2": 9.5}
ROUNDS = 5


def series(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Group, name and values of every file."""
    for path in sorted(folder.glob("alp/*.bin.gz")):
        yield "alp row groups", path.name, np.frombuffer(gzip.decompress(path.read_bytes()), "<f8")
    for path in sorted(folder.glob("alp/vectors/*.csv")):
        yield "alp vectors", path.stem, np.loadtxt(path, ndmin=1)
    for path in sorted(folder.glob("nab/*/*.csv")):
        yield "nab", path.stem, pl.read_csv(path)["value"].cast(pl.Float64).to_numpy()


def seconds(call: Callable[[], object]) -> float:
    """The median over rounds of at least 20 ms."""
    rounds = []
    for _ in range(ROUNDS):
        begin, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - begin < 0.02:
            call()
            calls += 1
        rounds.append((time.perf_counter() - begin) / calls)
    return statistics.median(rounds)


def once(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def size(path: Path) -> int:
    """Bytes of a file, or of all below a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def bits(path: Path, values: int) -> float:
    return size(path) * 8 / values


def parquet(values: np.ndarray, path: Path, options: dict[str, Any]) -> tuple[float, float, float]:
    """Bits a value of the column and of the whole file, and million values a second to NumPy."""
    pq.write_table(pa.table({"value": values}), path, compression="zstd", **options)
    groups = pq.ParquetFile(path).metadata
    chunks = [groups.row_group(at).column(0) for at in range(groups.num_row_groups)]
    column = sum(chunk.total_compressed_size for chunk in chunks) * 8 / len(values)

    def fetch() -> np.ndarray:
        return pq.read_table(path, use_threads=False)["value"].to_numpy()

    assert fetch().tobytes() == values.tobytes()
    return column, bits(path, len(values)), len(values) / seconds(fetch) / 1e6


def files(folder: Path, scratch: Path) -> Iterator[dict[str, Any]]:
    """Means over the series of each group in Parquet, a file each; a DuckDB file of each group."""
    groups: dict[str, list[tuple[str, np.ndarray]]] = {}
    for group, name, values in series(folder):
        groups.setdefault(group, []).append((name, values))
    for group, members in groups.items():
        for codec, options in PARQUET.items():
            measured = [parquet(values, scratch / "one", options) for _, values in members]
            column, whole, speed = zip(*measured, strict=True)
            yield {
                "case": group,
                "store": codec,
                "bits": statistics.mean(column),
                "file": statistics.mean(whole),
                "fetch": statistics.median(speed),
            }
        yield duck(group, members, scratch / f"{group}.duckdb")


def duck(group: str, members: list[tuple[str, np.ndarray]], path: Path) -> dict[str, Any]:
    """One table of a group's series. An empty database's bytes are taken off."""
    empty = path.with_suffix(".empty")
    duckdb.connect(empty).close()
    table = pa.table(
        {
            "series": np.repeat([name for name, _ in members], [len(v) for _, v in members]),
            "value": np.concatenate([values for _, values in members]),
        }
    )
    n = table.num_rows
    with duckdb.connect(path, config={"threads": 1}) as db:
        db.register("incoming", table)
        db.execute("CREATE TABLE data AS SELECT * FROM incoming")
    with duckdb.connect(path, config={"threads": 1}) as db:
        fetch = seconds(lambda: db.execute("SELECT value FROM data").fetchnumpy())
        total = seconds(lambda: db.execute("SELECT sum(value) FROM data").fetchall())
    return {
        "case": group,
        "store": "DuckDB",
        "bits": None,
        "file": (size(path) - size(empty)) * 8 / n,
        "fetch": n / fetch / 1e6,
        "sum": n / total / 1e6,
    }


def tsbs(hosts: int, hours: float, scratch: Path) -> Iterator[dict[str, Any]]:
    """Whole stores of cpu-only rows, times and tags in them.

    The rivals get rows already sorted by host and time, outside of the clock: their smallest
    form. kymograph gets them as a collector sends them.
    """
    for variant in ["int", "dec2", "float"]:
        case = f"TSBS {variant}"
        frame = cpu(hosts, hours, variant, all_tags=True)
        values = frame.height * len(FIELDS)

        def line(
            store: str, path: Path, ingest: float, case: str = case, values: int = values
        ) -> dict[str, Any]:
            whole = bits(path, values)
            speed = values / ingest / 1e6
            return {"case": case, "store": store, "file": whole, "ingest": speed}

        table = frame.sort("hostname", "time").to_arrow()
        for codec, options in PARQUET.items():
            path = scratch / f"{variant}.parquet"
            dictionary = True if options["use_dictionary"] else TAGS
            split = FIELDS if options.get("use_byte_stream_split") else False
            ways = {"use_dictionary": dictionary, "use_byte_stream_split": split}
            spent = once(
                lambda path=path, table=table, ways=ways: pq.write_table(
                    table, path, compression="zstd", **ways
                )
            )
            yield line(codec, path, spent)
        path = scratch / f"{variant}.duckdb"
        with duckdb.connect(path) as db:
            db.register("incoming", table)
            begin = time.perf_counter()
            db.execute("CREATE TABLE cpu AS SELECT * FROM incoming")
            db.execute("CHECKPOINT")
            spent = time.perf_counter() - begin
        yield line("DuckDB", path, spent)
        del table
        if ky is not None:
            path = scratch / f"{variant}.ky"
            # Without a history the segments that compaction replaces go with it.
            db = ky.open(path, history=0)
            spent = once(lambda db=db, frame=frame: db.write("cpu", frame, time="time", tags=TAGS))
            hot = line("kymograph, as written", path, spent)
            compacted = once(db.compact)
            db.close()
            yield hot
            yield line("kymograph, compacted", path, spent + compacted) | {
                "target": TARGETS.get(variant)
            }


def show(line: dict[str, Any]) -> None:
    def cell(name: str, decimals: int) -> str:
        number = line.get(name)
        return f"{'-' if number is None else format(number, f'.{decimals}f'):>9}"

    cells = [cell("bits", 2), cell("file", 2), cell("fetch", 0), cell("sum", 0), cell("ingest", 1)]
    print(f"{line['case']:15} {line['store']:34} {' '.join(cells)} {cell('target', 1)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=12)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"PyArrow {pa.__version__}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores")
    print("bits: of the column; file: of all of the store, bits a value; the rest: M values/s")
    heads = ["bits", "file", "fetch", "sum", "ingest", "target"]
    print(f"{'':15} {'':34} {' '.join(f'{head:>9}' for head in heads)}")
    found = []
    with tempfile.TemporaryDirectory(prefix="kymograph-sizes-") as scratch:
        if not options.data.is_dir():
            print(f"no data in {options.data}: only what is generated")
        else:
            for line in files(options.data, Path(scratch)):
                show(line)
                found.append(line)
        if ky is None:
            print("kymograph is not installed here: its lines are left out")
        for line in tsbs(options.hosts, options.hours, Path(scratch)):
            show(line)
            found.append(line)
    if options.json:
        rivals = {"pyarrow": pa.__version__, "duckdb": duckdb.__version__}
        options.json.write_text(json.dumps({"rivals": rivals, "lines": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
