"""From a frame to the points of each line: split, sorted, broken at gaps, downsampled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kymograph.plot.downsample import downsample
from kymograph.plot.gaps import breaks


@dataclass(frozen=True)
class Line:
    """One line to draw: ``x`` and ``y`` of equal length; NaN in ``y`` where the line breaks."""

    field: str
    label: str
    x: npt.NDArray[Any]
    y: npt.NDArray[np.float64]
    lone: npt.NDArray[np.bool_]
    """Points between two breaks, which no line reaches."""
    total: int
    """How many points there were before downsampling."""


def lines(
    frame: pl.DataFrame, x: str, ys: Sequence[str], by: Sequence[str], gaps: Any, max_points: int
) -> Iterator[Line]:
    """The lines of ``frame``: one for every y and every combination of ``by``, in sorted order.

    Null rows are left out; a NaN or an infinity breaks its line. Empty lines are left out.
    """
    groups: list[tuple[str, pl.DataFrame]] = [("", frame)]
    if by:
        parts = frame.sort(by, maintain_order=True).partition_by(by, maintain_order=True)
        groups = [(" · ".join(_text(value) for value in p.select(by).row(0)), p) for p in parts]
    for field in ys:
        for group, part in groups:
            label = " · ".join(text for text in (field if len(ys) > 1 else "", group) if text)
            line = _line(part, x, field, label or field, gaps, max_points)
            if line is not None:
                yield line


def _text(value: object) -> str:
    return "(none)" if value is None or value == "" else str(value)


def _line(
    part: pl.DataFrame, x: str, field: str, label: str, gaps: Any, max_points: int
) -> Line | None:
    points = part.select(x, pl.col(field).cast(pl.Float64)).drop_nulls().sort(x)
    y = points[field].to_numpy()
    drawn = np.isfinite(y)
    at = points[x]
    temporal = at.dtype.is_temporal()
    along = (
        at.cast(pl.Datetime("ns")).to_physical() if temporal else at.cast(pl.Float64)
    ).to_numpy()
    if not drawn.any():
        return None
    # A value that cannot be drawn lies between two that can: counted, it breaks their line.
    unseen = np.cumsum(~drawn)[drawn]
    along, y = along[drawn], y[drawn]
    broken = breaks(along, gaps) | (np.diff(unseen) > 0)
    kept = _kept(along, y, broken, max_points)
    crossed = np.concatenate([[0], np.cumsum(broken)])[kept]
    cut = np.flatnonzero(np.diff(crossed) > 0) + 1
    edges = np.concatenate([[0], cut, [len(kept)]])
    lone = np.zeros(len(kept), dtype=np.bool_)
    lone[edges[:-1][np.diff(edges) == 1]] = True
    xs = along[kept]
    # The break stands halfway, so that it neither moves a point nor widens the axis.
    middle = xs[cut - 1] + (xs[cut] - xs[cut - 1]) // 2 if len(cut) else xs[:0]
    xs = np.insert(xs, cut, middle)
    return Line(
        field=field,
        label=label,
        x=xs.astype(np.int64).view("datetime64[ns]") if temporal else xs,
        y=np.insert(y[kept], cut, np.nan),
        lone=np.insert(lone, cut, False),
        total=len(along),
    )


def _kept(
    x: npt.NDArray[Any], y: npt.NDArray[np.float64], broken: npt.NDArray[np.bool_], max_points: int
) -> npt.NDArray[np.int64]:
    kept = downsample(x, y, max_points)
    ends = np.flatnonzero(broken)
    if len(kept) == len(x) or len(ends) == 0:
        return kept
    # Both ends of the widest gaps, so that a gap is drawn as wide as it is.
    widest = ends[np.argsort(-(x[ends + 1] - x[ends]), kind="stable")[: max_points // 8]]
    fewer = downsample(x, y, max(5, max_points - 2 * len(widest)))
    return np.union1d(fewer, np.concatenate([widest, widest + 1])).astype(np.int64)
