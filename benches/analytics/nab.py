"""The score of the Numenta Anomaly Benchmark (NAB), on those of its files beside the checkout.

The rules are those of Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the
Numenta Anomaly Benchmark" (ICMLA 2015), as its repository applies them: the first 15 % of a file,
capped at 750 rows, are not scored; a window earns by its earliest alert, a sigmoid of where in the
window that is; a window without an alert costs; each alert outside costs, less just behind a
window; one threshold over all files is the best there is for the profile; 0 is a detector that
never alerts, 100 one that alerts with the first row of every window.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]

PROBATION_SHARE = 0.15
PROBATION_ROWS = 5000
# name: weights of a true positive, a false positive, a false negative; first known figure, aim
PROFILES = {
    "standard": (1.0, 0.11, 1.0, 57, 70),
    "low_fp": (1.0, 0.22, 1.0, 46, 63),
    "low_fn": (1.0, 0.11, 2.0, 64, 76),
}


@dataclass
class File:
    """One metric: ns UTC, values, and the first and last rows of the labelled windows."""

    name: str
    times: np.ndarray
    values: np.ndarray
    windows: list[tuple[int, int]]


def _ns(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000


def read(path: Path, name: str, windows: Sequence[Sequence[str]]) -> File:
    """A file as NAB ships it (or gzipped), with its windows as in NAB's combined_windows.json."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = list(csv.reader(lines))[1:]
    times = np.array([_ns(row[0]) for row in rows], dtype=np.int64)
    values = np.array([float(row[1]) for row in rows])
    limits = [tuple(int(np.argmax(times == _ns(end))) for end in window) for window in windows]
    return File(name, times, values, limits)


def load(data: Path) -> list[File]:
    """All files of a folder with `windows.json`, by name."""
    windows = json.loads((data / "windows.json").read_text())
    return [read(data / name, name, windows[name]) for name in sorted(windows)]


def scaled_sigmoid(position: np.ndarray) -> np.ndarray:
    """What an alert is worth: at -1 a window begins, at 0 it ends, above lies what is behind it."""
    return np.where(position >= 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * position)) - 1.0)


def probation(rows: int) -> int:
    """Rows at the begin that are not scored."""
    return int(min(np.floor(PROBATION_SHARE * rows), PROBATION_SHARE * PROBATION_ROWS))


def row_worth(rows: int, windows: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """What an alert at each row is worth, unweighted, and in which window it is (-1 for none)."""
    worth = np.full(rows, -1.0)
    window = np.full(rows, -1)
    most = scaled_sigmoid(np.array(-1.0))
    index = np.arange(rows)
    for at, (left, right) in enumerate(windows):
        width = right - left + 1
        behind = index > right
        if width > 1:
            worth[behind] = scaled_sigmoid((index[behind] - right) / (width - 1))
        inside = (index >= left) & (index <= right)
        worth[inside] = scaled_sigmoid(-(right - index[inside] + 1) / width) / most
        window[inside] = at
    return worth, window


def sweep(
    files: Sequence[File], scores: Sequence[np.ndarray], profile: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Thresholds (descending; the first is above all scores), the raw score at each, and the raw
    score of a perfect detector."""
    gain, cost, miss, *_ = PROFILES[profile]
    levels: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    null, perfect = 0.0, 0.0
    for file, given in zip(files, scores, strict=True):
        if len(given) != len(file.times):
            raise ValueError(f"{file.name}: {len(given)} scores for {len(file.times)} rows")
        given = np.where(np.isnan(given), -np.inf, given)
        worth, window = row_worth(len(given), file.windows)
        scored = np.arange(len(given)) >= probation(len(given))
        outside = scored & (window < 0)
        levels.append(given[outside])
        changes.append(cost * worth[outside])
        for at in range(len(file.windows)):
            inside = np.flatnonzero(scored & (window == at))
            if len(inside) == 0:
                continue
            null -= miss
            perfect += gain
            order = inside[np.argsort(-given[inside], kind="stable")]
            best = np.maximum.accumulate(np.append(-miss, gain * worth[order]))
            levels.append(given[order])
            changes.append(np.diff(best))
    level, change = np.concatenate(levels), np.concatenate(changes)
    order = np.argsort(-level, kind="stable")
    level, total = level[order], null + np.cumsum(change[order])
    last = np.append(level[1:] != level[:-1], True) & (level > -np.inf)
    return np.append(np.inf, level[last]), np.append(null, total[last]), perfect


def nab_score(
    files: Sequence[File],
    scores: Sequence[np.ndarray],
    profile: str = "standard",
    threshold: float | None = None,
) -> tuple[float, float]:
    """NAB's score and its threshold: the best for this profile over all files, or the given one."""
    thresholds, raw, perfect = sweep(files, scores, profile)
    if threshold is None:
        at = int(np.argmax(raw))
    else:
        at = int(np.searchsorted(-thresholds, -threshold, side="right")) - 1
    return 100.0 * (raw[at] - raw[0]) / (perfect - raw[0]), float(thresholds[at])


def run(score: Score, file: File) -> np.ndarray:
    """Scores of a file's rows; the detector gets them by their times, which a few are not by."""
    order = np.argsort(file.times, kind="stable")
    scores = np.empty(len(order))
    scores[order] = score(file.times[order], file.values[order])
    return scores


def kymograph(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The one fixed configuration that is measured."""
    from kymograph import analytics

    return analytics.detect(values, times, method="auto")["score"].to_numpy()


def main(score: Score = kymograph) -> None:
    """Prints figure and aim a profile, and the same as a row of JSON."""
    default = Path(__file__).resolve().parents[3] / "shared/data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default, help="the folder with nab/ in it")
    data = parser.parse_args().data / "nab"
    if not (data / "windows.json").exists():
        raise SystemExit(f"no NAB files in {data}; name the folder that has nab/ by --data")
    files = load(data)
    scores = [run(score, file) for file in files]
    figures = {}
    print(f"NAB, {len(files)} files{'':12} figure   first known   aim   threshold")
    for profile, (*_, known, aim) in PROFILES.items():
        figures[profile], threshold = nab_score(files, scores, profile)
        print(f"{profile:28}{figures[profile]:7.1f}{known:14}{aim:6}{threshold:12.3f}")
    rounded = {name: round(figure, 2) for name, figure in figures.items()}
    print(json.dumps({"bench": "nab", "files": len(files), **rounded}))


if __name__ == "__main__":
    main()
