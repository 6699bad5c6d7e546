"""From a file's batch to the rows to write, with every cell that cannot be read found by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from kymograph.cli.guess import Plan

NOTHING = ["", "NA", "N/A", "n/a", "null", "NULL", "None"]
"""Texts that mean a missing number."""
_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_CLOCK = ("%H:%M:%S%.f", "%H:%M")
_MOMENTS = tuple(
    f"{day}{mid}{clock}"
    for mid in ("T", " ")
    for clock in _CLOCK
    for day in ("%Y-%m-%d", "%Y/%m/%d")
)
FORMATS = (*_MOMENTS, *(f"{moment}%#z" for moment in _MOMENTS), "%Y-%m-%d", "%Y/%m/%d")
"""ISO 8601 with T or a space, with or without fractions and zone, and days alone."""


def number(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Text as numbers; null where it is none."""
    return text.str.strip_chars().cast(dtype, strict=False)


def text_to_time(text: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    """Text as UTC nanoseconds by the first of ``formats`` that fits; null where none does."""
    plain = text.str.strip_chars().str.replace(r"(?: ?UTC|[Zz])$", "+00:00")
    plain = plain.str.replace(r" ([+-]\d\d:?(?:\d\d)?)$", "$1")
    naive = plain.str.replace(r"\+00:00$", "")
    read = []
    for form in formats:
        if form.endswith("z"):
            read.append(plain.str.to_datetime(form, time_unit="ns", time_zone="UTC", strict=False))
        elif "%H" in form:
            read.append(
                naive.str.to_datetime(form, time_unit="ns", strict=False).dt.replace_time_zone(
                    "UTC"
                )
            )
        else:
            day = plain.str.to_date(form, strict=False)
            read.append(day.cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"))
    return pl.coalesce(read)


def formats_of(text: pl.Series, share: float = 0.5) -> list[str]:
    """The fewest formats, most used first, that together read at least ``share`` of the text."""
    rest = text.alias("x").to_frame()
    chosen: list[str] = []
    wanted = len(text) * share
    for form in FORMATS:
        if rest.is_empty():
            break
        missed = rest.filter(text_to_time(pl.col("x"), [form]).is_null())
        if missed.height < rest.height:
            chosen.append(form)
            rest = missed
    read = len(text) - rest.height
    return chosen if len(text) > 0 and read >= max(wanted, 1) else []


def convert(batch: pl.DataFrame, plan: Plan) -> tuple[pl.DataFrame, pl.Series]:
    """The plan's columns of a batch, and which of its rows hold a cell that cannot be read.

    A row without a time is such a row; a missing tag or field is not.
    """
    exprs = [_time(batch.schema[plan.time], plan).alias(plan.time)]
    exprs += [pl.col(tag).cast(pl.String) for tag in plan.tags]
    exprs += [
        _field(name, batch.schema[name], dtype).alias(name) for name, dtype in plan.fields.items()
    ]
    rows = batch.select(exprs)
    if plan.how == "text" and rows[plan.time].null_count() > batch[plan.time].null_count():
        # Formats that the sample did not show.
        rows = rows.with_columns(batch.select(text_to_time(pl.col(plan.time), FORMATS)))
    bad = rows[plan.time].is_null()
    for name in plan.fields:
        source = batch[name]
        if source.null_count() < rows[name].null_count():
            lost = rows[name].is_null() & source.is_not_null()
            if source.dtype == pl.String:
                lost &= ~source.str.strip_chars().is_in(NOTHING)
            bad |= lost
    return rows, bad


def why(batch: pl.DataFrame, rows: pl.DataFrame, at: int, plan: Plan) -> str:
    """What is wrong with row ``at``: the first column that cannot be read, and its value."""
    for name in (plan.time, *plan.fields):
        value = batch[name][at]
        if rows[name][at] is None and (value is not None or name == plan.time):
            if isinstance(value, str) and name != plan.time and value.strip() in NOTHING:
                continue
            kind = "a time" if name == plan.time else f"{plan.fields[name]}"
            return f"{name} is {value!r}, which cannot be read as {kind}"
    return "unreadable"


def _time(dtype: pl.DataType, plan: Plan) -> pl.Expr:
    column = pl.col(plan.time)
    if plan.how == "typed":
        return column.cast(pl.Datetime("us")) if dtype == pl.Date else column
    if plan.how == "text":
        return text_to_time(column, plan.formats)
    factor = _UNIT[plan.how]
    whole = (
        number(column, pl.Int64()) if dtype == pl.String else column.cast(pl.Int64, strict=False)
    )
    if dtype.is_float() or dtype == pl.String:
        real = number(column, pl.Float64()) if dtype == pl.String else column
        # Microseconds: what a float of seconds since 1970 still holds.
        parts = (real * (factor / 1000)).round() if factor >= 1000 else real
        scaled = parts.cast(pl.Int64, strict=False) * min(factor, 1000)
        whole_ns = whole * factor
        fits = whole.abs() <= (2**63 - 1) // factor
        exact = pl.when(fits & (real == whole)).then(whole_ns)
        return pl.from_epoch(exact.when(real.abs() * factor < 2**63).then(scaled), "ns")
    return pl.from_epoch(pl.when(whole.abs() <= (2**63 - 1) // factor).then(whole * factor), "ns")


def _field(name: str, source: pl.DataType, target: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if source == pl.String and target == pl.Boolean:
        low = column.str.strip_chars().str.to_lowercase()
        return pl.when(low.is_in(["true", "false"])).then(low == "true")
    if source == pl.String and target != pl.String:
        return number(column, target)
    if source == pl.Date or isinstance(source, pl.Datetime):
        return column.cast(pl.Datetime("ns")).to_physical().cast(target)
    if isinstance(source, pl.Duration):
        return column.cast(pl.Duration("ns")).to_physical().cast(target)
    return column.cast(target, strict=False)
