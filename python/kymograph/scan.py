"""Lazy scans: what a Polars query asks is pushed down, and its predicate applied again.

A conjunct of the predicate is understood when it compares ``time`` with a constant, or when it
speaks of tags alone: then Polars itself evaluates it over the table's series, so that whatever an
expression can say of tags is understood. What is pushed may let more through than the predicate,
never less.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from kymograph import arguments

if TYPE_CHECKING:
    from kymograph.database import Database

_TIME = pl.Datetime("ns", "UTC")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000}
_MIRROR = {"Lt": "Gt", "LtEq": "GtEq", "Gt": "Lt", "GtEq": "LtEq", "Eq": "Eq"}


@dataclass(frozen=True)
class Pushed:
    """What of a predicate is pushed down: ``[start, end)`` in ns and conjuncts over tags."""

    start: int | None = None
    end: int | None = None
    tags: list[pl.Expr] = field(default_factory=list)
    left: list[pl.Expr] = field(default_factory=list)

    def _narrow(self, start: int | None, end: int | None) -> Pushed:
        starts = [t for t in (self.start, start) if t is not None]
        ends = [t for t in (self.end, end) if t is not None]
        return replace(self, start=max(starts, default=None), end=min(ends, default=None))


def scan_table(db: Database, table: str) -> pl.LazyFrame:
    """The table as a lazy frame."""
    schema = db.schema(table)
    empty = db.read(table, limit=0)
    order = empty.columns

    def source(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        needed = set(order if columns is None else columns)
        if predicate is not None:
            needed |= set(predicate.meta.root_names())
        fields = [name for name in schema.fields if name in needed]
        frame = _read(db, table, fields, pushed(predicate, schema.tags), predicate, n_rows)
        if predicate is not None:
            frame = frame.filter(predicate)
        frame = frame.select([name for name in order if name in (columns or order)])
        if n_rows is not None:
            frame = frame.head(n_rows)
        yield from frame.iter_slices(batch_size or 1 << 20) if frame.height else [frame]

    return register_io_source(source, schema=dict(empty.schema), is_pure=True)


def explain_scan(db: Database, table: str, predicate: pl.Expr | None) -> str:
    """What a predicate pushes, in lines."""
    schema = db.schema(table)
    found = pushed(predicate, schema.tags)
    where = _matching(db, table, found)
    series = db.series(table).height
    kept = series if where is None else db.series(table, where=where).height
    start, end = (_shown(t) for t in (found.start, found.end))
    lines = [
        f"SCAN {table}",
        f"  time:     [{start}, {end})",
        f"  tags:     {' and '.join(map(str, found.tags)) or 'all'}",
        f"  series:   {kept} of {series}",
        f"  residual: {' and '.join(map(str, found.left)) or 'none'} (the whole predicate is "
        "applied again)",
    ]
    return "\n".join(lines)


def _shown(time: int | None) -> str:
    if time is None:
        return "..."
    return str(pl.Series([time]).cast(_TIME).dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")[0])


def _read(
    db: Database,
    table: str,
    fields: list[str],
    found: Pushed,
    predicate: pl.Expr | None,
    n_rows: int | None,
) -> pl.DataFrame:
    start, end = found.start, found.end
    if start is not None and end is not None and start > end:
        end = start
    limit = n_rows if predicate is None else None
    where = arguments.tag_filter(_matching(db, table, found))
    # Every row, also those without any of the fields: a projection must not change which rows
    # there are.
    raw = db._native.read(table, fields, where, limit, True, (start, end, None, None))
    return pl.DataFrame(raw)


def _matching(db: Database, table: str, found: Pushed) -> dict[str, list[str | None]] | None:
    """The tags' values among the series that pass, None when all do."""
    if not found.tags:
        return None
    tags = db.schema(table).tags
    series = db.series(table).select(tags).filter(*found.tags)
    return {tag: series[tag].cast(pl.String).unique().to_list() for tag in tags}


def pushed(predicate: pl.Expr | None, tags: list[str]) -> Pushed:
    """What of a predicate is understood."""
    found = Pushed()
    for conjunct in _conjuncts(predicate):
        roots = set(conjunct.meta.root_names())
        span = _time_span(conjunct) if roots == {"time"} else None
        if span is not None:
            found = found._narrow(*span)
        elif roots and roots <= set(tags):
            found.tags.append(conjunct)
        else:
            found.left.append(conjunct)
    return found


def _node(expr: pl.Expr) -> dict[str, Any]:
    parsed = json.loads(expr.meta.serialize(format="json"))
    return parsed if isinstance(parsed, dict) else {}


def _inputs(expr: pl.Expr) -> list[pl.Expr]:
    return expr.meta.pop()[::-1]


def _conjuncts(expr: pl.Expr | None) -> Iterator[pl.Expr]:
    if expr is None:
        return
    if _node(expr).get("BinaryExpr", {}).get("op") in {"And", "LogicalAnd"}:
        for part in _inputs(expr):
            yield from _conjuncts(part)
    else:
        yield expr


def _time_span(expr: pl.Expr) -> tuple[int | None, int | None] | None:
    """The half-open range that a comparison of ``time`` with constants lets through."""
    node = _node(expr)
    if "BinaryExpr" in node:
        op, (left, right) = node["BinaryExpr"]["op"], _inputs(expr)
        if _slack(left) is None:
            left, right, op = right, left, _MIRROR.get(op, "")
        slack, at = _slack(left), _constant(right)
        if slack is None or at is None:
            return None
        low, high = at - slack, at + slack
        spans = {
            "GtEq": (low, None),
            "Gt": (low if slack else low + 1, None),
            "LtEq": (None, high + 1),
            "Lt": (None, high + 1 if slack else high),
            "Eq": (low, high + 1),
        }
        return spans.get(op)
    if "IsBetween" in str(node.get("Function", {}).get("function", "")):
        column, first, last = _inputs(expr)
        slack, start, end = _slack(column), _constant(first), _constant(last)
        if slack is None or start is None or end is None:
            return None
        return start - slack, end + slack + 1
    return None


def _slack(expr: pl.Expr) -> int | None:
    """0 for ``time`` itself, a cast's unit in ns for a coarser ``time``, None for anything else."""
    if expr.meta.is_column():
        return 0 if expr.meta.output_name() == "time" else None
    if "Cast" in _node(expr):
        inner = _inputs(expr)[0]
        dtype = (
            pl.DataFrame(schema={"time": _TIME}).lazy().select(expr).collect_schema().dtypes()[0]
        )
        if inner.meta.is_column() and isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC":
            return _UNITS[dtype.time_unit]
    return None


def _constant(expr: pl.Expr) -> int | None:
    """A constant time in ns, None when the expression is none."""
    if expr.meta.root_names():
        return None
    try:
        value = pl.select(expr).to_series()
        if not isinstance(value.dtype, pl.Datetime) or value.len() != 1:
            return None
        if value.dtype.time_zone is None:
            value = value.dt.replace_time_zone("UTC")
        exact = value.dt.timestamp("ns").item()
    except pl.exceptions.PolarsError:
        return None
    return None if exact is None else int(exact)
