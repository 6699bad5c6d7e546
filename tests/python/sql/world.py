"""Random tables, in kymograph in each state of their life and in DuckDB."""

import random
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

import kymograph as ky
from oracles import NS, last_wins

TAGS = ["host", "dc"]
HOSTS = ["web-01", "web-02", "Web-03", "db_1"]
WORDS = ["", "q", "zz", "é", "a%b", "Zz top"]
SECOND = 10**9
# 2024-01-31 21:00 UTC: six hours from here cross into another day and month.
START = 1_706_734_800 * SECOND
HOURS = 6
STATES = ("hot", "flushed", "compacted", "reopened", "pco")
PARTS = 5


def metrics(rng, rows, hosts=HOSTS, step=30):
    """Rows of two tags (``host`` null at times) and five fields, with nulls, NaN and repeats.

    Times are ``step`` seconds or a multiple of it apart, but for some between.
    """

    def holes(values, share):
        gone = rng.random(rows) < share
        return [None if g else v for v, g in zip(values.tolist(), gone, strict=True)]

    # Six hours but for the third, and a few days away.
    hour = 3600 // step
    steps = rng.integers(0, HOURS * hour, rows)
    steps[steps // hour == 2] += 3 * hour
    times = START + steps * step * SECOND
    # Many at full hours, where buckets and conditions end.
    full = rng.random(rows) < 0.15
    times[full] = START + rng.integers(0, HOURS, full.sum()) * 3600 * SECOND
    far = rng.random(rows) < 0.02
    times[far] += rng.choice([-20, -3, 4, 33], far.sum()) * 86_400 * SECOND
    times[rng.random(rows) < 0.1] += 123_456_000
    wild = rng.normal(size=rows) * 10.0 ** rng.integers(-3, 4, rows)
    wild[rng.random(rows) < 0.02] = np.nan
    wild[rng.random(rows) < 0.005] = np.inf
    wild[rng.random(rows) < 0.005] = -np.inf
    wild[rng.random(rows) < 0.01] = -0.0
    return pl.DataFrame(
        {
            "time": pl.Series(times).cast(NS),
            "host": pl.Series(rng.choice([*hosts, None], rows).tolist(), dtype=pl.String),
            "dc": rng.choice(["x", "y"], rows).tolist(),
            "wild": pl.Series(holes(wild, 0.2), dtype=pl.Float64),
            "calm": pl.Series(holes(rng.normal(50, 30, rows).round(2), 0.1), dtype=pl.Float64),
            "n": pl.Series(holes(rng.integers(-1000, 1000, rows), 0.1), dtype=pl.Int64),
            "up": pl.Series(holes(rng.random(rows) < 0.7, 0.1), dtype=pl.Boolean),
            "word": pl.Series(holes(rng.choice(WORDS, rows), 0.1), dtype=pl.String),
        }
    )


def quotes(rng, rows):
    """Rows of one tag and two fields without nulls; no series has two rows at one time."""
    frame = pl.DataFrame(
        {
            "time": pl.Series(START + rng.integers(0, HOURS * 360, rows) * 10 * SECOND).cast(NS),
            "host": pl.Series(rng.choice([*HOSTS[:3], "gone"], rows).tolist()),
            "price": (100 + rng.normal(size=rows)).round(2),
            "volume": rng.integers(1, 500, rows),
        }
    )
    return frame.unique(["time", "host"], maintain_order=True)


def parts_of(rng, frame):
    """The rows in the parts that are written: the later the part, the older most of its rows."""
    rank = frame["time"].rank("ordinal").to_numpy() / max(frame.height, 1)
    part = np.clip(((1 - rank) * PARTS + rng.normal(0, 0.4, frame.height)).astype(int), 0, None)
    return [frame.filter(pl.Series(part == one)) for one in range(part.max() + 1)]


class World:
    """The tables ``m`` (duplicates are kept), ``l`` (the last wins) and ``quotes``.

    In DuckDB times are naive timestamps in UTC, and ``seq`` numbers the rows of a table by time,
    then series (a missing tag first), then arrival: the order of ``first`` and ``last``.
    """

    def __init__(self, folder: Path, seed, large=False):
        """``large``: few series of several blocks each, instead of many short ones."""
        rng = np.random.default_rng(seed)
        shape = (12_000, HOSTS[:1], 1) if large else (700, HOSTS, 30)
        self.large = large
        self.folder = Path(folder)
        self.parts = {
            "m": parts_of(rng, metrics(rng, *shape)),
            "l": parts_of(rng, metrics(rng, *shape)),
            "quotes": parts_of(rng, quotes(rng, shape[0] // 2)),
        }
        self.tags = {"m": TAGS, "l": TAGS, "quotes": ["host"]}
        self.duck = duckdb.connect()
        self.duck.execute("SET threads = 1; SET TimeZone = 'UTC'")
        # With these DuckDB 2.0 fails to bind conditions over CASE that it finds to be constant.
        off = "expression_rewriter,statistics_propagation"
        self.duck.execute(f"SET disabled_optimizers = '{off}'")
        for name in self.parts:
            self._into_duck(name)
        self.states = {state: self._written(state) for state in STATES}

    def rows(self, name):
        """The rows that a table holds, numbered by ``seq``."""
        tags = self.tags[name]
        frame = pl.concat(self.parts[name])
        if name == "l":
            frame = last_wins(frame, tags).select(frame.columns)
        ordered = frame.sort(["time", *tags], nulls_last=False, maintain_order=True)
        return ordered.with_row_index("seq").select(*frame.columns, pl.col("seq").cast(pl.Int64))

    def _into_duck(self, name):
        frame = self.rows(name).with_columns(
            pl.col("time").dt.cast_time_unit("us").dt.replace_time_zone(None)
        )
        shuffled = frame.sample(fraction=1, shuffle=True, seed=7)
        self.duck.register("arriving", shuffled.to_arrow())
        self.duck.execute(f"CREATE TABLE {name} AS SELECT * FROM arriving")
        self.duck.unregister("arriving")

    def _written(self, state):
        path = self.folder / state
        db = ky.open(path, durability="os")
        for name, parts in self.parts.items():
            codec = "pco" if state == "pco" else "auto"
            duplicates = "last" if name == "l" else "keep"
            db.create_table(name, self.tags[name], duplicates=duplicates, codec=codec)
            for part in parts:
                db.write(name, part)
                if state != "hot":
                    db.flush()
        if state in ("compacted", "pco"):
            db.compact()
        if state == "reopened":
            db.close()
            db = ky.open(path)
        return db

    def cool(self):
        """Opens the reopened database anew, with nothing in its cache."""
        self.states["reopened"].close()
        self.states["reopened"] = ky.open(self.folder / "reopened")

    def close(self):
        """Closes all databases."""
        self.duck.close()
        for db in self.states.values():
            db.close()


def rng_of(*seed):
    """A generator of random choices, of its own for each seed."""
    return random.Random(":".join(map(str, seed)))
