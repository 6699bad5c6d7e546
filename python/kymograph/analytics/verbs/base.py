"""How every verb of an analysis runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from kymograph import _core, arguments, forks
from kymograph.analytics.options import settings
from kymograph.parameters import condition

if TYPE_CHECKING:
    from kymograph.results import TableSchema

Names = str | Sequence[str]
Where = Mapping[str, Any]


class Runs:
    """What verbs need of a database, and the one call behind them."""

    _native: _core.Database
    read: Callable[..., pl.DataFrame]
    aggregate: Callable[..., pl.DataFrame]
    schema: Callable[..., TableSchema]

    def _own(
        self,
        run: Callable[..., pl.DataFrame],
        table: str,
        field: str,
        by: Names | None,
        where: Where | None,
        start: Any,
        end: Any,
        options: Mapping[str, Any],
    ) -> pl.DataFrame:
        """Runs a caller's own Python on every series, one after the other."""
        self.schema(table)
        forks.require_polars("a method of your own")
        given = dict(options)
        shared = {name: given.pop(name, None) for name in ("filter", "params", "timeout", "memory")}
        buckets = {name: given.pop(name, None) for name in ("every", "origin", "timezone")}
        tags = self.schema(table).tags if by is None else arguments.names(by, "by") or []
        if buckets["every"] is None:
            rows = self.read(table, [field], where, start, end, **shared)
            rows = rows.select("time", *tags, field)
        else:
            means = {field: "mean"}
            asked = {"by": tags, "where": where, "start": start, "end": end}
            rows = self.aggregate(table, means, **asked, **buckets, **shared)
            rows = rows.rename({f"{field}_mean": field})
        rows = rows.sort(*tags, "time", maintain_order=True)
        found = []
        for part in rows.partition_by(tags, maintain_order=True) if tags else [rows]:
            own = run(part[field], part["time"], **given)
            keys = [pl.lit(part[tag][0], dtype=pl.String).alias(tag) for tag in tags]
            found.append(own.select("time", *keys, pl.exclude("time")))
        return pl.concat(found) if found else run(rows[field], rows["time"], **given)

    def _analyze(
        self,
        function: str,
        table: str,
        fields: Names,
        by: Names | None,
        where: Where | None,
        start: Any,
        end: Any,
        options: Mapping[str, Any],
        besides: _core._Besides = ([], None, None),
    ) -> pl.DataFrame:
        given = dict(options)
        every, origin, timezone = (
            given.pop(name, None) for name in ("every", "origin", "timezone")
        )
        filter, params = given.pop("filter", None), given.pop("params", None)
        timeout, memory = given.pop("timeout", None), given.pop("memory", None)
        which = (
            arguments.tag_filter(where),
            condition(filter, params),
            arguments.names(by, "by"),
            arguments.buckets(every, origin, timezone, None),
        )
        raw = self._native.analyze(
            table,
            function,
            arguments.names(fields, "fields") or [],
            which,
            besides,
            settings(given),
            arguments.bounds(start, end, timeout, memory),
        )
        return pl.DataFrame(raw)
