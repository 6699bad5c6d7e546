"""ARIMA against statsmodels and statsforecast, Prophet's model against prophet."""

import logging
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from kymograph import analytics


def arma(n, seed):
    noise = np.random.default_rng(seed).normal(size=n + 50)
    values = np.zeros(n + 50)
    for t in range(2, n + 50):
        values[t] = 0.5 * values[t - 1] + 0.2 * values[t - 2] + noise[t] + 0.4 * noise[t - 1]
    return values[50:]


def series(kind, n=160, season=12):
    t = np.arange(n)
    if kind == "stationary":
        return arma(n, 5) + 10
    if kind == "walk":
        return np.cumsum(arma(n, 6)) + 0.1 * t
    walk = 0.3 * np.cumsum(np.random.default_rng(7).normal(size=n))
    return walk + 4 * np.sin(2 * np.pi * t / season) + arma(n, 8)


@pytest.mark.parametrize(
    ("kind", "order", "seasonal", "constant"),
    [
        ("stationary", (2, 0, 1), (0, 0, 0), True),
        ("walk", (1, 1, 1), (0, 0, 0), False),
        ("walk", (0, 1, 2), (0, 0, 0), True),
        ("seasonal", (0, 1, 1), (0, 1, 1), False),
        ("seasonal", (1, 0, 1), (0, 1, 1), False),
    ],
)
def test_given_orders_forecast_as_statsmodels(kind, order, seasonal, constant):
    values = series(kind, season=4)
    # Its constant stands in the differenced equation: a mean, or the drift of one difference.
    rival = SARIMAX(
        values,
        order=order,
        seasonal_order=(*seasonal, 4 if any(seasonal) else 0),
        trend="c" if constant else "n",
    ).fit(disp=0, maxiter=200)
    expected = rival.get_forecast(18)
    found = analytics.forecast(
        values,
        horizon=18,
        method="arima",
        order=list(order),
        seasonal_order=list(seasonal),
        season=4,
        constant=constant,
        backtest=False,
    )
    gap = np.abs(found["mean"].to_numpy() - expected.predicted_mean).max()
    assert gap < 0.01 * values.std()
    # Calibrated by the same factor at every step, an interval has the shape of its own.
    ratio = (found["upper_95"] - found["lower_95"]).to_numpy() / expected.se_mean
    assert ratio.max() / ratio.min() < 1.05


def test_automatic_orders_are_as_good_as_statsforecasts():
    from statsforecast.models import AutoARIMA

    errors = []
    for kind, season in [("seasonal", 12), ("walk", 1), ("stationary", 1)]:
        for start in (0, 30, 60, 85):
            whole = series(kind)[start : start + 75] + 100
            past, truth = whole[:-8], whole[-8:]
            found = analytics.forecast(
                past, horizon=8, method="arima", seasons=[season], backtest=False
            )["mean"].to_numpy()
            other = AutoARIMA(season_length=season).forecast(y=past, h=8)["mean"]
            smapes = [np.mean(np.abs(truth - x) / (truth + x)) for x in (found, other)]
            errors.append(smapes)
    own, rival = np.mean(errors, axis=0)
    assert own < 1.02 * rival


