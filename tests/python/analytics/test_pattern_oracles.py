"""Patterns equal what stumpy, ruptures, statsmodels and scipy find."""

import numpy as np
import pytest
import ruptures
import scipy.stats
import stumpy
from statsmodels.tsa.seasonal import STL

from kymograph import analytics

STEP = 60_000_000_000


def times(count: int) -> np.ndarray:
    return np.arange(count, dtype="int64") * STEP


def walk(count: int, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=count))


def awkward(count: int, seed: int) -> np.ndarray:
    """A walk with a plateau, a repetition, a missing value and an infinite one."""
    values = walk(count, seed)
    values[100:180] = 3.25
    values[400:460] = values[250:310]
    values[600], values[700] = np.nan, np.inf
    return values


def column(frame, name: str) -> np.ndarray:
    return frame[name].to_numpy().astype(float)


def distances(profile: np.ndarray) -> np.ndarray:
    """Infinite distances are null here."""
    profile = np.asarray(profile, dtype=float)
    return np.where(np.isfinite(profile), profile, np.nan)


def assert_same_profile(got: np.ndarray, want: np.ndarray) -> None:
    """Within 1e-6, but for equal windows: they are 0 here, and what rounding leaves in stumpy."""
    rounding = (got == 0) & (want < 1e-5)
    np.testing.assert_allclose(got[~rounding], want[~rounding], atol=1e-6)


@pytest.mark.parametrize("make", [walk, awkward])
def test_the_matrix_profile_is_stumpys(make):
    values = make(900, 1)
    got = analytics.matrix_profile(values, window=32)
    want = stumpy.stump(values, 32)
    assert_same_profile(column(got, "profile"), distances(want[:, 0]))


def test_the_profile_without_normalisation_is_stumpys():
    values = awkward(720, 2)
    got = analytics.matrix_profile(values, window=20, normalize=False)
    want = stumpy.aamp(values, 20)
    assert_same_profile(column(got, "profile"), distances(want[:, 0]))


def test_the_left_profile_is_what_stumpi_knew_at_each_value():
    values = walk(400, 3)
    stream = stumpy.stumpi(values[:100], 24, egress=False)
    for value in values[100:]:
        stream.update(value)
    got = analytics.matrix_profile(values, window=24)
    new = 100 - 24 + 1
    np.testing.assert_allclose(
        column(got, "left_profile")[new:], distances(stream.left_P_)[new:], atol=1e-6
    )


def test_search_is_stumpys_mass():
    values, query = walk(800, 4), walk(50, 5)
    got = analytics.search(values, query=query.tolist(), k=1)
    want = stumpy.mass(query, values)
    assert got["index"][0] == int(np.argmin(want))
    assert got["distance"][0] == pytest.approx(want.min(), abs=1e-6)


@pytest.mark.parametrize("penalty", [2.0, 10.0, 60.0])
def test_changepoints_by_penalty_are_ruptures(penalty):
    rng = np.random.default_rng(6)
    values = np.repeat(rng.normal(size=12) * 3, 40) + rng.normal(size=480)
    got = analytics.changepoints(values, method="pelt", penalty=penalty, min_size=2)
    want = ruptures.KernelCPD("linear", min_size=2).fit(values).predict(pen=penalty)
    assert got["index"].to_list() == want[:-1]
    if penalty > 20:
        want = ruptures.Pelt("l2", min_size=2, jump=1).fit(values).predict(pen=penalty)
        assert got["index"].to_list() == want[:-1]


@pytest.mark.parametrize("cost", ["l2", "l1"])
def test_changepoints_by_count_are_ruptures(cost):
    rng = np.random.default_rng(7)
    values = np.repeat(rng.normal(size=5) * 3, 24) + rng.normal(size=120)
    for count in (1, 3, 4):
        got = analytics.changepoints(values, method="exact", count=count, cost=cost, min_size=2)
        want = ruptures.Dynp(cost, min_size=2, jump=1).fit(values).predict(n_bkps=count)
        assert got["index"].to_list() == want[:-1]


@pytest.mark.parametrize("robust", [False, True])
def test_components_are_statsmodels_stl(robust):
    t = np.arange(240)
    rng = np.random.default_rng(8)
    values = 0.02 * t + np.sin(2 * np.pi * t / 12) * (1 + t / 240) + rng.normal(size=240) * 0.2
    values[77] += 8
    got = analytics.decompose(
        values, times(240), seasons=[12], robust=robust, seasonal_length=7, trend_length=23
    )
    want = STL(values, period=12, seasonal=7, trend=23, robust=robust).fit()
    np.testing.assert_allclose(column(got, "trend"), want.trend, atol=1e-6)
    np.testing.assert_allclose(column(got, "seasonal"), want.seasonal, atol=1e-6)
    np.testing.assert_allclose(column(got, "remainder"), want.resid, atol=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_the_trend_is_scipys_tau_and_slopes(ties):
    rng = np.random.default_rng(9)
    seconds = np.arange(150) * 60.0
    values = 0.001 * seconds + rng.normal(size=150) * 3
    values = np.round(values) if ties else values
    got = analytics.trend(values, times(150))
    assert got["tau"][0] == pytest.approx(scipy.stats.kendalltau(seconds, values).statistic)
    slope, _, low, high = scipy.stats.theilslopes(values, seconds, alpha=0.95)
    found = [got[name][0] for name in ("slope", "slope_lower", "slope_upper")]
    np.testing.assert_allclose(found, [slope, low, high], rtol=1e-9, atol=1e-15)
    # Mann and Kendall's test, by its formulas.
    pairs = np.sign(values[None, :] - values[:, None])[np.triu_indices(150, 1)]
    counts = np.unique(values, return_counts=True)[1]
    variance = (150 * 149 * 305 - (counts * (counts - 1) * (2 * counts + 5)).sum()) / 18
    z = (pairs.sum() - np.sign(pairs.sum())) / np.sqrt(variance)
    assert got["z"][0] == pytest.approx(z)
    assert got["p"][0] == pytest.approx(2 * scipy.stats.norm.sf(abs(z)), rel=1e-9)


def test_noise_and_walks_have_no_season_and_seasons_are_found():
    rng = np.random.default_rng(10)
    noise = [rng.normal(size=300) for _ in range(200)]
    walks = [np.cumsum(values) for values in noise]
    for many in (noise, walks):
        false = sum(analytics.seasons(values).height > 0 for values in many)
        assert false <= 8
    t = np.arange(400)
    found = 0
    for _ in range(50):
        values = np.tile(rng.normal(size=24), 17)[:400] + 0.01 * t + rng.normal(size=400) * 0.5
        values[rng.random(400) < 0.1] = np.nan
        found += 24 in analytics.seasons(values)["period"].to_list()
    # With a tenth of the values missing and noise of half the size of the shape.
    assert found >= 33
