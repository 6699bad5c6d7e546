"""What comes in: frames of any library as an Arrow stream, times and durations as nanoseconds.

What goes out to pandas: ``to_pandas``.
"""

from kymograph.adapters.frames import settle_nulls, to_arrow_stream
from kymograph.adapters.pandas_results import to_pandas
from kymograph.adapters.times import check_range, duration_ns, to_ns

__all__ = [
    "check_range",
    "duration_ns",
    "settle_nulls",
    "to_arrow_stream",
    "to_ns",
    "to_pandas",
]
