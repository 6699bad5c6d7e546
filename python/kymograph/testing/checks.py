"""Assertions over a table; each raises ``AssertionError`` naming up to five offenders.

All take ``where``, ``start`` and ``end`` as ``Database.read`` does. A check over no rows at all
fails: an empty table is no proof of good data.
"""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from kymograph.adapters import duration_ns, to_ns

if TYPE_CHECKING:
    from kymograph import Database

_SHOWN = 5


def assert_no_gaps(
    db: Database,
    table: str,
    every: Any,
    *,
    slack: float = 0.5,
    where: Mapping[str, Any] | None = None,
    start: Any = None,
    end: Any = None,
) -> None:
    """No series has two neighbouring rows more than ``every * (1 + slack)`` apart.

    Looks between a series' rows only: one that ended long ago is a matter for ``assert_fresh``.
    """
    tags, rows = _rows(db, table, None, where, start, end)
    limit = int(duration_ns(every, "every") * (1 + slack))
    at = pl.col("time").cast(pl.Datetime("ns")).to_physical()
    step = at.diff().over(tags) if tags else at.diff()
    gaps = (
        rows.sort(*tags, "time")
        .with_columns(
            step.alias("_step"),
            (pl.col("time").shift().over(tags) if tags else pl.col("time").shift()).alias("_from"),
        )
        .filter(pl.col("_step") > limit)
    )
    _fail_on(
        gaps,
        tags,
        f"{table}: {gaps.height} gaps longer than {every} (slack {slack:g})",
        lambda row: f"nothing from {row['_from']} to {row['time']}",
    )


def assert_fresh(
    db: Database, table: str, within: Any, *, now: Any = None, by: Sequence[str] | None = None
) -> None:
    """Every series has a row no older than ``within`` before ``now`` (the clock when None).

    ``by`` groups series: one fresh row in a group is enough; all the table's tags when None.
    """
    tags = db.schema(table).tags if by is None else list(by)
    last = db.last(table, by=tags)
    _some(last, table)
    moment = clock.time_ns() if now is None else to_ns(now, "now")
    oldest = moment - duration_ns(within, "within")
    stale = last.filter(pl.col("time").cast(pl.Datetime("ns")).to_physical() < oldest)
    _fail_on(
        stale,
        tags,
        f"{table}: {stale.height} of {last.height} series have no row within {within}",
        lambda row: f"last row at {row['time']}",
    )


def assert_between(
    db: Database,
    table: str,
    field: str,
    lo: float | None = None,
    hi: float | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    start: Any = None,
    end: Any = None,
) -> None:
    """Every value of ``field`` lies in ``[lo, hi]`` (None: no bound); NaN never does.

    Null values are left out; ``assert_no_nulls`` finds them.
    """
    tags, rows = _rows(db, table, [field], where, start, end)
    value = pl.col(field)
    outside = pl.lit(False)
    if rows.schema[field].is_float():
        outside = outside | value.is_nan()
    if lo is not None:
        outside = outside | (value < lo)
    if hi is not None:
        outside = outside | (value > hi)
    wrong = rows.filter(value.is_not_null() & outside)
    _fail_on(
        wrong,
        tags,
        f"{table}.{field}: {wrong.height} of {rows.height} values outside "
        f"[{'any' if lo is None else lo}, {'any' if hi is None else hi}]",
        lambda row: f"{row[field]} at {row['time']}",
    )


def assert_no_nulls(
    db: Database,
    table: str,
    fields: str | Sequence[str] | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    start: Any = None,
    end: Any = None,
) -> None:
    """Every row has a value in each of ``fields`` (all of the table's when None)."""
    known = list(db.schema(table).fields)
    wanted = [fields] if isinstance(fields, str) else list(fields or known)
    tags, rows = _rows(db, table, known, where, start, end)
    holes = rows.filter(pl.any_horizontal(pl.col(wanted).is_null()))
    _fail_on(
        holes,
        tags,
        f"{table}: {holes.height} of {rows.height} rows lack a value",
        lambda row: f"no {', '.join(f for f in wanted if row[f] is None)} at {row['time']}",
    )


def _rows(
    db: Database,
    table: str,
    fields: list[str] | None,
    where: Mapping[str, Any] | None,
    start: Any,
    end: Any,
) -> tuple[list[str], pl.DataFrame]:
    rows = db.read(table, fields=fields, where=where, start=start, end=end)
    _some(rows, table)
    return list(db.schema(table).tags), rows


def _some(rows: pl.DataFrame, table: str) -> None:
    if rows.is_empty():
        raise AssertionError(f"{table}: there are no rows to check")


def _fail_on(wrong: pl.DataFrame, tags: Sequence[str], what: str, tell: Any) -> None:
    if wrong.is_empty():
        return
    told = []
    for row in wrong.head(_SHOWN).iter_rows(named=True):
        series = ", ".join(f"{tag}={row[tag]}" for tag in tags)
        told.append(f"  {series + ': ' if series else ''}{tell(row)}")
    more = f"\n  and {wrong.height - _SHOWN} more" if wrong.height > _SHOWN else ""
    raise AssertionError(what + "\n" + "\n".join(told) + more)
