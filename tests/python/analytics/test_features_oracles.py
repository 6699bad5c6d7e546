"""Every feature against its definition in NumPy, SciPy or statsmodels."""

import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.tools import add_constant
from statsmodels.tsa.seasonal import STL
from statsmodels.tsa.stattools import acf as correlations
from statsmodels.tsa.stattools import adfuller, kpss, levinson_durbin

from kymograph import analytics


def longest(truths):
    most = run = 0
    for truth in truths:
        run = run + 1 if truth else 0
        most = max(most, run)
    return most


def strength(part, rest):
    return max(0.0, 1 - np.var(rest, ddof=1) / np.var(part + rest, ddof=1))


def components(z, period):
    if period < 2:
        side = max(len(z) // 10, 5) // 2
        trend = np.array([z[max(0, t - side) : t + side + 1].mean() for t in range(len(z))])
        return strength(trend, z - trend), np.nan
    span = int(np.ceil(1.5 * period / (1 - 1.5 / 11)))
    span += span % 2 == 0
    low = period + (period % 2 == 0)
    jumps = [int(np.ceil(width / 10)) for width in (11, span, low)]
    fit = STL(
        z,
        period,
        seasonal=11,
        seasonal_deg=0,
        seasonal_jump=jumps[0],
        trend_jump=jumps[1],
        low_pass_jump=jumps[2],
    ).fit(inner_iter=2, outer_iter=0)
    return strength(fit.trend, fit.resid), strength(fit.seasonal, fit.resid)


def sample_entropy(z):
    count = len(z) - 2
    two = three = 0
    for i in range(count):
        rest = np.arange(i + 1, count)
        near = (abs(z[rest] - z[i]) <= 0.2) & (abs(z[rest + 1] - z[i + 1]) <= 0.2)
        two += near.sum()
        three += (near & (abs(z[rest + 2] - z[i + 2]) <= 0.2)).sum()
    return -np.log(three / two)


def fluctuations(z):
    walk = np.cumsum(z)
    scale, scales, left = 10, [], []
    while scale <= len(z) // 4:
        windows = walk[: len(walk) // scale * scale].reshape(-1, scale)
        t = np.arange(scale)
        rest = [w - np.polyval(np.polyfit(t, w, 1), t) for w in windows]
        scales.append(np.log(scale))
        left.append(np.log(np.sqrt(np.mean(np.square(rest)))))
        scale = scale * 5 // 4
    return np.polyfit(scales, left, 1)[0] if len(scales) >= 4 else np.nan


def naive(values, period):
    """The features of values without gaps."""
    x = np.asarray(values, dtype=float)
    n = len(x)
    z = (x - x.mean()) / x.std()
    diff1, diff2 = np.diff(z), np.diff(z, 2)

    def acf(v, lags):
        return correlations(v, nlags=lags, fft=False)[1:]

    power = abs(np.fft.rfft(z))[1:] ** 2
    share = power[power > 0] / power.sum()
    trend, season = components(z, period)
    width = period if period >= 2 else 10
    tiles = z[: n // width * width].reshape(-1, width)
    q = dict(zip([5, 25, 50, 75, 95], np.percentile(x, [5, 25, 50, 75, 95]), strict=True))
    tenths = np.minimum((x - x.min()) / (x.max() - x.min()) * 10, 9).astype(int)
    runs = np.split(tenths, np.flatnonzero(np.diff(tenths)) + 1)
    zeros = np.flatnonzero(correlations(z, nlags=min(n - 1, 500), fft=False) <= 0)
    squares = z**2 - np.mean(z**2)
    arch = np.column_stack([squares[12 - lag : n - lag] for lag in range(1, 13)])
    cubic = np.column_stack([z[:-1] ** power for power in (1, 2, 3)])
    line = OLS(z[1:], add_constant(cubic[:, :1])).fit().ssr
    lags = min(int((n - 1) ** (1 / 3) + 1e-9), 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = kpss(z, regression="c", nlags=int(4 * (n / 100) ** 0.25))[0]
        unit_root = adfuller(z, maxlag=lags, autolag=None, regression="c")[0]
    return {
        "length": n,
        "missing": 0.0,
        "mean": x.mean(),
        "std": x.std(),
        "skewness": stats.skew(x),
        "kurtosis": stats.kurtosis(x),
        "minimum": x.min(),
        "q05": q[5],
        "q25": q[25],
        "median": q[50],
        "q75": q[75],
        "q95": q[95],
        "maximum": x.max(),
        "iqr": stats.iqr(x),
        "mad": stats.median_abs_deviation(x),
        "first": x[0],
        "last": x[-1],
        "zero_share": np.mean(x == 0),
        "energy": np.sum(x**2),
        "mean_abs_change": abs(np.diff(x)).mean(),
        "slope": stats.linregress(np.arange(n), x).slope,
        "period": period,
        "trend_strength": trend,
        "season_strength": season,
        "acf1": acf(z, 1)[0],
        "acf10": np.sum(acf(z, 10) ** 2),
        "diff1_acf1": acf(diff1, 1)[0],
        "diff1_acf10": np.sum(acf(diff1, 10) ** 2),
        "diff2_acf1": acf(diff2, 1)[0],
        "diff2_acf10": np.sum(acf(diff2, 10) ** 2),
        "acf_season": acf(z, period)[-1] if period >= 2 else np.nan,
        "pacf5": np.sum(levinson_durbin(np.r_[1, acf(z, 5)], 5, isacov=True)[2][1:] ** 2),
        "first_zero": zeros[0] if len(zeros) else np.nan,
        "spectral_entropy": -np.sum(share * np.log(share)) / np.log(len(power)),
        "dominant_frequency": (np.argmax(power) + 1) / n,
        "stability": np.var(tiles.mean(axis=1), ddof=1),
        "lumpiness": np.var(tiles.var(axis=1, ddof=1), ddof=1),
        "crossing_points": np.sum(np.diff(x > np.median(x))),
        "flat_spots": max(map(len, runs)),
        "longest_above_mean": longest(x > x.mean()),
        "peaks": sum(
            all(x[t] > x[s] for s in range(t - 3, t + 4) if s != t) for t in range(3, n - 3)
        ),
        "c3": np.mean(x[2:] * x[1:-1] * x[:-2]),
        "time_reversal": np.mean(x[2:] ** 2 * x[1:-1] - x[1:-1] * x[:-2] ** 2),
        "complexity": np.sqrt(np.sum(diff1**2)),
        "sample_entropy": sample_entropy(z[-2000:]),
        "dfa": fluctuations(z),
        "kpss": level,
        "adf": unit_root,
        "arch_r2": OLS(squares[12:], add_constant(arch)).fit().rsquared,
        "arch_acf": np.sum(acf(z**2, 12) ** 2),
        "nonlinearity": 10 * np.log(line / OLS(z[1:], add_constant(cubic)).fit().ssr),
    }


def series():
    random = np.random.default_rng(11)
    noise = random.normal(size=400)
    t = np.arange(400)
    changing = noise.copy()
    for at in range(1, 400):
        changing[at] *= np.sqrt(0.2 + 0.7 * changing[at - 1] ** 2)
    return {
        "noise": noise,
        "walk": noise.cumsum(),
        "season": 10 + 3 * np.sin(2 * np.pi * t / 12) + 0.01 * t + 0.3 * noise,
        "counts": random.poisson(1.5, 300).astype(float),
        "changing": changing,
        "far": 1e6 + noise,
    }


@pytest.mark.parametrize("name", series())
@pytest.mark.parametrize("season", [None, 1, 12])
def test_every_feature_is_as_it_is_defined(name, season):
    x = series()[name]
    found = analytics.features(x, season=season).row(0, named=True)
    found.pop("series", None)
    period = int(found["period"])
    expected = naive(x, period)
    assert season in (None, period)
    if season is None and name == "season":
        assert period == 12
    assert set(found) == set(expected)
    tolerance = 1e-5 if name == "far" else 1e-8
    for feature, value in expected.items():
        own = np.nan if found[feature] is None else found[feature]
        assert own == pytest.approx(value, rel=tolerance, abs=1e-9, nan_ok=True), feature


def test_gaps_are_lines_where_order_counts_and_left_out_elsewhere():
    x = series()["season"]
    holes = x.copy()
    holes[[0, 5, 6, 7, 100, 399]] = np.nan
    holes[200] = np.inf
    found = analytics.features(holes, season=12).row(0, named=True)
    present = np.isfinite(holes)
    t = np.arange(400)
    filled = np.interp(t, t[present], holes[present])[1:-1]
    expected = naive(filled, 12)
    assert (found["length"], found["missing"]) == (400, pytest.approx(7 / 400))
    for feature in ["mean", "std", "median", "energy"]:
        assert found[feature] == pytest.approx(naive(holes[present], 12)[feature], rel=1e-12)
    for feature in ["acf1", "slope", "season_strength", "peaks", "dfa", "adf"]:
        assert found[feature] == pytest.approx(expected[feature], rel=1e-8), feature


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [1.0, 2.0],
        [3.0, 1.0, 2.0],
        [np.nan] * 9,
        [2.0] * 50,
        [np.inf, 1.0, -np.inf, 2.0],
        [1.7e308, -1.7e308] * 20,
        [5e-324, 0.0] * 20,
    ],
)
def test_too_little_or_odd_values_are_one_row(values):
    found = analytics.features(np.array(values, dtype=float))
    assert found.height == 1
    assert found["length"][0] == len(values)
    expected = np.mean(~np.isfinite(values)) if values else np.nan
    missing = np.nan if found["missing"][0] is None else found["missing"][0]
    assert missing == pytest.approx(expected, nan_ok=True)
