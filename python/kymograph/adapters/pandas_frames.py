"""A pandas DataFrame, column by column, without PyArrow: NumPy buffers where there are any."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from kymograph.adapters.columns import from_list, from_numpy
from kymograph.errors import invalid


def from_pandas(frame: Any, time: str = "time") -> pl.DataFrame:
    """The same rows and columns; named index levels become columns.

    A ``DatetimeIndex`` without a name becomes the column ``time``. Zoned times become UTC.
    ``NA`` in nullable dtypes, text and categoricals, and ``NaT``, become null; NaN in a plain
    float column stays NaN. Raises ``InvalidArgument`` for repeated column names and for dtypes
    that have no field type.
    """
    columns: dict[str, pl.Series] = {}
    labels = [(level, _index_name(frame.index, level, time)) for level in _levels(frame.index)]
    sources = [
        (label, frame.index.get_level_values(level).to_series(index=range(len(frame))))
        for level, label in labels
        if label is not None
    ]
    sources += [(str(label), frame.iloc[:, at]) for at, label in enumerate(frame.columns)]
    for name, column in sources:
        if name in columns:
            raise invalid(f"frame has more than one column {name!r}; rename or drop one")
        columns[name] = _column(name, column)
    return pl.DataFrame(columns)


def _levels(index: Any) -> range:
    return range(index.nlevels)


def _index_name(index: Any, level: int, time: str) -> str | None:
    name = index.names[level]
    if name is not None:
        return str(name)
    return time if index.get_level_values(level).dtype.kind == "M" else None


def _column(name: str, column: Any) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return from_numpy(name, column.to_numpy())
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        categories = _column(name, dtype.categories.to_series(index=range(len(dtype.categories))))
        codes = pl.Series(np.ascontiguousarray(column.cat.codes.to_numpy(), dtype=np.int64))
        return categories.gather(codes.set(codes < 0, None)).alias(name)
    if kind == "DatetimeTZDtype":
        return from_numpy(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    if kind == "StringDtype":
        missing = column.isna().to_numpy(dtype=bool)
        texts = column.to_numpy(dtype=object)
        return pl.Series(
            name,
            [None if empty else text for text, empty in zip(texts, missing, strict=True)],
            dtype=pl.String,
        )
    if kind == "ArrowDtype":
        return pl.Series(name, column)
    if kind == "SparseDtype":
        return from_numpy(name, np.asarray(column))
    plain = getattr(dtype, "numpy_dtype", None)
    if isinstance(plain, np.dtype) and plain.kind in "biuf":
        missing = column.isna().to_numpy(dtype=bool)
        values = column.to_numpy(dtype=plain, na_value=plain.type(0))
        return from_numpy(name, np.ma.array(values, mask=missing))
    if kind in {"PeriodDtype", "IntervalDtype"}:
        raise invalid(f"column {name!r} has the dtype {dtype}; convert it to times or numbers")
    return from_list(name, list(column))
