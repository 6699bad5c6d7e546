"""Time of a forecast by `auto`, on one thread, one series at a time.

    RAYON_NUM_THREADS=1 python benches/analytics/forecast_speed.py DATA [--every 50] [--rival]

Own and rival (statsforecast's AutoETS and AutoTheta, the season of the data) run alternately on the
same series; each series' time is the least of `--repeat`. The skill backtest is off; intervals are
calibrated. The figure is the median over series.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from forecast_accuracy import SEASONS, series

from kymograph import analytics

AIMS = {"m4_hourly": 10.0, "m3": 2.0}


def least(run, repeat: int) -> float:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=["m4_hourly", "m3"])
    parser.add_argument("--every", type=int, default=50, help="only each so many series")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    out = []
    for name in args.sets:
        own, theirs = [], []
        for _, group, horizon, values, _ in list(series(args.data, name))[:: args.every]:
            given = SEASONS[group] or [1]

            def run(values=values, horizon=horizon, given=given):
                analytics.forecast(values, horizon=horizon, seasons=given, backtest=False)

            own.append(least(run, args.repeat))
            if args.rival:
                from statsforecast.models import AutoETS, AutoTheta

                def rival(values=values, horizon=horizon, given=given):
                    for model in (AutoETS(season_length=given[0]), AutoTheta(given[0])):
                        model.forecast(values, horizon, level=[95])

                theirs.append(least(rival, 1))
        row = {"set": name, "series": len(own), "ms": round(float(np.median(own)), 3)}
        row |= {"mean_ms": round(float(np.mean(own)), 3), "aim_ms": AIMS[name]}
        if theirs:
            row |= {"statsforecast_ms": round(float(np.median(theirs)), 1)}
            ratios = np.median(np.array(theirs) / np.array(own))
            row |= {"times_faster": round(float(ratios), 1)}
        out.append(row)
        print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    if args.json:
        args.json.write_text("\n".join(json.dumps(row) for row in out) + "\n")


if __name__ == "__main__":
    main()
