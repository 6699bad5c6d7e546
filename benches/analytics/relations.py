"""Relations and features: how long they take beside statsmodels, NumPy, pandas and SciPy.

    python benches/analytics/relations.py [--rounds 7] [--json rows.json] [NAME ...]

Ours and the rival's calls alternate; the least of the rounds counts. Each answer is compared with
the rival's first, and a difference beyond rounding ends the run. Rivals of the matrix give r alone;
ours gives each pair's probability and count, too. A "times" figure is the rival's time over ours.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import statsmodels.api as sm
from scipy import stats
from statsmodels.tsa.stattools import grangercausalitytests

from kymograph import analytics


class Figure(NamedTuple):
    """What is measured: ours, the rival's, whether they agree, and the aim."""

    ours: Callable[[], object]
    rival: Callable[[], object]
    rival_name: str
    differ: Callable[[object, object], float]
    most: float
    aim: str


def granger() -> Figure:
    """Both ways, 4 lags, 2,000 points."""
    random = np.random.default_rng(1)
    x = random.normal(size=2000)
    y = np.convolve(x, [0, 0, 0.1], "full")[:2000] + random.normal(size=2000)

    def rival() -> list[float]:
        pairs = [np.column_stack([y, x]), np.column_stack([x, y])]
        return [grangercausalitytests(pair, [4])[4][0]["ssr_ftest"][1] for pair in pairs]

    return Figure(
        lambda: analytics.granger({"x": x, "y": y}, lags=4),
        rival,
        "statsmodels",
        lambda ours, theirs: float(abs(ours["p"].to_numpy() - theirs).max()),
        1e-8,
        "2 ms",
    )


def columns(count: int, rows: int, holes: float = 0.0) -> np.ndarray:
    """Normal values, some of them missing."""
    random = np.random.default_rng(2)
    values = random.normal(size=(rows, count))
    values[random.random(values.shape) < holes] = np.nan
    return values


def matrix(count: int, holes: float, method: str, rival_name: str) -> Figure:
    """Every pair of so many series of 1,000 points."""
    values = columns(count, 1000, holes)
    fields = {str(at): np.ascontiguousarray(values[:, at]) for at in range(count)}
    frame, lazy = pd.DataFrame(values), pl.DataFrame(fields)
    rivals: dict[str, Callable[[], np.ndarray]] = {
        "numpy": lambda: np.corrcoef(values, rowvar=False),
        "polars": lambda: lazy.corr().to_numpy(),
        "pandas": lambda: frame.corr(method=method).to_numpy(),
        "scipy": lambda: stats.spearmanr(values)[0],
    }
    above = np.triu_indices(count, 1)
    return Figure(
        lambda: analytics.correlation_matrix(fields, method=method),
        rivals[rival_name],
        rival_name,
        lambda ours, theirs: float(abs(ours["r"].to_numpy() - theirs[above]).max()),
        1e-10,
        "",
    )


def kendall() -> Figure:
    """Kendall's tau of 100,000 pairs."""
    values = columns(2, 100_000)
    x, y = np.ascontiguousarray(values[:, 0]), np.ascontiguousarray(values[:, 1])
    return Figure(
        lambda: analytics.correlate({"x": x, "y": y}, method="kendall"),
        lambda: stats.kendalltau(x, y),
        "scipy",
        lambda ours, theirs: abs(ours["r"][0] - theirs[0]),
        1e-12,
        "",
    )


def hac() -> Figure:
    """Least squares of 10,000 rows on 5 fields at 3 lags with Newey and West's errors."""
    values = columns(6, 10_000)
    fields = {str(at): np.ascontiguousarray(values[:, at]) for at in range(6)}

    def rival() -> np.ndarray:
        lagged = [values[2 - lag : 10_000 - lag, at] for at in range(1, 6) for lag in range(3)]
        model = sm.OLS(values[2:, 0], sm.add_constant(np.column_stack(lagged)))
        return model.fit(cov_type="HAC", cov_kwds={"maxlags": 8}, use_t=True).bse

    return Figure(
        lambda: analytics.regress(fields, lags=[0, 1, 2], hac=8),
        rival,
        "statsmodels",
        lambda ours, theirs: float(abs(ours["std_error"].to_numpy() - theirs).max()),
        1e-8,
        "",
    )


FIGURES: dict[str, Callable[[], Figure]] = {
    "granger, 4 lags, 2,000 points, both ways": granger,
    "correlation matrix, 1,000 series": lambda: matrix(1000, 0.0, "pearson", "numpy"),
    "correlation matrix, 1,000 series, beside polars": lambda: matrix(
        1000, 0.0, "pearson", "polars"
    ),
    "correlation matrix, 300 series, 5 % missing": lambda: matrix(300, 0.05, "pearson", "pandas"),
    "spearman matrix, 300 series": lambda: matrix(300, 0.0, "spearman", "scipy"),
    "kendall, 100,000 pairs": kendall,
    "regress, 10,000 rows, 15 terms, hac": hac,
}


def least(run: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds and the answer."""
    begin = time.perf_counter()
    answer = run()
    return (time.perf_counter() - begin) * 1e3, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="figures whose names contain one of these")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    print(f"{'figure':50}{'aim':>8}{'got, ms':>10}{'rival, ms':>11}{'times':>8}  rival")
    for name, make in FIGURES.items():
        if args.names and not any(part in name for part in args.names):
            continue
        figure = make()
        gap = figure.differ(figure.ours(), figure.rival())
        if not gap <= figure.most:
            raise SystemExit(f"{name}: {gap} from {figure.rival_name}, at most {figure.most}")
        ours = theirs = float("inf")
        for _ in range(args.rounds):
            ours = min(ours, least(figure.ours)[0])
            theirs = min(theirs, least(figure.rival)[0])
        print(
            f"{name:50}{figure.aim:>8}{ours:10.2f}{theirs:11.2f}{theirs / ours:8.1f}"
            f"  {figure.rival_name}",
            flush=True,
        )
        rows.append(
            {
                "bench": "relations",
                "figure": name,
                "aim": figure.aim,
                "ms": round(ours, 3),
                "rival": figure.rival_name,
                "rival_ms": round(theirs, 3),
                "times": round(theirs / ours, 2),
                "gap": gap,
            }
        )
    if args.json:
        args.json.write_text("\n".join(map(json.dumps, rows)) + "\n")


if __name__ == "__main__":
    main()
