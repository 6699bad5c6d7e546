"""Delay-7 F1 on the KPI series of the AIOPS challenge, on the halves that are beside the checkout.

The rule is the challenge's, as in Ren et al., "Time-Series Anomaly Detection Service at Microsoft"
(KDD 2019): a labelled segment counts as found, with all its points, when one of its first 7 + 1
points is flagged, and as missed with all its points otherwise; flags outside segments are false,
each for itself. Points of all series are pooled, and one threshold serves them all: the best there
is for the pooled F1. The shared data are the first (train) halves; all of each is scored.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]

DELAY = 7
FIRST_KNOWN, AIM = 0.707, 0.78
# The data has no times. A minute a point: no detector may know more.
STEP = 60_000_000_000


def load(data: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, values and labels (bool) of each series."""
    series = []
    for path in sorted(data.glob("*.npz")):
        arrays = np.load(path)
        series.append((path.stem, arrays["x"].astype(float), arrays["y"] > 0))
    return series


def segments(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First points of the labelled segments, and the points behind their last."""
    edges = np.diff(np.concatenate([[0], labels.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def events(scores: np.ndarray, labels: np.ndarray, delay: int = DELAY) -> tuple[np.ndarray, ...]:
    """What a falling threshold meets: levels, true points and false points at each."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    first, end = segments(labels)
    found = [scores[a : min(b, a + delay + 1)].max() for a, b in zip(first, end, strict=True)]
    level = np.concatenate([np.array(found), scores[~labels]])
    true = np.concatenate([end - first, np.zeros(int((~labels).sum()), dtype=np.int64)])
    return level, true, np.concatenate([np.zeros(len(first)), np.ones(int((~labels).sum()))])


def best_f1(
    scores: Sequence[np.ndarray], labels: Sequence[np.ndarray], delay: int = DELAY
) -> tuple[float, float, float, float]:
    """The best pooled F1, its precision and recall, and the one threshold (score >= it)."""
    parts = [events(s, y, delay) for s, y in zip(scores, labels, strict=True)]
    level, true, false = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    positives = true.sum()
    order = np.argsort(-level, kind="stable")
    level, tp, fp = level[order], np.cumsum(true[order]), np.cumsum(false[order])
    last = np.append(level[1:] != level[:-1], True) & (level > -np.inf)
    if not last.any() or positives == 0:
        return 0.0, 0.0, 0.0, np.inf
    level, tp, fp = level[last], tp[last], fp[last]
    f1 = 2 * tp / (tp + fp + positives)
    at = int(np.argmax(f1))
    return float(f1[at]), float(tp[at] / (tp[at] + fp[at])), float(tp[at] / positives), level[at]


def kymograph(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The one fixed configuration that is measured."""
    from kymograph import analytics

    return analytics.detect(values, times, method="auto")["score"].to_numpy()


def main(score: Score = kymograph) -> None:
    """Prints figure and aim, and the same as a row of JSON."""
    default = Path(__file__).resolve().parents[3] / "shared/data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default, help="the folder with analytics/")
    data = parser.parse_args().data / "analytics/aiops_train"
    series = load(data)
    if not series:
        raise SystemExit(f"no series in {data}; name the folder with analytics/ by --data")
    labels = [y for _, _, y in series]
    scores = [score(np.arange(len(x), dtype=np.int64) * STEP, x) for _, x, _ in series]
    f1, precision, recall, threshold = best_f1(scores, labels)
    own = [best_f1([s], [y])[0] for s, y in zip(scores, labels, strict=True)]
    print(f"AIOPS, {len(series)} series{'':10} figure   first known   aim")
    print(f"delay-{DELAY} F1, one threshold{f1:11.3f}{FIRST_KNOWN:14}{AIM:6}")
    print(f"  precision {precision:.3f}, recall {recall:.3f}, threshold {threshold:.4f}")
    print(f"  mean of each series' own best F1: {np.mean(own):.3f}")
    row = {"f1": f1, "precision": precision, "recall": recall, "own_thresholds": np.mean(own)}
    rounded = {name: round(float(figure), 4) for name, figure in row.items()}
    print(json.dumps({"bench": "aiops", "series": len(series), **rounded}))


if __name__ == "__main__":
    main()
