"""Whether two engines answered the same."""

from __future__ import annotations

import numpy as np
import polars as pl
from workload import Query

RELATIVE = 1e-9
# Below this a difference of floats is none: a correlation or a deviation may be 0 but for rounding.
ABSOLUTE = 1e-11


def plain(frame: pl.DataFrame, query: Query) -> pl.DataFrame:
    """Times as int nanoseconds, strings as such, numbers as doubles; sorted by the query's keys."""
    columns = []
    for column in frame.select(query.columns):
        if isinstance(column.dtype, pl.Datetime):
            columns.append(column.dt.replace_time_zone(None).cast(pl.Datetime("ns")).to_physical())
        elif column.dtype.is_numeric():
            columns.append(column.cast(pl.Float64))
        else:
            columns.append(column.cast(pl.String))
    out = pl.DataFrame(columns)
    return out.sort(query.keys) if query.keys else out


def difference(left: pl.DataFrame, right: pl.DataFrame, query: Query) -> str | None:
    """What is not the same in two answers made `plain`, None when nothing is."""
    if left.height != right.height:
        return f"{left.height} rows, not {right.height}"
    for name in query.columns:
        if left[name].dtype == pl.Float64:
            a, b = left[name].to_numpy(), right[name].to_numpy()
            close = np.isclose(a, b, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        else:
            close = (left[name].eq_missing(right[name])).to_numpy()
        if not close.all():
            at = int(np.argmin(close))
            return f"row {at}: {name} is {left[name][at]!r}, not {right[name][at]!r}"
    return None
