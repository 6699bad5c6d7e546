"""Bands between a lower and an upper line, broken where the lines are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kymograph.plot.downsample import downsample
from kymograph.plot.gaps import breaks


def along(column: pl.Series) -> tuple[npt.NDArray[Any], bool]:
    """Times as int64 nanoseconds or numbers as floats, and whether they are times."""
    temporal = column.dtype.is_temporal()
    plain = column.cast(pl.Datetime("ns")).to_physical() if temporal else column.cast(pl.Float64)
    return plain.to_numpy(), temporal


def band(
    part: pl.DataFrame, x: str, lower: str, upper: str, gaps: Any, max_points: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """The outline of the area between two columns: one closed shape for each unbroken stretch.

    Shapes are separated by NaN, as Plotly's ``fill="toself"`` takes them. Rows where either column
    is null or no finite number break the band.
    """
    points = part.select(x, pl.col(lower, upper).cast(pl.Float64)).sort(x)
    xs, temporal = along(points[x])
    low, high = (points[name].fill_null(float("nan")).to_numpy() for name in (lower, upper))
    there = np.isfinite(low) & np.isfinite(high)
    if not there.any():
        return np.empty(0), np.empty(0)
    unseen = np.cumsum(~there)[there]
    xs, low, high = xs[there], low[there], high[there]
    broken = breaks(xs, gaps) | (np.diff(unseen) > 0)
    kept = np.union1d(downsample(xs, low, max_points), downsample(xs, high, max_points))
    crossed = np.concatenate([[0], np.cumsum(broken)])[kept]
    edges = [0, *(np.flatnonzero(np.diff(crossed) > 0) + 1), len(kept)]
    outline_x: list[npt.NDArray[Any]] = []
    outline_y: list[npt.NDArray[np.float64]] = []
    for start, end in pairwise(edges):
        rows = kept[start:end]
        back = rows[::-1]
        # The separator stands where the shape begins, so that it does not widen the axis.
        outline_x.append(np.concatenate([xs[rows], xs[back], xs[rows[:1]]]))
        outline_y.append(np.concatenate([high[rows], low[back], [np.nan]]))
    joined = np.concatenate(outline_x)
    shown = joined.astype(np.int64).view("datetime64[ns]") if temporal else joined
    return shown, np.concatenate(outline_y)
