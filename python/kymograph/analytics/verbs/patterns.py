"""Verbs of patterns in one field."""

from __future__ import annotations

from typing import Any

import polars as pl

from kymograph.analytics.verbs.base import Names, Runs, Where


class Patterns(Runs):
    """Verbs of patterns in one field."""

    def decompose(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Trend, seasons and remainder; see ``kymograph.analytics.decompose``."""
        return self._analyze("decompose", table, field, by, where, start, end, options)

    def seasons(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """The seasons of each series; see ``kymograph.analytics.seasons``."""
        return self._analyze("seasons", table, field, by, where, start, end, options)

    def trend(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Whether each series rises or falls; see ``kymograph.analytics.trend``."""
        return self._analyze("trend", table, field, by, where, start, end, options)

    def changepoints(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Where each series changes for good; see ``kymograph.analytics.changepoints``."""
        return self._analyze("changepoints", table, field, by, where, start, end, options)

    def matrix_profile(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        window: int,
        **options: Any,
    ) -> pl.DataFrame:
        """How odd each shape is; see ``kymograph.analytics.matrix_profile``."""
        options["window"] = window
        return self._analyze("matrix_profile", table, field, by, where, start, end, options)

    def motifs(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        window: int,
        **options: Any,
    ) -> pl.DataFrame:
        """Shapes that come again; see ``kymograph.analytics.motifs``."""
        options["window"] = window
        return self._analyze("motifs", table, field, by, where, start, end, options)

    def discords(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        window: int,
        **options: Any,
    ) -> pl.DataFrame:
        """The oddest shapes; see ``kymograph.analytics.discords``."""
        options["window"] = window
        return self._analyze("discords", table, field, by, where, start, end, options)

    def search(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        query: Any,
        **options: Any,
    ) -> pl.DataFrame:
        """Where each series is most like a shape; see ``kymograph.analytics.search``."""
        options["query"] = query
        return self._analyze("search", table, field, by, where, start, end, options)

    def features(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Numbers that tell series apart; see ``kymograph.analytics.features``."""
        return self._analyze("features", table, field, by, where, start, end, options)

    def classify(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        labels: Any,
        **options: Any,
    ) -> pl.DataFrame:
        """Labels for series that have none; see ``kymograph.analytics.classify``.

        ``labels`` has one for each series, by the order of their tags.
        """
        options["labels"] = labels
        return self._analyze("classify", table, field, by, where, start, end, options)
