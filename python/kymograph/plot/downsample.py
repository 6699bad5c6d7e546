"""Fewer points with the same look: LTTB, with the extremes of every bucket kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kymograph.errors import invalid


def downsample(
    x: npt.NDArray[np.int64] | npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    max_points: int = 2000,
) -> npt.NDArray[np.int64]:
    """The ascending indices of at most ``max_points`` points that draw like all ``n`` of them.

    ``x`` (ascending) and ``y`` (finite) have the shape ``(n,)``. The points between the first
    and the last are split into equally many a bucket; of each bucket the point with the largest
    triangle is kept (Largest-Triangle-Three-Buckets, S. Steinarsson, "Downsampling Time Series
    for Visual Representation", 2013), and beside it the bucket's lowest and highest, so that no
    spike disappears. Takes O(n).

    Raises ``InvalidArgument`` when ``max_points`` is below 5 or the shapes differ.
    """
    if max_points < 5:
        raise invalid(f"max_points must be 5 or more, not {max_points}")
    if x.ndim != 1 or x.shape != y.shape:
        raise invalid(f"x and y must have one equal dimension, not {x.shape} and {y.shape}")
    n = len(x)
    if n <= max_points:
        return np.arange(n, dtype=np.int64)
    # Differences first: int64 nanoseconds since 1970 do not fit a float.
    along = (x - x[0]).astype(np.float64)
    buckets = (max_points - 2) // 3
    edges = 1 + np.arange(buckets + 1, dtype=np.int64) * (n - 2) // buckets
    sizes = np.diff(edges)
    mean_x = np.append(np.add.reduceat(along[: n - 1], edges[:-1]) / sizes, along[-1])
    mean_y = np.append(np.add.reduceat(y[: n - 1], edges[:-1]) / sizes, y[-1])
    kept = np.empty(3 * buckets + 2, dtype=np.int64)
    kept[0], kept[-1] = 0, n - 1
    last = 0
    for bucket in range(buckets):
        start, end = int(edges[bucket]), int(edges[bucket + 1])
        xs, ys = along[start:end], y[start:end]
        to_x, to_y = mean_x[bucket + 1] - along[last], mean_y[bucket + 1] - y[last]
        area = np.abs((along[last] - xs) * to_y + to_x * (ys - y[last]))
        last = start + int(area.argmax())
        kept[3 * bucket + 1 : 3 * bucket + 4] = last, start + ys.argmin(), start + ys.argmax()
    return np.unique(kept)
