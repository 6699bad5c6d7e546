"""Results as pandas has them, without PyArrow (``kymograph[pandas]``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from kymograph.errors import invalid, shown

if TYPE_CHECKING:
    import pandas as pd

_INTEGERS = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64),
    *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
)
_PLAIN = (*_INTEGERS, pl.Float32, pl.Float64, pl.Boolean, pl.Date, pl.Duration)
_EXTRA = "to_pandas needs pandas: pip install kymograph[pandas]"


def to_pandas(frame: pl.DataFrame | pl.LazyFrame) -> pd.DataFrame:
    """A result as a pandas DataFrame, indexed by its ``time`` where it has that column.

    The index is a ``DatetimeIndex`` named "time", in nanoseconds and UTC; a frame without ``time``
    gets the numbers of its rows. Tags become ``Categorical`` with the categories that are in the
    frame, in the order of their text. Integers and booleans with nulls become the nullable
    ``Int64`` and ``boolean``, without nulls plain NumPy; text becomes ``string``, where null is
    ``NA``. Floats become ``float64``, in which pandas has NaN for null too.

    Raises ``ImportError`` without pandas, ``InvalidArgument`` for anything but a Polars frame.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise invalid(f"to_pandas takes a Polars DataFrame or LazyFrame, got {shown(frame)}")
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(_EXTRA) from error
    index: Any = pd.RangeIndex(frame.height)
    if isinstance(frame.schema.get("time"), pl.Datetime):
        index = _time_index(frame["time"])
        frame = frame.drop("time")
    columns = {name: _column(frame[name]) for name in frame.columns}
    return pd.DataFrame(columns, index=index)


def _time_index(time: pl.Series) -> Any:
    import pandas as pd

    return pd.DatetimeIndex(_instants(time, "ns"), name="time").tz_localize("UTC")


def _instants(times: pl.Series, unit: Literal["ns", "us", "ms"]) -> Any:
    """datetime64 of a unit: instants in UTC, or, of times without a zone, what they say."""
    return times.cast(pl.Datetime(unit)).to_numpy()


def _column(column: pl.Series) -> Any:
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        instants = pd.DatetimeIndex(_instants(column, dtype.time_unit))
        zone = dtype.time_zone
        return instants.tz_localize("UTC").tz_convert(zone) if zone else instants
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return _categorical(column, dtype)
    if dtype == pl.String:
        return pd.array(column.to_list(), dtype=pd.StringDtype())
    if dtype in _INTEGERS and column.null_count():
        return pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), _missing(column))
    if dtype == pl.Boolean and column.null_count():
        return pd.arrays.BooleanArray(column.fill_null(False).to_numpy(), _missing(column))
    if dtype in _PLAIN:
        return column.to_numpy()
    return pd.Series(column.to_list(), dtype=object).array


def _categorical(column: pl.Series, dtype: pl.Categorical | pl.Enum) -> Any:
    """An enum keeps its order; else the categories are those of the column, by their text."""
    import pandas as pd

    ordered = isinstance(dtype, pl.Enum)
    if isinstance(dtype, pl.Enum):
        categories = dtype.categories
    else:
        categories = column.unique().drop_nulls().cast(pl.String).sort()
        column = column.cast(pl.Enum(categories))
    codes = column.to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    return pd.Categorical.from_codes(codes, categories=categories.to_list(), ordered=ordered)


def _missing(column: pl.Series) -> Any:
    return column.is_null().to_numpy()
