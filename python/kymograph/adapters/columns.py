"""One column of values from NumPy or Python as a Polars series; what is missing becomes null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from kymograph.adapters.times import to_ns
from kymograph.errors import invalid, shown

_NS = pl.Datetime("ns")
_POLARS_UNITS = {"ns", "us", "ms"}
_COARSE = {"s", "m", "h", "D", "W", "M", "Y"}


def from_values(name: str, values: Any) -> pl.Series:
    """A column of any supported kind: Polars series, NumPy array, masked array, list or tuple.

    Raises ``InvalidArgument`` naming the column.
    """
    if isinstance(values, pl.Series):
        return values.alias(name)
    if isinstance(values, np.ndarray):
        return from_numpy(name, values)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return pl.Series(name, values)
    if hasattr(values, "__array__") and not isinstance(values, Sequence):
        return from_numpy(name, np.asarray(values))
    if isinstance(values, Sequence | range) and not isinstance(values, str | bytes):
        return from_list(name, list(values))
    raise invalid(
        f"column {name!r} cannot be read: {shown(values)}; "
        "give a NumPy array, a list or a Polars series"
    )


def from_numpy(name: str, array: np.ndarray[Any, Any]) -> pl.Series:
    """A one-dimensional array; masked entries and NaT become null, NaN stays NaN.

    ``datetime64`` of any unit keeps its instant; text may be ``str``, ``bytes`` (UTF-8) or
    objects. Raises ``InvalidArgument`` for more dimensions and for dtypes without a field type.
    """
    if array.ndim != 1:
        raise invalid(f"column {name!r} must have one dimension, not the shape {array.shape}")
    mask: np.ndarray[Any, Any] | None = None
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array)
        array = np.asarray(array.data)
    series = _unmasked(name, array)
    if mask is not None and mask.any():
        keep = pl.Series(~mask)
        series = series.to_frame().select(pl.when(keep).then(pl.col(name)).alias(name))[name]
    return series


def from_list(name: str, values: list[Any]) -> pl.Series:
    """Python values with None for what is missing; integers among floats become floats.

    Raises ``InvalidArgument`` for a mixture that has no one type.
    """
    first = next((value for value in values if value is not None), None)
    if isinstance(first, np.datetime64) or hasattr(first, "nanosecond"):
        nothing = [value is None or value != value for value in values]
        pairs = zip(values, nothing, strict=True)
        ticks = [None if empty else to_ns(value, f"column {name!r}") for value, empty in pairs]
        return pl.Series(name, ticks, dtype=pl.Int64).cast(_NS)
    if all(value is None or isinstance(value, np.generic) for value in values) and values:
        values = [None if value is None else value.item() for value in values]
    numbers = [type(value) for value in values if value is not None]
    try:
        if float in numbers and set(numbers) <= {int, float}:
            return pl.Series(name, values, dtype=pl.Float64, strict=False)
        series = pl.Series(name, values, strict=True)
    except (TypeError, pl.exceptions.PolarsError, OverflowError) as error:
        kinds = sorted({kind.__name__ for kind in numbers})
        raise invalid(
            f"column {name!r} holds values that have no one type ({', '.join(kinds)}): {error}"
        ) from None
    if series.dtype == pl.Object:
        raise invalid(f"column {name!r} holds objects that are no field values: {shown(first)}")
    return series


def _unmasked(name: str, array: np.ndarray[Any, Any]) -> pl.Series:
    kind = array.dtype.kind
    if kind == "M":
        return _from_datetime64(name, array)
    if kind == "O":
        return from_list(name, [None if _missing(value) else value for value in array.tolist()])
    if kind == "S":
        try:
            return pl.Series(name, [value.decode() for value in array.tolist()], dtype=pl.String)
        except UnicodeDecodeError as error:
            raise invalid(f"column {name!r} holds bytes that are not UTF-8: {error}") from None
    if kind in "UT":
        return pl.Series(name, array.tolist(), dtype=pl.String)
    if kind not in "biuf":
        raise invalid(
            f"column {name!r} has the dtype {array.dtype}; "
            "fields are floats, integers, booleans or text, and times datetime64"
        )
    if kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    # A byte-swapped or strided array is copied once; everything else is read where it lies.
    return pl.Series(name, np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")))


def _from_datetime64(name: str, array: np.ndarray[Any, Any]) -> pl.Series:
    unit, step = np.datetime_data(array.dtype)
    if unit in _POLARS_UNITS and step == 1:
        ticks = np.ascontiguousarray(array.astype(f"datetime64[{unit}]", copy=False))
        return pl.Series(name, ticks)
    coarse = unit in _COARSE
    target = "datetime64[ms]" if coarse else "datetime64[ns]"
    if unit == "generic":
        raise invalid(f"column {name!r} is datetime64 without a unit; give datetime64[ns]")
    converted = array.astype(target)
    if not (converted.astype(array.dtype) == array)[~np.isnat(array)].all():
        raise invalid(f"column {name!r} ({array.dtype}) does not fit {target} exactly")
    return pl.Series(name, converted)


def _missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA among objects."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return (isinstance(value, float) and value != value) or type(value).__name__ == "NaTType"
