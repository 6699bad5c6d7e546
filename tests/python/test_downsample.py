"""Downsampling against a plain rendering of the paper, and its promise about spikes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymograph._core import InvalidArgument
from kymograph.plot import downsample


def naive(x, y, max_points):
    """Steinarsson's loop, a point at a time, plus each bucket's extremes."""
    n = len(x)
    if n <= max_points:
        return list(range(n))
    buckets = (max_points - 2) // 3
    edges = [1 + i * (n - 2) // buckets for i in range(buckets + 1)]
    kept, last = {0, n - 1}, 0
    for b in range(buckets):
        bucket = range(edges[b], edges[b + 1])
        following = range(edges[b + 1], edges[b + 2]) if b + 1 < buckets else [n - 1]
        cx = sum(float(x[i] - x[0]) for i in following) / len(following)
        cy = sum(y[i] for i in following) / len(following)
        ax, ay = float(x[last] - x[0]), y[last]
        best, widest = None, -1.0
        for i in bucket:
            bx = float(x[i] - x[0])
            area = abs((ax - bx) * (cy - ay) + (cx - ax) * (y[i] - ay))
            if area > widest:
                best, widest = i, area
        last = best
        kept |= {best, min(bucket, key=lambda i: y[i]), max(bucket, key=lambda i: y[i])}
    return sorted(kept)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.integers(5, 90), st.integers(0, 2**32 - 1), st.booleans())
def test_it_is_the_paper_with_extremes(n, max_points, seed, stamps):
    rng = np.random.default_rng(seed)
    # Sums of whole numbers are exact in any order, so both break ties alike.
    y = rng.integers(-50, 50, n).astype(np.float64)
    x = np.cumsum(rng.integers(0, 9, n)) + (1_700_000_000_000_000_000 if stamps else 0)
    kept = downsample(x, y, max_points)
    assert len(kept) <= max_points
    assert kept.tolist() == naive(x, y, max_points)
    assert y[kept].min() == y.min()
    assert y[kept].max() == y.max()


@pytest.mark.parametrize("per", [1, 2, 4, 8, 64])
@pytest.mark.parametrize("buckets", [1, 2, 7, 100])
def test_the_twin_agrees_to_the_index(per, buckets):
    n, max_points = per * buckets + 2, 3 * buckets + 2
    rng = np.random.default_rng(per * 1000 + buckets)
    x = np.cumsum(rng.integers(1, 9, n)) + 1_700_000_000_000_000_000
    y = rng.integers(-1000, 1000, n).astype(np.float64)
    assert downsample(x, y, max_points).tolist() == naive(x, y, max_points)


def test_no_spike_disappears():
    y = np.sin(np.arange(1_000_000) / 1e4)
    spikes = np.arange(777, 1_000_000, 40_000)
    y[spikes] += np.where(spikes % 2 == 0, 5.0, -5.0)
    kept = downsample(np.arange(len(y)), y, 2000)
    assert set(spikes.tolist()) <= set(kept.tolist())
    assert len(kept) <= 2000


def test_arguments():
    with pytest.raises(InvalidArgument, match="max_points"):
        downsample(np.arange(9), np.zeros(9), 4)
    with pytest.raises(InvalidArgument, match="dimension"):
        downsample(np.arange(9), np.zeros(8))
    assert downsample(np.arange(0), np.zeros(0)).tolist() == []
