"""Arrays of any library as the frames that analyses take: times in ns, fields as doubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from kymograph import forks
from kymograph.adapters import to_ns
from kymograph.adapters.columns import from_values
from kymograph.errors import invalid, shown

SECOND = 10**9
_NS = pl.Datetime("ns")


@dataclass(frozen=True)
class Inputs:
    """Series for an analysis: each a frame of ``time`` (int64 ns) and a column for each field."""

    frames: list[pl.DataFrame]
    fields: list[str]
    """The names of the fields, which are numbered in the frames."""
    several: bool
    """Whether a list of series was given, so that the result tells them apart."""
    timed: bool
    """Whether times were given; without, a step is a second and results have ``index``."""


def inputs(values: Any, times: Any = None) -> Inputs:
    """One series (an array, or a dict or a frame of several fields), or a list of series.

    ``times`` are those of the one series or of all, or a list with those of each; a frame may have
    them in a column ``time``. Raises ``InvalidArgument`` for lengths that differ and for what
    holds no numbers.
    """
    forks.require_polars("an analysis of arrays")
    if not _several(values):
        made = _one(values, times)
        return Inputs([made.frame], made.fields, several=False, timed=made.timed)
    each = _of_each(times, len(values))
    all_made = [_one(one, own) for one, own in zip(values, each, strict=True)]
    fields = all_made[0].fields
    for made in all_made:
        if len(made.fields) != len(fields):
            raise invalid(f"series have fields of their own: {fields} and {made.fields}")
    kinds = {made.timed for made in all_made}
    if len(kinds) > 1:
        raise invalid("times are given for some of the series; give them for all or for none")
    frames = [made.frame for made in all_made]
    return Inputs(frames, fields, several=True, timed=kinds == {True})


def untimed(frame: pl.DataFrame) -> pl.DataFrame:
    """A result of series without times: steps, not instants; ``index`` instead of ``time``."""
    steps = [
        pl.col(name).dt.epoch("ns") // SECOND
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    ]
    frame = frame.with_columns(steps)
    if "time" not in frame.columns:
        return frame
    if "index" in frame.columns:
        return frame.drop("time")
    return frame.rename({"time": "index"})


def _several(values: Any) -> bool:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        return False
    return len(values) > 0 and all(_is_series(one) for one in values)


def _is_series(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, (Mapping, list, tuple)) or hasattr(value, "__arrow_c_stream__")


def _of_each(times: Any, count: int) -> Sequence[Any]:
    if times is None or not _several(times):
        return [times] * count
    if len(times) != count:
        raise invalid(f"there are {count} series and times of {len(times)}")
    return list(times)


class _Made(NamedTuple):
    frame: pl.DataFrame
    fields: list[str]
    timed: bool


def _one(values: Any, times: Any) -> _Made:
    fields = _fields(values)
    if times is None and "time" in fields and len(fields) > 1:
        times = fields.pop("time")
    numbers = [_numbers(name, column) for name, column in fields.items()]
    rows = len(numbers[0])
    for column in numbers:
        if len(column) != rows:
            raise invalid(
                f"fields are of different lengths: {column.name!r} has {len(column)} values and "
                f"{numbers[0].name!r} {rows}"
            )
    if times is None:
        clock = pl.Series("time", np.arange(rows, dtype=np.int64) * SECOND)
    else:
        clock = _times(times)
        if len(clock) != rows:
            raise invalid(f"there are {rows} values and {len(clock)} times")
    # Numbered: a field may be called "time", and no name has to be one that Arrow can carry.
    numbered = [column.alias(str(at)) for at, column in enumerate(numbers)]
    frame = pl.DataFrame([clock.alias("time"), *numbered]).rechunk()
    return _Made(frame, [column.name for column in numbers], times is not None)


def _fields(values: Any) -> dict[str, Any]:
    if isinstance(values, Mapping):
        if not values:
            raise invalid("values is an empty dict; give a field at least")
        return {str(name): column for name, column in values.items()}
    if isinstance(values, pl.DataFrame):
        return {name: values[name] for name in values.columns}
    if hasattr(values, "columns") and hasattr(values, "iloc"):
        return {str(name): values[name] for name in values.columns}
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return {f"column_{at}": values[:, at] for at in range(values.shape[1])}
    name = getattr(values, "name", None)
    return {name if isinstance(name, str) and name else "value": values}


def _numbers(name: str, values: Any) -> pl.Series:
    column = from_values(name, values)
    if column.dtype == pl.Null:
        return column.cast(pl.Float64)
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise invalid(f"{name} holds no numbers but {column.dtype}; analyses are of numbers")
    return column.cast(pl.Float64)


def _times(times: Any) -> pl.Series:
    column = from_values("time", times)
    if column.dtype == pl.String:
        column = pl.Series("time", [to_ns(one, "times") for one in column], dtype=pl.Int64)
    if column.null_count():
        raise invalid("times have nulls; a row without a time is at none")
    if isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date:
        return column.cast(_NS).to_physical()
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    raise invalid(
        f"times cannot be read: {shown(times)}; give datetimes, int nanoseconds or ISO 8601 text"
    )
