"""Patterns in one series: what it is made of, where it changes, which shapes come again."""

from __future__ import annotations

from typing import Any

import polars as pl

from kymograph.analytics.run import run


def decompose(
    values: Any, times: Any = None, *, seasons: Any = None, robust: bool = True, **options: Any
) -> pl.DataFrame:
    """A series as trend, seasons and remainder, which add up to it.

    STL for one season (R. B. Cleveland et al., "STL: A Seasonal-Trend Decomposition Procedure Based
    on Loess", 1990), MSTL for several (K. Bandara et al., 2021). ``seasons`` are lengths in steps,
    found when not given; ``robust`` keeps outliers out of trend and seasons.

    Returns ``time``, ``value``, ``trend``, ``seasonal`` (the sum of all), ``remainder``, and
    ``season_1`` to ``season_3`` (null where there are fewer), in the unit of the values. Raises
    ``InvalidArgument`` for a season that is not shorter than half of the series.
    """
    return run("decompose", values, times, {"seasons": seasons, "robust": robust, **options})


def seasons(values: Any, times: Any = None, **options: Any) -> pl.DataFrame:
    """The seasons of a series, the strongest first; no row where there is none.

    Returns ``period`` (steps), ``duration`` (ns), ``strength`` (0 to 1: how much of what the trend
    leaves the season explains) and how sure that is. Missing values are left out, not invented.
    """
    return run("seasons", values, times, options)


def trend(values: Any, times: Any = None, *, alpha: float = 0.05, **options: Any) -> pl.DataFrame:
    """Whether a series rises or falls all in all, whatever its distribution.

    The test of Mann and Kendall (M. G. Kendall, "Rank Correlation Methods", 1975) with Sen's slope
    (P. K. Sen, 1968).

    Returns one row: ``direction`` ("increasing", "decreasing" or "none", by ``p`` against
    ``alpha``), ``p``, ``tau``, ``slope`` and ``intercept`` with ``slope_lower`` and
    ``slope_upper`` (units of the value a second).
    """
    return run("trend", values, times, {"alpha": alpha, **options})


def changepoints(
    values: Any,
    times: Any = None,
    *,
    method: str = "pelt",
    cost: str = "l2",
    penalty: float | None = None,
    count: int | None = None,
    **options: Any,
) -> pl.DataFrame:
    """Where a series changes for good: the first point of each new segment.

    ``method`` is "pelt" (R. Killick et al., "Optimal Detection of Changepoints With a Linear
    Computational Cost", 2012), "exact" (dynamic programming, for a ``count`` of changes) or
    "online" (R. P. Adams and D. J. C. MacKay, "Bayesian Online Changepoint Detection", 2007).
    ``cost`` says what a segment is like: "l2" a mean, "l1" a median, "normal" a mean and a spread.
    ``penalty`` is what a further change must save.

    Returns ``time``, ``index`` (the row), ``before`` and ``after`` (means of the segments on
    either side) and ``confidence`` (0 to 1).
    """
    given = {"method": method, "cost": cost, "penalty": penalty, "count": count}
    if method == "online":
        given = {"method": method}
    return run("changepoints", values, times, {**given, **options})


def matrix_profile(values: Any, times: Any = None, *, window: int, **options: Any) -> pl.DataFrame:
    """How far the shape that begins at each point is from the nearest shape elsewhere.

    Distances of z-normalised windows (C.-C. M. Yeh et al., "Matrix Profile I", 2016), exact.
    ``window`` is the length of a shape in points, 3 or more.

    Returns one row a window: ``time``, ``index``, ``profile``, ``neighbor`` (the row of the nearest
    window) and ``neighbor_time``; null where the window has a missing value.
    """
    return run("matrix_profile", values, times, {"window": window, **options})


def motifs(
    values: Any, times: Any = None, *, window: int, k: int = 3, **options: Any
) -> pl.DataFrame:
    """The ``k`` shapes of ``window`` points that come again most alike.

    Returns ``rank``, ``time``, ``index``, ``distance`` (of z-normalised windows) and where the
    nearest one is.
    """
    return run("motifs", values, times, {"window": window, "k": k, **options})


def discords(
    values: Any, times: Any = None, *, window: int, k: int = 3, **options: Any
) -> pl.DataFrame:
    """The ``k`` shapes of ``window`` points that are least like any other: the oddest stretches.

    Returns ``rank``, ``time``, ``index``, ``distance`` (of z-normalised windows) and where the
    nearest one is.
    """
    return run("discords", values, times, {"window": window, "k": k, **options})


def search(
    values: Any,
    times: Any = None,
    *,
    query: Any,
    measure: str = "z",
    k: int = 5,
    **options: Any,
) -> pl.DataFrame:
    """Where a series is most like a shape.

    ``query`` is the shape as numbers; ``measure="z"`` compares z-normalised windows (A. Mueen et
    al., "The Fastest Similarity Search Algorithm", 2017), "dtw" lets time stretch by up to ``band``
    (a share of the window; T. Rakthanmanon et al., 2012). Matches do not overlap.

    Returns ``rank``, ``time``, ``end``, ``index`` and ``distance``, the nearest first.
    """
    return run("search", values, times, {"query": query, "measure": measure, "k": k, **options})


def features(values: Any, times: Any = None, **options: Any) -> pl.DataFrame:
    """About 40 numbers that tell series apart; ``docs/analytics.md`` says what each is.

    Returns one row a series.
    """
    return run("features", values, times, options)


def classify(values: Any, times: Any = None, *, labels: Any, **options: Any) -> pl.DataFrame:
    """Labels for the series that have none, by those that have one.

    ``values`` is a list of series, ``labels`` has a text or None for each. Convolutions as in
    MiniRocket (A. Dempster et al., 2021) with a linear model over them.

    Returns one row a series: ``label``, ``predicted`` (whether it was given or found) and
    ``score`` (how sure that is).
    """
    return run("classify", values, times, {"labels": labels, **options})
