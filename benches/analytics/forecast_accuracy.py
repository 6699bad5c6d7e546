"""Forecast accuracy on the M4 Hourly, M3, Tourism and M1 series, one fixed configuration.

    python benches/analytics/forecast_accuracy.py DATA [--sets m4_hourly m3] [--method auto]
        [--every 10] [--rival] [--json rows.json]

DATA holds `NAME.train.parquet`, `NAME.test.parquet` where a test is public, and `NAME.info.csv`
(group and horizon of each series). Where there is no test file (M4 Hourly, M3), the last horizon of
each training series is held out, so that figures are not those of the papers' own test parts.

OWA is that of the M4 competition: the mean of sMAPE and of MASE over all series, each relative to
Naive2 (the naive on a series adjusted by a classical multiplicative decomposition when the season
passes the 90 % autocorrelation test), averaged. Tourism's figure is the mean of MASE over all
series. Coverage is the share of held-out values within the 95 % interval.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import polars as pl

from kymograph import analytics

SEASONS = {"YEARLY": [], "QUARTERLY": [4], "MONTHLY": [12], "OTHER": [], "HOURLY": [24, 168]}
AIMS = {"m4_hourly": ("owa", 0.48), "m3": ("owa", 0.815), "tourism": ("mase", 1.95)}


def series(data: Path, name: str):
    """(id, group, horizon, training values, values to forecast) of each series."""
    info = pl.read_csv(data / f"{name}.info.csv")
    groups = {row["unique_id"]: (row["group"], row["h"]) for row in info.to_dicts()}

    def read(part: str) -> dict[str, np.ndarray]:
        frame = pl.read_parquet(data / f"{name}.{part}.parquet").sort("unique_id", "ds")
        parts = frame.partition_by("unique_id", as_dict=True, maintain_order=True)
        return {key[0]: rows["y"].to_numpy() for key, rows in parts.items()}

    train = read("train")
    tests = read("test") if (data / f"{name}.test.parquet").exists() else None
    for key, values in train.items():
        group, horizon = groups[key]
        if tests is None:
            yield key, group, horizon, values[:-horizon], values[-horizon:]
        else:
            yield key, group, horizon, values, tests[key]


def seasonal(values: np.ndarray, season: int) -> bool:
    """The competition's test, as in its R code."""
    if season < 2 or len(values) < 3 * season:
        return False
    centred = values - values.mean()
    total = (centred**2).sum()
    if total == 0:
        return False
    acf = np.array([(centred[k:] * centred[:-k]).sum() / total for k in range(1, season + 1)])
    limit = 1.645 * np.sqrt((1 + 2 * (acf[:-1] ** 2).sum()) / len(values))
    return bool(abs(acf[-1]) > limit)


def naive2(values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    if not seasonal(values, season):
        return np.full(horizon, values[-1])
    weights = np.ones(season if season % 2 else season + 1)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    trend = np.convolve(values, weights / season, mode="valid")
    half = len(weights) // 2
    ratio = np.full(len(values), np.nan)
    ratio[half : half + len(trend)] = values[half : half + len(trend)] / trend
    index = np.array([np.nanmean(ratio[phase::season]) for phase in range(season)])
    index /= index.mean()
    phases = np.arange(len(values) + horizon) % season
    return values[-1] / index[phases[len(values) - 1]] * index[phases[len(values) :]]


def smape(truth: np.ndarray, mean: np.ndarray) -> float:
    size = np.abs(truth) + np.abs(mean)
    error = 200 * np.abs(truth - mean)
    return float(np.mean(np.divide(error, size, out=np.zeros_like(error), where=size > 0)))


def mase(truth: np.ndarray, mean: np.ndarray, past: np.ndarray, season: int) -> float:
    scale = np.abs(past[season:] - past[:-season]).mean()
    return float(np.abs(truth - mean).mean() / scale) if scale > 0 else float("nan")


def own(method: str, found: bool):
    def forecast(values: np.ndarray, horizon: int, group: str):
        given = {} if found else {"seasons": SEASONS[group] or [1]}
        frame = analytics.forecast(
            values, horizon=horizon, method=method, levels=[95], backtest=False, **given
        )
        return (frame[name].to_numpy() for name in ("mean", "lower_95", "upper_95"))

    return forecast


def rival():
    """The median of statsforecast's AutoETS, AutoTheta and AutoCES on the first season."""
    from statsforecast.models import AutoCES, AutoETS, DynamicOptimizedTheta

    def forecast(values: np.ndarray, horizon: int, group: str):
        season = (SEASONS[group] or [1])[0]
        models = [AutoETS(season), AutoCES(season), DynamicOptimizedTheta(season)]
        outs = [model.forecast(values, horizon, level=[95]) for model in models]
        return (np.median([out[key] for out in outs], axis=0) for key in ("mean", "lo-95", "hi-95"))

    return forecast


def measure(rows, forecast) -> dict:
    groups: dict[str, list] = {}
    for _, group, horizon, values, truth in rows:
        season = (SEASONS[group] or [1])[0]
        began = time.perf_counter()
        mean, lower, upper = forecast(values, horizon, group)
        took = time.perf_counter() - began
        bench = naive2(values, season, horizon)
        groups.setdefault(group, []).append(
            (
                smape(truth, mean),
                mase(truth, mean, values, season),
                smape(truth, bench),
                mase(truth, bench, values, season),
                float(np.mean((truth >= lower) & (truth <= upper))),
                took,
            )
        )

    def figures(lines: list) -> dict:
        own_smape, own_mase, their_smape, their_mase, coverage, took = np.nanmean(lines, axis=0)
        owa = (own_smape / their_smape + own_mase / their_mase) / 2
        return {
            "series": len(lines),
            "owa": round(float(owa), 4),
            "smape": round(float(own_smape), 3),
            "mase": round(float(own_mase), 4),
            "coverage": round(float(coverage), 4),
            "ms": round(float(took) * 1e3, 3),
        }

    result = {group: figures(lines) for group, lines in groups.items()}
    result["all"] = figures([line for lines in groups.values() for line in lines])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=["m4_hourly", "m3", "tourism"])
    parser.add_argument("--methods", nargs="*", default=["auto"])
    parser.add_argument("--every", type=int, default=1, help="only each so many series")
    parser.add_argument("--found", action="store_true", help="seasons are found, not given")
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    out = []
    for name in args.sets:
        rows = list(series(args.data, name))[:: args.every]
        methods = {method: own(method, args.found) for method in args.methods}
        if args.rival:
            methods["statsforecast"] = rival()
        for method, forecast in methods.items():
            for group, figures in measure(rows, forecast).items():
                row = {"set": name, "method": method, "group": group, **figures}
                if group == "all" and name in AIMS:
                    row["aim"] = dict([AIMS[name]])
                out.append(row)
                print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    if args.json:
        args.json.write_text("\n".join(json.dumps(row) for row in out) + "\n")


if __name__ == "__main__":
    main()
