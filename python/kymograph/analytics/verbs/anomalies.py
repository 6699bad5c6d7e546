"""Verbs of anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from kymograph import arguments
from kymograph.adapters import duration_ns
from kymograph.analytics.anomalies import detect
from kymograph.analytics.detector import Scorer
from kymograph.analytics.verbs.base import Names, Runs, Where
from kymograph.errors import invalid, shown

HOUR = 3600 * 10**9


class Anomalies(Runs):
    """Verbs of anomalies."""

    def detect(
        self,
        table: str,
        field: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        method: str | Scorer = "auto",
        related: Names | None = None,
        events: Any = None,
        alert: str | None = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Anomalies: how unusual each point is, and why; see ``kymograph.analytics.detect``.

        ``related`` names fields of the same rows: those that moved at an anomaly are told in its
        explanation. ``events`` is a table, or a pair of a table and a field of text in it: what
        happened within ``events_within`` ("1h") before an anomaly is told there, too. ``alert`` is
        a condition over the result such as ``"score > 0.8"``, whose truth is the column ``alert``.
        """
        besides = (
            arguments.names(related, "related") or [],
            _events(events, options.pop("events_within", None)),
            alert,
        )
        if callable(method):
            if besides != ([], None, None):
                raise invalid("related, events and alert are for methods by name, not a callable")
            given = {"method": method, **options}
            return self._own(detect, table, field, by, where, start, end, given)
        options["method"] = method
        return self._analyze("detect", table, field, by, where, start, end, options, besides)

    def isolation_forest(
        self,
        table: str,
        fields: Names,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Rows unlike the rest; see ``kymograph.analytics.isolation_forest``."""
        return self._analyze("isolation_forest", table, fields, by, where, start, end, options)

    def rolling(
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
        """Statistics of the last rows at every row; see ``kymograph.analytics.rolling``."""
        options["window"] = window
        return self._analyze("rolling", table, field, by, where, start, end, options)


def _events(events: Any, within: Any) -> tuple[str, str | None, int] | None:
    if events is None:
        if within is not None:
            raise invalid("events_within needs events, the table where they are")
        return None
    length = HOUR if within is None else duration_ns(within, "events_within")
    if isinstance(events, str):
        return events, None, length
    if isinstance(events, Sequence) and len(events) == 2:
        table, field = events
        if isinstance(table, str) and isinstance(field, str):
            return table, field, length
    raise invalid(
        f'events takes a table, or a table and a field such as ("deploys", "what"), got '
        f"{shown(events)}"
    )
