"""Top-1 accuracy on the part of the UCR anomaly archive that is beside the checkout.

The rule is the archive's own (Wu and Keogh, "Current Time Series Anomaly Detection Benchmarks are
Flawed", TKDE 2021): each test part has one anomaly; a series counts when the highest score of its
test part lies no further from the labelled region than 100 points, or than the region is long where
that is more. The detector is given train and test as one series, and may look at all of it
(causal=False); where the train part ends is not told. A series without a label cannot count, and is
left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]

FIRST_KNOWN, AIM = 0.726, 0.80
SLACK = 100
STEP = 1_000_000_000


@dataclass
class Series:
    """One series: train and test as one, where test begins, first and last labelled rows."""

    name: str
    values: np.ndarray
    test: int
    first: int
    last: int


def load(data: Path) -> list[Series]:
    """All labelled series of a folder."""
    series = []
    for path in sorted(data.glob("*.npz")):
        arrays = np.load(path)
        labelled = np.flatnonzero(arrays["test_label"])
        if len(labelled) == 0:
            continue
        values = np.concatenate([arrays["train"], arrays["test"]]).astype(float)
        test = len(arrays["train"])
        series.append(
            Series(path.stem, values, test, test + int(labelled[0]), test + int(labelled[-1]))
        )
    return series


def hit(scores: np.ndarray, series: Series) -> bool:
    """Whether the highest score of the test part is at the anomaly."""
    test = scores[series.test :]
    if len(scores) != len(series.values) or np.isnan(test).all():
        return False
    top = series.test + int(np.nanargmax(test))
    slack = max(SLACK, series.last - series.first + 1)
    return series.first - slack <= top <= series.last + slack


def kymograph(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The one fixed configuration that is measured."""
    from kymograph import analytics

    return analytics.detect(values, times, method="auto", causal=False)["score"].to_numpy()


def main(score: Score = kymograph) -> None:
    """Prints figure and aim, and the same as a row of JSON."""
    default = Path(__file__).resolve().parents[3] / "shared/data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default, help="the folder with analytics/")
    data = parser.parse_args().data / "analytics/ucr"
    all_series = load(data)
    if not all_series:
        raise SystemExit(f"no series in {data}; name the folder with analytics/ by --data")
    missed = []
    for series in all_series:
        times = np.arange(len(series.values), dtype=np.int64) * STEP
        if not hit(score(times, series.values), series):
            missed.append(series.name)
    top1 = 1.0 - len(missed) / len(all_series)
    print(f"UCR, {len(all_series)} series{'':10} figure   first known   aim")
    print(f"top-1{top1:25.3f}{FIRST_KNOWN:14}{AIM:6}")
    print("  missed:", ", ".join(missed) or "none")
    print(json.dumps({"bench": "ucr", "series": len(all_series), "top1": round(top1, 4)}))


if __name__ == "__main__":
    main()
