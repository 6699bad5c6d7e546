"""Verbs of how fields and series go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from kymograph.analytics.verbs.base import Names, Runs, Where


class Relations(Runs):
    """Verbs of how fields and series go together."""

    def regress(
        self,
        table: str,
        fields: Sequence[str],
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """The first field by the others; see ``kymograph.analytics.regress``."""
        return self._analyze("regress", table, fields, by, where, start, end, options)

    def cross_correlate(
        self,
        table: str,
        x: str,
        y: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Correlation by lags; see ``kymograph.analytics.cross_correlate``."""
        return self._analyze("cross_correlate", table, [x, y], by, where, start, end, options)

    def correlation_matrix(
        self,
        table: str,
        fields: Names,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Every pair of series and fields; see ``kymograph.analytics.correlation_matrix``.

        The tags of the two are ``a_host`` and ``b_host``.
        """
        return self._analyze("correlation_matrix", table, fields, by, where, start, end, options)

    def granger(
        self,
        table: str,
        fields: Sequence[str],
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Which field foretells which; see ``kymograph.analytics.granger``."""
        return self._analyze("granger", table, fields, by, where, start, end, options)

    def partial_correlation(
        self,
        table: str,
        fields: Sequence[str],
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Pairs with the others held; see ``kymograph.analytics.partial_correlation``."""
        return self._analyze("partial_correlation", table, fields, by, where, start, end, options)

    def causal_graph(
        self,
        table: str,
        fields: Sequence[str],
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Which field may drive which; see ``kymograph.analytics.causal_graph``."""
        return self._analyze("causal_graph", table, fields, by, where, start, end, options)
