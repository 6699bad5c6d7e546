"""A database's table as a figure: what ``Database.plot`` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from kymograph.errors import invalid
from kymograph.plot.figure import plot

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from kymograph import Database


def plot_table(
    db: Database,
    table: str,
    fields: str | Sequence[str] | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    start: Any = None,
    end: Any = None,
    by: str | Sequence[str] | None = None,
    every: Any = None,
    function: str | Sequence[str] = "mean",
    title: str | None = None,
    **options: Any,
) -> Figure:
    """Draws a table's fields (all numeric ones when None) in the range ``[start, end)``.

    ``by`` names the tags that get lines of their own; when None, those that differ among the
    series drawn. With ``every`` the lines are aggregates (``function``, one or more) of windows
    that long; without it, the points themselves. ``options`` go to ``plot``: gaps, max_points,
    units, facet, height.

    Raises ``NotFound`` for an unknown table, ``InvalidArgument`` where it has no numeric field,
    ``ImportError`` without Plotly.
    """
    schema = db.schema(table)
    numeric = [name for name, kind in schema.fields.items() if kind in {"f64", "i64"}]
    drawn = [fields] if isinstance(fields, str) else list(fields or numeric)
    if not drawn:
        raise invalid(f"table {table!r} has no numeric field to draw; it has {schema.fields}")
    groups = [by] if isinstance(by, str) else by
    if groups is None:
        tags = db.series(table, where=where).select(pl.col(*schema.tags)) if schema.tags else None
        groups = [tag for tag in schema.tags if tags is not None and tags[tag].n_unique() > 1]
    units = dict(options.pop("units", None) or {})
    if every is None:
        frame = db.read(table, fields=drawn, where=where, start=start, end=end)
        heading = title or table
    else:
        functions = [function] if isinstance(function, str) else list(function)
        frame = db.aggregate(
            table,
            dict.fromkeys(drawn, functions),
            every=every,
            by=list(groups),
            where=where,
            start=start,
            end=end,
        )
        drawn, units = (
            [f"{field}_{name}" for field in drawn for name in functions],
            {f"{field}_{name}": unit for field, unit in units.items() for name in functions},
        )
        heading = title or f"{table}, every {every}"
    return plot(frame, "time", drawn, list(groups), title=heading, units=units, **options)
