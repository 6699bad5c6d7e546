"""Analyses of arrays: anomalies, forecasts, patterns and relations.

Every function takes ``values`` (an array, a series, a list with None for what is missing, a dict or
a frame of several fields, or a list of such series) and ``times`` (anything that ``Database.write``
takes as times, ascending); without times a step is one second and results have ``index`` for
``time``. Every one takes ``timeout`` (seconds or "500ms") and ``memory`` (bytes or "512MB"), too.
Databases have verbs of the same names and options.
"""

from kymograph.analytics.anomalies import detect, isolation_forest, rolling
from kymograph.analytics.detector import Detector
from kymograph.analytics.forecasts import backtest, forecast
from kymograph.analytics.models import Prophet, StatsForecast
from kymograph.analytics.patterns import (
    changepoints,
    classify,
    decompose,
    discords,
    features,
    matrix_profile,
    motifs,
    search,
    seasons,
    trend,
)
from kymograph.analytics.relations import (
    causal_graph,
    correlate,
    correlation_matrix,
    cross_correlate,
    granger,
    partial_correlation,
    regress,
)

__all__ = [
    "Detector",
    "Prophet",
    "StatsForecast",
    "backtest",
    "causal_graph",
    "changepoints",
    "classify",
    "correlate",
    "correlation_matrix",
    "cross_correlate",
    "decompose",
    "detect",
    "discords",
    "features",
    "forecast",
    "granger",
    "isolation_forest",
    "matrix_profile",
    "motifs",
    "partial_correlation",
    "regress",
    "rolling",
    "search",
    "seasons",
    "trend",
]
