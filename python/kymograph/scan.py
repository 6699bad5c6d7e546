"""Lazy scans: what a Polars query asks is pushed down, and its predicate applied again.

A conjunct of the predicate is understood when it compares ``time`` or a field with a constant, or
when it speaks of tags alone: then Polars itself evaluates it over the table's series, so that
whatever an expression can say of tags is understood. What is pushed may let more through than the
predicate, never less.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from kymograph import arguments, forks
from kymograph._core import Cancelled
from kymograph.errors import invalid
from kymograph.parameters import condition

if TYPE_CHECKING:
    from kymograph.database import Database

_TIME = pl.Datetime("ns", "UTC")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000}
_MIRROR = {"Lt": "Gt", "LtEq": "GtEq", "Gt": "Lt", "GtEq": "LtEq", "Eq": "Eq", "NotEq": "NotEq"}
_SIGNS = {"Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">=", "Eq": "=", "NotEq": "<>"}


@dataclass(frozen=True)
class Pushed:
    """What of a predicate is pushed down.

    ``[start, end)`` in ns, conjuncts over tags, and comparisons of fields: text with a ?, value.
    """

    start: int | None = None
    end: int | None = None
    tags: list[pl.Expr] = field(default_factory=list)
    fields: list[tuple[str, Any]] = field(default_factory=list)
    left: list[pl.Expr] = field(default_factory=list)

    def _narrow(self, start: int | None, end: int | None) -> Pushed:
        starts = [t for t in (self.start, start) if t is not None]
        ends = [t for t in (self.end, end) if t is not None]
        return replace(self, start=max(starts, default=None), end=min(ends, default=None))


class Limits:
    """What bounds one collect: seconds from the moment it begins to read, and bytes."""

    def __init__(self, timeout: float | None, memory: int | None) -> None:
        self.memory = memory
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """The seconds that are left, 0 when none are; None without a timeout."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raises ``Cancelled`` when no time is left."""
        if self.left() == 0:
            raise Cancelled("the scan's deadline has passed")


def scan_table(
    db: Database, table: str, timeout: Any = None, memory: int | str | None = None
) -> pl.LazyFrame:
    """The table as a lazy frame, each collect of which has the limits."""
    seconds, size = arguments.seconds(timeout), arguments.size(memory, "memory")
    if seconds is not None and not seconds >= 0:
        raise invalid(f"timeout={seconds} cannot be used; it is a positive number of seconds")
    schema = db.schema(table)
    empty = db.read(table, limit=0)
    order = empty.columns

    def source(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        limits = Limits(seconds, size)
        needed = set(order if columns is None else columns)
        if predicate is not None:
            needed |= set(predicate.meta.root_names())
        fields = [name for name in schema.fields if name in needed]
        found = pushed(predicate, schema.tags, schema.fields)
        frame = _read(db, table, fields, found, predicate, n_rows, limits)
        if predicate is not None:
            frame = frame.filter(predicate)
        frame = frame.select([name for name in order if name in (columns or order)])
        if n_rows is not None:
            frame = frame.head(n_rows)
        for batch in frame.iter_slices(batch_size or 1 << 20) if frame.height else [frame]:
            limits.check()
            yield batch

    def resolved() -> pl.Schema:
        # Polars asks before it hands work to threads, which after a fork may not be there.
        db._native.ready()
        forks.require_polars("a scan")
        return empty.schema

    return register_io_source(source, schema=resolved, is_pure=True)


def explain_scan(db: Database, table: str, predicate: pl.Expr | None) -> str:
    """What a predicate pushes, in lines."""
    schema = db.schema(table)
    found = pushed(predicate, schema.tags, schema.fields)
    where = _matching(db, table, found, Limits(None, None))
    series = db.series(table).height
    kept = series if where is None else db.series(table, where=where).height
    start, end = (_shown(t) for t in (found.start, found.end))
    compared = [text.removesuffix("?") + repr(value) for text, value in found.fields]
    lines = [
        f"SCAN {table}",
        f"  time:     [{start}, {end})",
        f"  tags:     {' and '.join(map(str, found.tags)) or 'all'}",
        f"  series:   {kept} of {series}",
        f"  fields:   {' and '.join(compared) or 'all'}",
        f"  residual: {' and '.join(map(str, found.left)) or 'none'} (the whole predicate is "
        "applied again)",
    ]
    return "\n".join(lines)


def _shown(at: int | None) -> str:
    if at is None:
        return "..."
    return str(pl.Series([at]).cast(_TIME).dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")[0])


def _read(
    db: Database,
    table: str,
    fields: list[str],
    found: Pushed,
    predicate: pl.Expr | None,
    n_rows: int | None,
    limits: Limits,
) -> pl.DataFrame:
    start, end = found.start, found.end
    if start is not None and end is not None and start > end:
        end = start
    limit = n_rows if predicate is None else None
    where = arguments.tag_filter(_matching(db, table, found, limits))
    bounds = (start, end, limits.left(), limits.memory)
    text = " AND ".join(text for text, _ in found.fields)
    rows = condition(text or None, [value for _, value in found.fields] or None)
    # Every row, also those without any of the fields: a projection must not change which rows
    # there are.
    raw = db._native.read(table, fields, where, rows, limit, True, bounds)
    return pl.DataFrame(raw)


def _matching(
    db: Database, table: str, found: Pushed, limits: Limits
) -> dict[str, list[str | None]] | None:
    """The tags' values among the series that pass, None when all do."""
    if not found.tags:
        return None
    tags = db.schema(table).tags
    series = db.series(table, timeout=limits.left(), memory=limits.memory)
    series = series.select(tags).filter(*found.tags)
    return {tag: series[tag].cast(pl.String).unique().to_list() for tag in tags}


def pushed(predicate: pl.Expr | None, tags: list[str], fields: Mapping[str, str]) -> Pushed:
    """What of a predicate is understood; ``fields`` have their types."""
    found = Pushed()
    for conjunct in _conjuncts(predicate):
        roots = set(conjunct.meta.root_names())
        span = _time_span(conjunct) if roots == {"time"} else None
        compared = _field_test(conjunct, fields) if len(roots) == 1 else None
        if span is not None:
            found = found._narrow(*span)
        elif compared is not None:
            found.fields.append(compared)
        elif roots and roots <= set(tags):
            found.tags.append(conjunct)
        else:
            found.left.append(conjunct)
    return found


def _field_test(expr: pl.Expr, fields: Mapping[str, str]) -> tuple[str, Any] | None:
    """A comparison of a field with a constant of its kind, as text and value."""
    node = _node(expr).get("BinaryExpr")
    if node is None or node["op"] not in _SIGNS:
        return None
    op, (left, right) = node["op"], _inputs(expr)
    if not left.meta.is_column():
        left, right, op = right, left, _MIRROR[op]
    if not left.meta.is_column() or right.meta.root_names():
        return None
    name = left.meta.output_name()
    try:
        value = pl.select(right).to_series().item()
    except (pl.exceptions.PolarsError, ValueError):
        return None
    kinds: dict[str, tuple[type, ...]] = {"f64": (float, int), "i64": (float, int), "str": (str,)}
    takes = kinds.get(fields.get(name, ""), ())
    if isinstance(value, bool) or not isinstance(value, takes):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None
    quoted = name.replace('"', '""')
    return f'"{quoted}" {_SIGNS[op]} ?', value


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
