"""Forecasts against statsforecast's models of the same form, and what every method promises."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from statsforecast.models import AutoETS, DynamicOptimizedTheta, SeasonalNaive
from statsforecast.utils import AirPassengers

from kymograph import analytics

AIR = np.asarray(AirPassengers, dtype=float)


def simulated(season: int, n: int, seed: int) -> np.ndarray:
    """A level that moves, a slight trend and a season that is in proportion to it."""
    rng = np.random.default_rng(seed)
    level = 100 + 0.3 * np.arange(n) + np.cumsum(rng.normal(0, 1, n))
    wave = 1 + 0.2 * np.sin(2 * np.pi * np.arange(n) / season) if season > 1 else 1
    return level * wave + rng.normal(0, 1, n)


def own(values: np.ndarray, horizon: int, season: int, **options) -> pl.DataFrame:
    return analytics.forecast(values, horizon=horizon, seasons=[season], backtest=False, **options)


@pytest.mark.parametrize("form", ["ANN", "AAN", "AAdN", "MNN", "MAN", "MAdN"])
def test_smoothing_without_a_season_is_that_of_statsforecast(form):
    values = simulated(1, 120, 1)
    theirs = AutoETS(season_length=1, model=form.replace("d", ""), damped="d" in form)
    expected = theirs.forecast(values, 12)["mean"]
    mean = own(values, 12, 1, method="ets", form=form)["mean"].to_numpy()
    np.testing.assert_allclose(mean, expected, rtol=0.01)


@pytest.mark.parametrize(
    ("form", "season"),
    [(form, 4) for form in ("ANA", "AAA", "MNM", "MAM", "MNA")] + [("MAM", 12)],
)
def test_smoothing_with_a_season_is_that_of_statsforecast(form, season):
    values = simulated(season, 20 * season, 2)
    expected = AutoETS(season_length=season, model=form, damped=False).forecast(values, season)
    mean = own(values, season, season, method="ets", form=form)["mean"].to_numpy()
    np.testing.assert_allclose(mean, expected["mean"], rtol=0.01)


def test_the_dynamic_theta_model_is_that_of_statsforecast():
    for values, season in [(AIR, 12), (simulated(1, 100, 3), 1), (simulated(4, 80, 4), 4)]:
        expected = DynamicOptimizedTheta(season_length=season).forecast(values, 8)["mean"]
        mean = own(values, 8, season, method="theta", form="DOTM")["mean"].to_numpy()
        np.testing.assert_allclose(mean, expected, rtol=0.01)


def test_the_seasonal_naive_is_that_of_statsforecast():
    expected = SeasonalNaive(season_length=12).forecast(AIR, 30)["mean"]
    mean = own(AIR, 30, 12, method="seasonal_naive")["mean"].to_numpy()
    np.testing.assert_array_equal(mean, expected)


def test_intervals_hold_what_they_promise_on_simulated_series():
    held, count = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 1, 130)
        values = np.zeros(130)
        for t in range(1, 130):
            values[t] = 0.7 * values[t - 1] + noise[t]
        values += 20 + 3 * np.sin(2 * np.pi * np.arange(130) / 12)
        frame = own(values[:118], 12, 12, levels=[95])
        truth = values[118:]
        within = (truth >= frame["lower_95"].to_numpy()) & (truth <= frame["upper_95"].to_numpy())
        held, count = held + within.sum(), count + len(within)
    assert 0.92 <= held / count <= 0.998


def test_intervals_nest_and_results_repeat():
    frame = own(AIR, 12, 12, levels=[50, 80, 95, 99.9])
    mean = frame["mean"].to_numpy()
    widths = [
        frame[f"upper_{level}"].to_numpy() - frame[f"lower_{level}"].to_numpy()
        for level in ("50", "80", "95", "99.9")
    ]
    assert all((wide > narrow).all() for narrow, wide in pairwise(widths))
    assert ((frame["lower_50"] < mean) & (frame["upper_50"] > mean)).all()
    assert frame.equals(own(AIR, 12, 12, levels=[50, 80, 95, 99.9]))


@pytest.mark.parametrize(
    "values",
    [
        np.full(20, np.nan),
        np.full(20, 3.0),
        np.array([1.0]),
        np.array([1.0, 2.0]),
        np.array([1.0, np.nan, 2.0]),
        np.array([np.inf, 1.0, -np.inf, 2.0, 3.0, 1.0]),
        np.array([1e300, -1e300, 1e299, 5e299, 1e300, -3e299, 2e299]),
        np.arange(30.0) * 1e-310,
    ],
)
@pytest.mark.parametrize(
    "method", ["auto", "naive", "seasonal_naive", "drift", "ets", "theta", "mstl", "ensemble"]
)
def test_degenerate_histories_are_input(values, method):
    frame = analytics.forecast(values, horizon=4, method=method)
    assert frame.height == 4
    known = np.isfinite(values).any()
    assert frame["mean"].is_finite().fill_null(False).all() == known
    assert frame["lower_95"].is_finite().fill_null(False).all() == known


def test_a_worse_forecast_is_refused_when_asked():
    rng = np.random.default_rng(5)
    values = np.tile([1.0, 5.0, 9.0, 4.0], 20) + rng.normal(0, 0.01, 80)
    with pytest.raises(ValueError, match="seasonal naive"):
        analytics.forecast(values, horizon=4, seasons=[4], method="naive", refuse=True)
    frame = analytics.forecast(values, horizon=4, seasons=[4], method="naive")
    assert (frame["skill"] < 0).all()


def test_a_backtest_tells_the_better_method():
    frame = analytics.backtest(
        AIR, horizon=12, seasons=[12], methods=["naive", "seasonal_naive", "auto"], folds=4
    )
    mase = dict(zip(frame["method"], frame["mase"], strict=True))
    assert mase["auto"] < mase["seasonal_naive"] < mase["naive"]
    assert (frame["folds"] == 4).all()
    assert frame["coverage_95"].is_between(0, 1).all()
