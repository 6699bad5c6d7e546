"""Forecasts of arrays."""

from __future__ import annotations

from typing import Any

import polars as pl

from kymograph.analytics.models import Forecaster, forecast_by
from kymograph.analytics.run import run
from kymograph.errors import invalid


def forecast(
    values: Any,
    times: Any = None,
    *,
    horizon: Any,
    method: str | Forecaster = "auto",
    levels: Any = 95,
    seasons: Any = None,
    every: Any = None,
    backtest: bool = True,
    refuse: bool = False,
    **options: Any,
) -> pl.DataFrame:
    """What comes next, how sure that is, and whether it beats the seasonal naive.

    ``horizon`` is a count of steps or a duration ("24h"); a step is ``every``, else the usual
    distance of the times. ``seasons`` are lengths in steps, found when not given. ``levels`` are
    those of the intervals in percent. ``refuse`` raises instead of giving a forecast that is worse
    than the seasonal naive. ``docs/analytics.md`` lists the methods with their options.

    ``method`` may be an object with ``fit(y)`` and ``predict(h)``, such as those of ``Prophet`` and
    ``StatsForecast``: its intervals and skill come from forecasts of up to 10 past stretches.

    Returns a row a step: ``time``, ``mean``, ``lower_95`` and ``upper_95`` for each level, the
    ``method`` that was used, ``skill`` (1 less MASE over that of the seasonal naive, on a rolling
    ``backtest``; null when that was not made) and ``filled`` (how many missing values were filled
    in to fit). Raises ``InvalidArgument`` for a history that is too short for the method.
    """
    if not isinstance(method, str):
        if options:
            raise invalid(f"a model takes no further options, got {', '.join(options)}")
        return forecast_by(
            method,
            values,
            times,
            horizon=horizon,
            levels=levels,
            every=every,
            seasons=seasons,
            refuse=refuse,
        )
    given = {
        "horizon": horizon,
        "method": method,
        "levels": levels,
        "seasons": seasons,
        "every": every,
        "backtest": backtest,
        "refuse": refuse,
    }
    return run("forecast", values, times, {**given, **options})


def backtest(
    values: Any,
    times: Any = None,
    *,
    horizon: Any,
    methods: Any = None,
    folds: int = 5,
    levels: Any = 95,
    seasons: Any = None,
    every: Any = None,
    **options: Any,
) -> pl.DataFrame:
    """How well methods would have foretold the last ``folds`` stretches of ``horizon`` steps.

    Each fold is forecast from what lies before it alone. ``methods`` are names; all cheap ones when
    not given.

    Returns a row a method: ``method``, ``folds``, ``mae``, ``rmse``, ``smape``, ``mase``, ``owa``
    (against the seasonal naive, as in the M4 competition), ``coverage_95`` for each level (the
    share of values inside the interval) and ``skill``.
    """
    given = {
        "horizon": horizon,
        "methods": methods,
        "folds": folds,
        "levels": levels,
        "seasons": seasons,
        "every": every,
    }
    return run("backtest", values, times, {**given, **options})
