"""How long the models take to fit, against the libraries that fit the same.

    python benches/analytics/models.py [names ...] [--rounds 3] [--json rows.json]

Automatic ARIMA against statsforecast's AutoARIMA and Prophet's model against prophet, on 2,000
hourly values with a daily season; the network's training has no rival. Both sides take turns in one
run, and the least time of each counts: wall time, and time of all cores. `gap` is the mean absolute
difference of the two forecasts of a day, as a share of the series' standard deviation.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kymograph import analytics

N, SEASON, HOUR = 2_000, 24, 3_600_000_000_000


def values(seed: int = 1) -> np.ndarray:
    """A daily shape, a slight rise, and errors that remember."""
    noise = np.random.default_rng(seed).normal(size=N + 100)
    errors = np.zeros(N + 100)
    for t in range(1, N + 100):
        errors[t] = 0.6 * errors[t - 1] + noise[t] + 0.3 * noise[t - 1]
    t = np.arange(N)
    shape = 5 * np.sin(2 * np.pi * t / SEASON) + 3 * np.cos(4 * np.pi * t / SEASON)
    return 50 + 0.01 * t + shape + errors[100:]


TIMES = 1_577_836_800_000_000_000 + np.arange(N, dtype=np.int64) * HOUR


def forecast(y: np.ndarray, method: str) -> np.ndarray:
    """A day ahead, with what its intervals are calibrated by and without a backtest."""
    found = analytics.forecast(
        y,
        TIMES.view("datetime64[ns]"),
        horizon=SEASON,
        method=method,
        seasons=[SEASON],
        backtest=False,
    )
    return found["mean"].to_numpy()


def detect(y: np.ndarray) -> np.ndarray:
    return analytics.detect(y, method="lstm")["score"].to_numpy()


def statsforecast(y: np.ndarray) -> np.ndarray:
    from statsforecast.models import AutoARIMA

    return AutoARIMA(season_length=SEASON).forecast(y=y, h=SEASON)["mean"]


def prophet(y: np.ndarray) -> np.ndarray:
    """Its fit, and the means alone: no futures are simulated."""
    import pandas as pd
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    frame = pd.DataFrame({"ds": TIMES.view("datetime64[ns]"), "y": y})
    ahead = pd.date_range(frame["ds"].iloc[-1], periods=SEASON + 1, freq="h")[1:]
    model = Prophet(uncertainty_samples=0).fit(frame)
    return model.predict(pd.DataFrame({"ds": ahead}))["yhat"].to_numpy()


# Name: what of ours, the aim (ms), and the rival.
FIGURES: dict[str, tuple[Callable, float, Callable | None]] = {
    "automatic ARIMA, 2,000 points, season 24": (
        lambda y: forecast(y, "arima"),
        500,
        statsforecast,
    ),
    "Prophet-compatible fit, 2,000 points": (lambda y: forecast(y, "prophet"), 40, prophet),
    "LSTM forecast, 2,000 points": (lambda y: forecast(y, "lstm"), 2_000, None),
    "LSTM detection, 2,000 points": (detect, 2_000, None),
}


def timed(run: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Wall time and cores' time (ms), and what came out."""
    wall, cores = time.perf_counter(), time.process_time()
    got = run()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cores) * 1e3, got


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="figures whose names contain one of these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    y = values()
    print(f"{'figure':44}{'aim, ms':>9}{'got, ms':>9}{'cores, ms':>11}{'rival, ms':>11}{'gap':>8}")
    for name, (ours, aim, rival) in FIGURES.items():
        if args.names and not any(part.lower() in name.lower() for part in args.names):
            continue
        rival = None if args.no_rivals else rival
        if rival is not None:
            rival(y[:200])  # Imports and compiles.
        least, cores, theirs, gap = float("inf"), float("inf"), float("nan"), float("nan")
        for _ in range(args.rounds):
            wall, used, got = timed(lambda ours=ours: ours(y))
            least, cores = min(least, wall), min(cores, used)
            if rival is not None:
                wall, _, other = timed(lambda rival=rival: rival(y))
                theirs = min(wall, theirs) if theirs == theirs else wall
                gap = float(np.abs(got - other).mean() / y.std())
        print(f"{name:44}{aim:9.0f}{least:9.1f}{cores:11.1f}{theirs:11.1f}{gap:8.4f}", flush=True)
        row = {"bench": "models", "figure": name, "aim_ms": aim, "got_ms": round(least, 2)}
        row["cores_ms"] = round(cores, 2)
        if rival is not None:
            row |= {"rival": rival.__name__, "rival_ms": round(theirs, 1), "gap": round(gap, 5)}
        rows.append(row)
    if args.json:
        args.json.write_text("\n".join(map(json.dumps, rows)) + "\n")


if __name__ == "__main__":
    main()
