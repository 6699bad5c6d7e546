"""Verbs of forecasts."""

from __future__ import annotations

from typing import Any

import polars as pl

from kymograph.analytics.forecasts import forecast
from kymograph.analytics.models import Forecaster
from kymograph.analytics.verbs.base import Names, Runs, Where


class Forecasts(Runs):
    """Verbs of forecasts."""

    def forecast(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        horizon: Any,
        method: str | Forecaster = "auto",
        **options: Any,
    ) -> pl.DataFrame:
        """What comes next; see ``kymograph.analytics.forecast``."""
        options |= {"horizon": horizon, "method": method}
        if not isinstance(method, str):
            return self._own(forecast, table, field, by, where, start, end, options)
        return self._analyze("forecast", table, field, by, where, start, end, options)

    def backtest(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        horizon: Any,
        **options: Any,
    ) -> pl.DataFrame:
        """How well methods would have foretold; see ``kymograph.analytics.backtest``."""
        options["horizon"] = horizon
        return self._analyze("backtest", table, field, by, where, start, end, options)
