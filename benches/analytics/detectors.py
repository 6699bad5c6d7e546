"""Rolling statistics and isolation forests against pandas and scikit-learn.

``python benches/analytics/detectors.py [--runs 5] [--quick]``: own and rival runs alternate, and
the fastest of each counts. Both may use all threads; set RAYON_NUM_THREADS and OMP_NUM_THREADS
alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

import kymograph as ky

Row = tuple[str, str, str]


def fastest(runs: int, *calls: Callable[[], object]) -> list[float]:
    """The fastest run of each, in seconds, in turns."""
    best = [float("inf")] * len(calls)
    for _ in range(runs):
        for at, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[at] = min(best[at], time.perf_counter() - start)
    return best


def rolling(runs: int, points: int) -> list[Row]:
    """Median and MAD of the last 1,000, against pandas' median alone and its MAD by apply."""
    values = np.random.default_rng(0).random(points)
    few = pd.Series(values[: min(points, 20_000)])
    frame = pd.Series(values)

    def own() -> object:
        return ky.analytics.rolling(values, window=1000, statistic=["median", "mad"])

    def median() -> object:
        return frame.rolling(1000).median()

    def mad() -> object:
        return few.rolling(1000).apply(lambda x: np.median(np.abs(x - np.median(x))), raw=True)

    mine, theirs = fastest(runs, own, median)
    (apply,) = fastest(1, mad)
    speed, rival = points / mine / 1e6, points / theirs / 1e6
    naive = len(few) / apply / 1e6
    return [
        ("rolling median and MAD, window 1,000", "5 M points/s", f"{speed:.2f} M points/s"),
        ("  pandas, the median alone", "", f"{rival:.2f} M points/s, {speed / rival:.1f}x slower"),
        ("  pandas, MAD by apply", "", f"{naive:.3f} M points/s, {speed / naive:.0f}x slower"),
    ]


def forest(runs: int, rows: int) -> list[Row]:
    """Fit and score of 100 trees of 256 samples on four fields."""
    data = np.random.default_rng(1).normal(size=(rows, 4))
    fields = {f"x{k}": np.ascontiguousarray(data[:, k]) for k in range(4)}

    def own() -> object:
        return ky.analytics.isolation_forest(fields, trees=100, samples=256)

    def rival() -> object:
        model = IsolationForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=-1)
        return model.fit(data).score_samples(data)

    def rival_alone() -> object:
        model = IsolationForest(n_estimators=100, max_samples=256, random_state=0)
        return model.fit(data).score_samples(data)

    mine, theirs, alone = fastest(runs, own, rival, rival_alone)
    ratio = min(theirs, alone) / mine
    return [
        (f"isolation forest, {rows:,} x 4", "3x scikit-learn", f"{ratio:.1f}x ({mine:.3f} s)"),
        ("  scikit-learn, n_jobs=-1 / 1", "", f"{theirs:.3f} / {alone:.3f} s"),
    ]


def main() -> list[Row]:
    """Prints a table of what was aimed at and what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    given = parser.parse_args()
    share = 10 if given.quick else 1
    rows = rolling(given.runs, 1_000_000 // share) + forest(given.runs, 100_000 // share)
    for name, aim, got in rows:
        print(f"{name:42} {aim:18} {got}")
    return rows


if __name__ == "__main__":
    main()
