"""How fields and series go together: correlation, lags, and what may cause what."""

from __future__ import annotations

from typing import Any

import polars as pl

from kymograph.analytics.run import run


def regress(values: Any, times: Any = None, *, lags: Any = 0, **options: Any) -> pl.DataFrame:
    """The first field as a sum of the others and of their values some steps before.

    Least squares; ``lags`` are whole numbers of steps. ``values`` is a dict or a frame of fields.

    Returns one row a term: ``term``, ``lag``, ``coefficient``, ``std_error``, ``t``, ``p``, and the
    ``r2`` and ``n`` (rows) of all.
    """
    return run("regress", values, times, {"lags": lags, **options})


def correlate(
    values: Any,
    times: Any = None,
    *,
    method: str = "pearson",
    tolerance: Any = None,
    **options: Any,
) -> pl.DataFrame:
    """The correlation of two fields: "pearson", "spearman" or "kendall".

    ``values`` is a dict or a frame of two fields. Rows that have both are pairs; with a
    ``tolerance`` (a duration) each value of the first and the nearest of the second.

    Returns one row: ``r``, ``p`` (of no correlation) and ``n`` (pairs).
    """
    given = {"method": method, "tolerance": tolerance}
    return run("correlate", values, times, {**given, **options})


def cross_correlate(
    values: Any, times: Any = None, *, max_lag: int | None = None, **options: Any
) -> pl.DataFrame:
    """The correlation of two fields at every lag up to ``max_lag`` steps.

    At a positive lag the first field comes before the second.

    Returns one row a lag: ``lag`` (steps), ``duration`` (ns), ``r``, ``p`` and ``n``.
    """
    return run("cross_correlate", values, times, {"max_lag": max_lag, **options})


def correlation_matrix(
    values: Any,
    times: Any = None,
    *,
    method: str = "pearson",
    tolerance: Any = None,
    **options: Any,
) -> pl.DataFrame:
    """The correlation of every pair of fields, and of series where a list of them is given.

    Returns one row a pair: ``a_series``, ``field_a``, ``b_series``, ``field_b`` (the series where
    there are several), ``r``, ``p`` and ``n``.
    """
    given = {"method": method, "tolerance": tolerance}
    return run("correlation_matrix", values, times, {**given, **options})


def granger(values: Any, times: Any = None, *, lags: int = 4, **options: Any) -> pl.DataFrame:
    """Whether the past of one field helps to foretell another beyond that one's own past.

    The F test of C. W. J. Granger, "Investigating Causal Relations by Econometric Models", 1969.
    It tells of foretelling, not of causes that neither field shows.

    Returns one row an ordered pair of fields: ``cause``, ``effect``, ``lags``, ``f``, ``p``,
    ``df1``, ``df2`` and ``n``.
    """
    return run("granger", values, times, {"lags": lags, **options})


def partial_correlation(values: Any, times: Any = None, **options: Any) -> pl.DataFrame:
    """The correlation of every pair of three or more fields once all others are accounted for.

    Returns one row a pair: ``a``, ``b``, ``r``, ``p`` and ``n`` (rows that have all fields).
    """
    return run("partial_correlation", values, times, options)


def causal_graph(
    values: Any, times: Any = None, *, max_lag: int = 3, alpha: float = 0.01, **options: Any
) -> pl.DataFrame:
    """Which field may drive which, and how much later: a graph as its edges.

    As PCMCI (J. Runge et al., "Detecting and quantifying causal associations in large nonlinear
    time series datasets", 2019), with tests of linear partial correlation. An edge means a cause
    only where all common causes are among the fields, effects are linear and take a step at least,
    and the process does not change; ``docs/analytics.md`` says more.

    Returns one row an edge with ``p`` below ``alpha``: ``cause``, ``effect``, ``lag`` (steps),
    ``strength`` (a partial correlation), ``p`` and ``n``.
    """
    return run("causal_graph", values, times, {"max_lag": max_lag, "alpha": alpha, **options})
