"""Detectors and rolling statistics against scikit-learn, pandas and plain NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest

import kymograph as ky


def series(points: int, seed: int = 0, missing: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = np.cumsum(random.normal(size=points)) + 3 * random.standard_t(2, size=points)
    values[random.random(points) < missing] = np.nan
    return values


@pytest.mark.parametrize("window", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_rolling_statistics_are_those_of_pandas(window: int, missing: float) -> None:
    values = series(3000, window, missing)
    names = ["median", "mean", "std", "min", "max", "quantile"]
    got = ky.analytics.rolling(values, window=window, statistic=names, q=0.3)
    rolling = pd.Series(values).rolling(window, min_periods=1)
    expected = {
        "median": rolling.median(),
        "mean": rolling.mean(),
        "std": rolling.std(),
        "min": rolling.min(),
        "max": rolling.max(),
        "quantile": rolling.quantile(0.3),
    }
    for name in names:
        own = got[name].to_numpy()
        # pandas adds to and subtracts from running sums, of which the deviation keeps some error.
        atol = 1e-5 if name == "std" else 1e-9
        np.testing.assert_allclose(own, expected[name].to_numpy(), rtol=1e-9, atol=atol)


def test_the_rolling_mad_is_that_of_numpy_to_the_last_bit() -> None:
    values = series(1500, 3, 0.1)
    got = ky.analytics.rolling(values, window=101, statistic=["median", "mad"])
    median, mad = got["median"].to_numpy(), got["mad"].to_numpy()
    for at in range(values.size):
        inside = values[max(0, at - 100) : at + 1]
        inside = inside[~np.isnan(inside)]
        if inside.size == 0:
            assert np.isnan(median[at])
            assert np.isnan(mad[at])
            continue
        assert median[at] == np.median(inside)
        assert mad[at] == np.median(np.abs(inside - np.median(inside)))


def test_the_forest_ranks_rows_as_scikit_learn_does() -> None:
    random = np.random.default_rng(5)
    rows = random.normal(size=(4000, 4)) * [1, 3, 0.5, 10]
    rows[:60] += random.normal(size=(60, 4)) * [8, 20, 4, 80]
    got = ky.analytics.isolation_forest({f"x{k}": rows[:, k] for k in range(4)}, trees=200)
    own = got["score"].to_numpy()
    oracle = -IsolationForest(n_estimators=200, random_state=0).fit(rows).score_samples(rows)
    assert spearmanr(own, oracle).statistic > 0.95
    # Two forests of different chance agree as well as one does with the oracle, and no better.
    other = -IsolationForest(n_estimators=200, random_state=1).fit(rows).score_samples(rows)
    agreement = spearmanr(oracle, other).statistic
    assert spearmanr(own, oracle).statistic > agreement - 0.01
    assert abs(np.median(own) - np.median(oracle)) < 0.01
    far = set(np.argsort(own)[-30:])
    assert len(far & set(np.argsort(oracle)[-30:])) >= 24


def scores_of(z: np.ndarray) -> np.ndarray:
    return z**2 / (z**2 + 9)


def test_zscore_is_the_distance_from_the_mean_of_the_points_before() -> None:
    values = series(800, 7, 0.05)
    got = ky.analytics.detect(values, method="zscore", window=50, min_points=10)
    for at in range(values.size):
        before = values[max(0, at - 50) : at]
        before = before[~np.isnan(before)]
        score = got["score"][at]
        if before.size < 10 or np.isnan(values[at]):
            assert score is None or np.isnan(score)
            continue
        z = (values[at] - before.mean()) / before.std(ddof=1)
        assert score == pytest.approx(scores_of(z), abs=1e-9)
        assert got["expected"][at] == pytest.approx(before.mean(), abs=1e-9)


def test_mad_is_the_distance_from_the_median_of_the_points_before() -> None:
    values = series(800, 8)
    got = ky.analytics.detect(values, method="mad", window=64, min_points=10)
    score = got["score"].to_numpy()
    for at in range(10, values.size):
        before = values[max(0, at - 64) : at]
        median = np.median(before)
        deviation = 1.482602218505602 * np.median(np.abs(before - median))
        z = (values[at] - median) / deviation
        assert score[at] == pytest.approx(scores_of(z), abs=1e-12)


def test_ewma_is_the_recursion_written_out() -> None:
    values = series(600, 9)
    got = ky.analytics.detect(values, method="ewma", alpha=0.1, min_points=5)
    score, expected = got["score"].to_numpy(), got["expected"].to_numpy()
    mean, variance = values[0], 0.0
    for at in range(1, values.size):
        error = values[at] - mean
        if at >= 5:
            assert expected[at] == pytest.approx(mean, rel=1e-9, abs=1e-9)
            assert score[at] == pytest.approx(scores_of(error / np.sqrt(variance)), abs=1e-9)
        variance += max(0.1, 1 / at) * (error**2 - variance)
        mean += max(0.1, 1 / (at + 1)) * error


def test_without_causality_all_points_are_one_sample() -> None:
    values = series(500, 10)
    got = ky.analytics.detect(values, method="zscore", causal=False)
    z = (values - values.mean()) / values.std(ddof=1)
    np.testing.assert_allclose(got["score"].to_numpy(), scores_of(z), atol=1e-9)
