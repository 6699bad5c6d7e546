"""Anomalies in arrays, and what they are told by."""

from __future__ import annotations

from typing import Any

import polars as pl

from kymograph.analytics.detector import Scorer, scored_by
from kymograph.analytics.run import run
from kymograph.errors import invalid


def detect(
    values: Any,
    times: Any = None,
    *,
    method: str | Scorer = "auto",
    causal: bool = True,
    threshold: float = 0.5,
    **options: Any,
) -> pl.DataFrame:
    """How unusual each point of a series is, and why.

    ``values`` is an array, a series of Polars or pandas, a list with None for what is missing, or a
    list of such series; ``times`` ascend, any gaps. ``docs/analytics.md`` lists the methods with
    their options and sources. A score lies in 0 to 1: 0.5 is as unusual as three standard
    deviations of a normal distribution, 0.8 as six, 0.9 as nine; a point is an anomaly from
    ``threshold`` on. With ``causal`` a score depends on the points before it alone.

    ``method`` may be a callable: of times (datetime64[ns]) and values (NaN is missing) it returns a
    score of 0 to 1, or NaN, for each value. It sees the whole series: whether its scores are causal
    is its own affair.

    Returns a row a point: ``time``, ``value``, ``expected``, ``lower``, ``upper`` (in the unit of
    the values), ``score``, ``anomaly``, ``method`` and ``explanation``. ``score`` is null where the
    value is missing or too little came before. Raises ``InvalidArgument`` for an unknown option,
    ``NotFound`` for an unknown method.
    """
    if callable(method):
        if options or not causal:
            raise invalid("a callable takes no options; bind them to it, as with functools.partial")
        return scored_by(method, values, times, threshold)
    given = {"method": method, "causal": causal, "threshold": threshold}
    return run("detect", values, times, {**given, **options})


def isolation_forest(
    values: Any,
    times: Any = None,
    *,
    trees: int = 100,
    samples: int = 256,
    seed: int = 0,
    **options: Any,
) -> pl.DataFrame:
    """How easily each row of one or more fields is cut off from the rest by random cuts.

    F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation Forest", 2008. ``trees`` are grown from
    ``samples`` rows each, of all rows of the series: this is not causal (``detect`` has a method of
    the same name that is). Rows with a missing field have no score.

    Returns ``time`` and ``score``, the paper's: about 0.5 is usual, towards 1 is unusual; it is not
    the score of ``detect``.
    """
    given = {"trees": trees, "samples": samples, "seed": seed}
    return run("isolation_forest", values, times, {**given, **options})


def rolling(
    values: Any, times: Any = None, *, window: int, statistic: Any = "median", **options: Any
) -> pl.DataFrame:
    """Statistics of the last ``window`` rows, at every row.

    ``statistic`` is one or several of "median", "mad" (the median absolute distance from the
    median, not scaled), "mean", "std" (of a sample), "min", "max" and "quantile" (``q``). There is
    a result from ``min_points`` values on; missing and infinite values count in none.

    Returns ``time``, ``value`` and a column for each statistic.
    """
    given = {"window": window, "statistic": statistic}
    return run("rolling", values, times, {**given, **options})
