"""Functions of a series' course: by hand, and against loops over the points in their order."""

import itertools
import math

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from oracles import each_state
from sql.compare import difference
from sql.world import SECOND, TAGS, metrics

BUCKET = 600 * SECOND


def written(*series):
    """A database with the table ``t``; each series is its host and its (second, value) points."""
    db = ky.open()
    for host, points in series:
        times = [at * SECOND for at, _ in points]
        values = [None if value is None else float(value) for _, value in points]
        db.write("t", {"time": times, "host": [host] * len(points), "v": values}, tags="host")
    return db


def test_a_counter_that_starts_again():
    with written(
        ("a", [(0, 5), (10, 9), (20, 2), (30, 6)]), ("b", [(0, 100), (10, 101), (40, None)])
    ) as db:
        text = "SELECT increase(v) AS i, delta(v) AS d, rate(v) AS r FROM t"
        # a: 4, then 2 from the new start, then 4; b: 1.
        assert db.sql(f"{text} GROUP BY host ORDER BY host").rows() == [
            (10.0, 1.0, 10 / 30),
            (1.0, 1.0, 0.1),
        ]
        assert db.sql(text).rows() == [(11.0, 2.0, 10 / 30 + 0.1)]
        # What lies between two buckets belongs to neither.
        assert db.sql(f"{text} WHERE host = 'a' GROUP BY 20s").rows()[0][1:] == (4.0, 4.0, 0.4)
        assert db.sql(f"{text} WHERE host = 'a' GROUP BY 20s").rows()[1][1:] == (4.0, 4.0, 0.4)
        # Sliding windows join their buckets first.
        slid = db.sql(f"{text} WHERE host = 'a' GROUP BY 30s STEP 10s ORDER BY time")
        assert slid["i"].to_list() == [None, 4.0, 6.0, 6.0, 4.0, None]


def test_one_point_has_no_course():
    with written(("a", [(0, 5)]), ("b", [(3, None)])) as db:
        text = "SELECT increase(v) AS i, delta(v) AS d, rate(v) AS r, twa(v) AS w FROM t"
        assert db.sql(f"{text} WHERE host = 'a'").rows() == [(None, None, None, 5.0)]
        assert db.sql(f"{text} WHERE host = 'b'").rows() == [(None, None, None, None)]
        assert db.sql(f"{text} WHERE host = 'nobody'").rows() == [(None, None, None, None)]


def test_means_weighted_by_time():
    with written(("a", [(0, 1), (10, 3), (30, 0)]), ("b", [(5, 7), (15, 7)])) as db:
        for name in ("time_weighted_average", "time_weighted_avg", "twa"):
            text = f"SELECT {name}(v) AS s, {name}(v, 'step') AS t, {name}(v, 'linear') AS l FROM t"
            step, linear = (10 * 1 + 20 * 3) / 30, (10 * 2 + 20 * 1.5) / 30
            assert db.sql(f"{text} WHERE host = 'a'").row(0) == pytest.approx((step, step, linear))
            both = (step * 30 + 70) / 40, (step * 30 + 70) / 40, (linear * 30 + 70) / 40
            assert db.sql(text).row(0) == pytest.approx(both)
        with pytest.raises(ky.InvalidArgument, match="'step' or 'linear'"):
            db.sql("SELECT twa(v, 'cubic') FROM t")


def test_nan_spoils_a_course():
    with written(("a", [(0, 1), (10, math.nan), (20, 4)])) as db:
        row = db.sql("SELECT increase(v), delta(v), rate(v), twa(v) FROM t").row(0)
        assert all(math.isnan(value) for value in row)


def course(points):
    """Of one series' points in order: increase, delta, seconds, areas by steps and by lines."""
    increase = steps = lines = 0.0
    for (t0, v0), (t1, v1) in itertools.pairwise(points):
        increase += v1 if v1 < v0 else v1 - v0
        steps += v0 * (t1 - t0) / SECOND
        lines += (v0 + v1) / 2 * (t1 - t0) / SECOND
    return (
        increase,
        points[-1][1] - points[0][1],
        (points[-1][0] - points[0][0]) / SECOND,
        steps,
        lines,
    )


def naive(rows, field):
    """``increase, delta, rate, twa, twa linear`` by bucket, of several series."""
    series = {}
    for row in rows:
        if row[field] is not None:
            key = (row["time"] // BUCKET * BUCKET, row["host"], row["dc"])
            series.setdefault(key, []).append((row["time"], float(row[field])))
    found = {}
    for (bucket, *_), points in series.items():
        found.setdefault(bucket, []).append((len(points), course(points), points))
    out = []
    for bucket, runs in sorted(found.items()):
        moved = [run for count, run, _ in runs if count > 1]
        lasted = [run for _, run, _ in runs if run[2] > 0]
        duration = sum(run[2] for run in lasted)
        values = [value for *_, points in runs for _, value in points]
        mean = sum(values) / len(values)
        out.append(
            (
                bucket,
                sum(run[0] for run in moved) if moved else None,
                sum(run[1] for run in moved) if moved else None,
                sum(run[0] / run[2] for run in lasted) if lasted else None,
                sum(run[3] for run in lasted) / duration if lasted else mean,
                sum(run[4] for run in lasted) / duration if lasted else mean,
            )
        )
    return out


@pytest.mark.parametrize("seed", [1, 2])
def test_as_loops(tmp_path, seed):
    frame = metrics(np.random.default_rng(seed), 900)

    def fill(db):
        for part in frame.iter_slices(300):
            db.write("t", part, tags=TAGS)

    ordered = frame.with_columns(pl.col("time").cast(pl.Int64)).sort("time", maintain_order=True)
    for state, db in each_state(tmp_path / "c.ky", fill):
        for field in ("n", "calm"):
            got = db.sql(
                f"SELECT increase({field}) AS a, delta({field}) AS b, rate({field}) AS c, "
                f"twa({field}) AS d, twa({field}, 'linear') AS e FROM t "
                f"WHERE {field} IS NOT NULL GROUP BY 10m ORDER BY time"
            ).with_columns(pl.col("time").cast(pl.Int64))
            expected = naive(ordered.to_dicts(), field)
            found = difference(got.rows(), expected, ordered=True, exact=[False] * 6)
            assert found is None, (state, field, found)
