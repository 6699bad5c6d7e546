"""Patterns beside stumpy and ruptures: ratios, in alternating runs on one machine.

    python benches/analytics/patterns.py [--json rows.json] [--rounds 5]

Every figure is the least time of several rounds; rivals run in turn with us, with as many threads.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable

import numpy as np
import ruptures
import stumpy

from kymograph import analytics


def least(rounds: int, *runs: Callable[[], object]) -> list[float]:
    """The least seconds of each, one after the other in every round."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for number, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - start)
    return best


def profile(rounds: int) -> list[dict]:
    """The whole profile of 20,000 values."""
    values = np.cumsum(np.random.default_rng(1).normal(size=20_000))
    stumpy.stump(values[:500], 100)
    own, rival = least(
        rounds,
        lambda: analytics.matrix_profile(values, window=100),
        lambda: stumpy.stump(values, 100),
    )
    got = analytics.matrix_profile(values, window=100)["profile"].to_numpy()
    apart = np.abs(got - stumpy.stump(values, 100)[:, 0].astype(float)).max()
    return [
        row("matrix profile, 20,000 values, against stumpy", rival / own, ">= 2", "x", own, rival),
        row("greatest difference to stumpy's", apart, "<= 1e-6", "", own, rival),
    ]


def append(rounds: int) -> list[dict]:
    """The left profile of 10,000 values by appending one at a time, by a detector."""
    values = np.cumsum(np.random.default_rng(2).normal(size=10_000))
    stream = stumpy.stumpi(values, 100, egress=False)
    stream.update(0.0)
    (rival,) = least(rounds, lambda: stream.update(0.0))
    options = {"method": "matrix_profile", "window": 100}
    try:
        longer = np.concatenate([values, values[:1_000]])
        short, long = least(
            rounds,
            lambda: analytics.detect(values, **options),
            lambda: analytics.detect(longer, **options),
        )
    except Exception as error:
        print(f"no detector to append by: {error}")
        return []
    own = (long - short) / 1_000
    return [row("append at 10,000 values", own * 1e3, "<= 1", "ms", own, rival)]


def changepoints(rounds: int) -> list[dict]:
    """Exact L2 changepoints of 5,000 values."""
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=20) * 2, 250) + rng.normal(size=5_000)
    penalty = 3 * np.log(5_000)
    rows = []
    own, rival = least(
        rounds,
        lambda: analytics.changepoints(values, penalty=penalty, min_size=2),
        lambda: ruptures.KernelCPD("linear", min_size=2).fit(values).predict(pen=penalty),
    )
    got = analytics.changepoints(values, penalty=penalty, min_size=2)["index"].to_list()
    want = ruptures.KernelCPD("linear", min_size=2).fit(values).predict(pen=penalty)[:-1]
    assert got == want, (got, want)
    rows.append(row("exact L2 by penalty, 5,000 values", own * 1e3, "<= 8", "ms", own, rival))
    own, rival = least(
        rounds,
        lambda: analytics.changepoints(values, method="exact", count=len(want), min_size=2),
        lambda: ruptures.KernelCPD("linear", min_size=2).fit(values).predict(n_bkps=len(want)),
    )
    rows.append(row("exact L2 by count, 5,000 values", own * 1e3, "<= 8", "ms", own, rival))
    return rows


def search(rounds: int) -> list[dict]:
    """The nearest of 50,000 places, against every window one by one in NumPy."""
    rng = np.random.default_rng(4)
    values, query = np.cumsum(rng.normal(size=50_000)), np.cumsum(rng.normal(size=128))

    def naive() -> int:
        windows = np.lib.stride_tricks.sliding_window_view(values, query.size)
        mean, spread = windows.mean(axis=1), windows.std(axis=1)
        shape = (query - query.mean()) / query.std()
        products = (windows @ shape) - mean * shape.sum()
        return int(np.argmax(products / spread))

    options = {"query": query.tolist(), "k": 1}
    own, rival = least(rounds, lambda: analytics.search(values, **options), naive)
    assert analytics.search(values, **options)["index"][0] == naive()
    (warped,) = least(rounds, lambda: analytics.search(values, measure="dtw", **options))
    return [
        row("search, 50,000 places, against NumPy", rival / own, ">= 1", "x", own, rival),
        row("search under warping, 50,000 places", warped * 1e3, "", "ms", warped, float("nan")),
    ]


def row(figure: str, got: float, aim: str, unit: str, own: float, rival: float) -> dict:
    return {
        "figure": figure,
        "aim": aim,
        "got": got,
        "unit": unit,
        "seconds": own,
        "rival_seconds": rival,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="where rows are written to")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rows = []
    for bench in (profile, append, changepoints, search):
        rows.extend(bench(given.rounds))
    print(f"{'figure':48}{'aim':>10}{'got':>14}  {'ours, s':>10}{'rival, s':>10}")
    for one in rows:
        got = f"{one['got']:.3g} {one['unit']}"
        times = f"{one['seconds']:>10.4f}{one['rival_seconds']:>10.4f}"
        print(f"{one['figure']:48}{one['aim']:>10}{got:>14}  {times}")
    if given.json:
        with open(given.json, "w") as file:
            json.dump({"machine": platform.processor(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
