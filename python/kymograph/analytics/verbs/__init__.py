"""The analyses as verbs of a database."""

from kymograph.analytics.verbs.anomalies import Anomalies
from kymograph.analytics.verbs.forecasts import Forecasts
from kymograph.analytics.verbs.patterns import Patterns
from kymograph.analytics.verbs.relations import Relations

__all__ = ["Analyses"]


class Analyses(Anomalies, Forecasts, Patterns, Relations):
    """Verbs that run an analysis on every series of a table, all of them in parallel.

    The options of a verb are those of the function of its name in ``kymograph.analytics``, and the
    result is the same with the series' tags. ``by`` names the tags that make a series: the rows of
    all that have them are merged in the order of their times; ``by=None`` takes every series alone,
    ``by=[]`` all as one. ``where``, ``start`` and ``end`` are as in ``read``. All take besides:
    ``every`` (with ``origin`` and ``timezone``, as in ``aggregate``), which makes the mean of each
    bucket first, where a bucket without rows is a gap; ``filter`` and ``params``; ``timeout`` and
    ``memory``. Fields of i64 and bool are taken as f64.
    """
