"""Naive twins of the engine in Polars, and data to ask both about."""

import os
from pathlib import Path

import numpy as np
import polars as pl

import kymograph as ky

NS = pl.Datetime("ns", "UTC")
MINUTE = 60 * 10**9
STATES = ("head", "flushed", "compacted", "reopened")


def nab_folder():
    """The whole benchmark, where it lies beside the checkout (``KYMOGRAPH_NAB`` names another)."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "nab"
    return Path(os.environ.get("KYMOGRAPH_NAB", beside))


def each_state(path, write):
    """The database at each stage of its life: in memory, flushed, compacted, opened again."""
    db = ky.open(path)
    write(db)
    yield "head", db
    db.flush()
    yield "flushed", db
    db.compact()
    yield "compacted", db
    db.close()
    with ky.open(path) as db:
        yield "reopened", db


def unpruned(db):
    """The same database, asked without any pruning: everything is decoded."""
    return ky.Database(db._native._unpruned())


def plain(frame):
    """Tags as strings, so that frames of different dictionaries compare."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def nanos(frame, column="time"):
    """A column of times as int nanoseconds."""
    return frame[column].cast(pl.Datetime("ns", "UTC")).cast(pl.Int64).to_list()


def bits(column):
    """Values with None for null and floats by their bits, so that NaN payloads and -0.0 count."""
    if column.dtype != pl.Float64:
        return column.to_list()
    raw = column.fill_null(0.0).to_numpy().view(np.uint64).tolist()
    return [None if n else v for n, v in zip(column.is_null().to_list(), raw, strict=True)]


def generated(seed, rows=3_000):
    """Two tags (one missing at times), five fields with nulls, rows late and times repeated."""
    rng = np.random.default_rng(seed)

    def holes(values, share):
        gone = rng.random(rows) < share
        return [None if g else v for v, g in zip(values.tolist(), gone, strict=True)]

    wild = rng.normal(size=rows) * 10.0 ** rng.integers(-3, 6, rows)
    wild[rng.random(rows) < 0.01] = np.nan
    wild[rng.random(rows) < 0.002] = np.inf
    wild[rng.random(rows) < 0.01] = -0.0
    return pl.DataFrame(
        {
            "time": pl.Series(rng.integers(0, 240, rows) * MINUTE // 2).cast(NS),
            "host": pl.Series(rng.choice(["a", "b", "c", None], rows).tolist(), dtype=pl.String),
            "dc": rng.choice(["x", "y"], rows).tolist(),
            "wild": pl.Series(holes(wild, 0.2), dtype=pl.Float64),
            "calm": pl.Series(holes(rng.normal(50, 9, rows).round(2), 0.1), dtype=pl.Float64),
            "n": pl.Series(holes(rng.integers(-1000, 1000, rows), 0.1), dtype=pl.Int64),
            "up": pl.Series(holes(rng.random(rows) < 0.7, 0.1), dtype=pl.Boolean),
            "word": pl.Series(holes(rng.choice(["", "q", "zz", "é"], rows), 0.1), dtype=pl.String),
        }
    )


def last_wins(frame, tags):
    """What a table with duplicates="last" holds: of each field the last value that is not null."""
    fields = [name for name in frame.columns if name not in ("time", *tags)]
    return frame.group_by(*tags, "time", maintain_order=True).agg(
        pl.col(fields).drop_nulls().last()
    )


def in_order(frame, tags):
    """Rows as ``read`` gives them: by series (a missing tag first), then time, then arrival."""
    return frame.sort([*tags, "time"], nulls_last=False, maintain_order=True)


def aggregated(frame, fields, every=None, by=(), order=()):
    """The naive twin of ``aggregate``; ``order`` has the tags by which equal times are ordered.

    ``first`` and ``last`` are by time; at one time the order of series, then of arrival, counts.
    """
    ordered = frame.sort(["time", *order], nulls_last=False, maintain_order=True)
    if every is not None:
        ticks = pl.col("time").cast(pl.Int64)
        ordered = ordered.with_columns(time=(ticks.floordiv(every) * every).cast(NS))
    columns = [
        oracle(pl.col(field).drop_nulls(), function).alias(f"{field}_{function}")
        for field, functions in fields.items()
        for function in functions
    ]
    keys = [*by, *(["time"] if every is not None else [])]
    if not keys:
        return ordered.select(columns)
    out = ordered.group_by(keys).agg(columns).sort(keys, nulls_last=False)
    return out.select([*(["time"] if every is not None else []), *by, pl.exclude(keys)])


def oracle(values, function):
    """One aggregate of values that are not null."""
    some = pl.when(values.len() > 0)
    match function:
        case "count":
            return values.len().cast(pl.Int64)
        case "sum":
            return some.then(values.sum())
        case "median":
            return values.cast(pl.Float64).sort().quantile(0.5, "linear")
        case "std" | "var":
            return getattr(values, function)(ddof=1)
        case "first" | "last" | "min" | "max" | "mean":
            return getattr(values, function)()
        case _:
            percent = float(function.removeprefix("p")) / 100
            return values.cast(pl.Float64).quantile(percent, "linear")


def assert_same(got, expected, abs_tol=1e-9, rel_tol=1e-9):
    """Equal columns, types and rows; floats to a tolerance (sums are added in other orders)."""
    from polars.testing import assert_frame_equal

    assert got.columns == expected.columns, (got.columns, expected.columns)
    assert_frame_equal(
        plain(got),
        plain(expected).cast({"time": NS} if "time" in expected.columns else {}),
        check_dtypes=True,
        abs_tol=abs_tol,
        rel_tol=rel_tol,
    )