def daily(n=500):
    random = np.random.default_rng(3)
    day = np.arange(n)
    line = 20 + 0.02 * day - 0.03 * np.maximum(day - n // 2, 0)
    return line + 2 * np.sin(2 * np.pi * day / 7) + random.normal(size=n)


def hourly(n=600):
    random = np.random.default_rng(4)
    hour = np.arange(n)
    return 100 + 10 * np.sin(2 * np.pi * hour / 24) + 0.01 * hour + 2 * random.normal(size=n)


def grown(n=400):
    day = np.arange(n)
    return 80 / (1 + np.exp(-(day - 180) / 50)) + np.random.default_rng(5).normal(size=n)


def with_gap():
    values = daily()
    values[200:240] = np.nan
    return values


FAIRS = ["2020-03-05", "2020-09-14", "2021-02-20", "2021-06-02"]


def fair():
    values = daily()
    for date in FAIRS[:3]:
        at = (pd.Timestamp(date) - pd.Timestamp("2020-01-01")).days
        values[at - 1 : at + 2] += [3, 8, 2]
    return values


MONTH = {"name": "monthly", "period": 30.5, "fourier_order": 3, "mode": "multiplicative"}
CASES = {
    "linear": (daily, "1D", {}, {}),
    "flat": (daily, "1D", {"growth": "flat"}, {}),
    "multiplicative": (daily, "1D", {"seasonality_mode": "multiplicative"}, {}),
    "hourly": (hourly, "1h", {"changepoint_prior_scale": 0.5, "n_changepoints": 15}, {}),
    "logistic": (grown, "1D", {"growth": "logistic"}, {"cap": 90.0}),
    "floor": (lambda: grown() + 30, "1D", {"growth": "logistic"}, {"cap": 130.0, "floor": 20.0}),
    "minmax": (lambda: daily() + 500, "1D", {"scaling": "minmax"}, {}),
    "gap": (with_gap, "1D", {}, {}),
    "custom": (
        lambda: daily(900),
        "1D",
        {"yearly_seasonality": 4, "seasonality_prior_scale": 1.0},
        MONTH,
    ),
    "holidays": (fair, "1D", {"holidays_prior_scale": 5.0}, {"holidays": FAIRS}),
}


@pytest.mark.parametrize("case", CASES)
def test_prophets_forecast_within_a_hundredth(case):
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    make, freq, shared, more = CASES[case]
    values, horizon = make(), 60
    times = pd.date_range("2020-01-01", periods=len(values), freq=freq)
    step = times[1] - times[0]
    frame = pd.DataFrame({"ds": times, "y": values})
    ahead = pd.DataFrame({"ds": [times[-1] + step * (k + 1) for k in range(horizon)]})
    ours = dict(shared)
    rival = Prophet(uncertainty_samples=0, **shared)
    if more is MONTH:
        names = dict(more)
        rival.add_seasonality(names.pop("name"), **names)
        ours["seasonalities"] = [more]
    elif "holidays" in more:
        window = {"lower_window": -1, "upper_window": 1}
        days = pd.DataFrame({"holiday": "fair", "ds": pd.to_datetime(FAIRS), **window})
        rival = Prophet(uncertainty_samples=0, holidays=days, **shared)
        ours["holidays"] = [{"holiday": "fair", "ds": date, **window} for date in FAIRS]
    else:
        ours |= more
        frame, ahead = frame.assign(**more), ahead.assign(**more)
    expected = rival.fit(frame).predict(ahead)["yhat"].to_numpy()
    found = analytics.forecast(
        values,
        times.to_numpy(),
        horizon=timedelta(seconds=horizon * step.total_seconds()),
        method="prophet",
        backtest=False,
        **ours,
    )
    assert found["time"].to_list() == ahead["ds"].dt.tz_localize("UTC").to_list()
    gap = np.abs(found["mean"].to_numpy() - expected) / np.abs(expected)
    assert gap.mean() < 0.005
    assert gap.max() < 0.01


def test_prophet_takes_rows_at_any_times():
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    random = np.random.default_rng(11)
    seconds = np.sort(random.choice(60 * 86_400, size=700, replace=False))
    times = pd.Timestamp("2022-05-01") + pd.to_timedelta(seconds, unit="s")
    days = seconds / 86_400
    values = 50 + 0.2 * days + 6 * np.sin(2 * np.pi * days) + random.normal(size=700)
    frame = pd.DataFrame({"ds": times, "y": values})
    rival = Prophet(uncertainty_samples=0).fit(frame)
    found = analytics.forecast(
        values, times.to_numpy(), horizon="5d", every="1h", method="prophet", backtest=False
    )
    ahead = found["time"].dt.replace_time_zone(None).to_list()
    expected = rival.predict(pd.DataFrame({"ds": ahead}))["yhat"].to_numpy()
    assert np.abs(found["mean"].to_numpy() - expected).max() < 0.01 * np.abs(expected).mean()


def test_the_network_beats_the_seasonal_naive_where_seasons_interact():
    hour = np.arange(1_000)
    swell = 1 + 0.6 * np.sin(2 * np.pi * hour / 61)
    values = 50 + 10 * np.sin(2 * np.pi * hour / 24) * swell
    found = analytics.forecast(values, horizon=24, method="lstm", seasons=[24], folds=2)
    assert found["skill"][0] > 0.2
    again = analytics.forecast(values, horizon=24, method="lstm", seasons=[24], folds=2)
    assert found.equals(again)
