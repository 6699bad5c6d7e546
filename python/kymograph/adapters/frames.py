"""Any frame as an object with ``__arrow_c_stream__``, which the native side reads in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import polars as pl

from kymograph.adapters.columns import from_list, from_values
from kymograph.adapters.pandas_frames import from_pandas
from kymograph.errors import invalid, shown

_FRAMES = (
    "a Polars DataFrame or LazyFrame, a pandas DataFrame, a PyArrow Table, RecordBatch or "
    "RecordBatchReader, anything with __arrow_c_stream__, a dict of columns (NumPy arrays, lists, "
    "Polars series), or a list of dicts"
)


class ArrowStream(Protocol):
    """Anything that exports the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A PyCapsule that holds an ``ArrowArrayStream`` of record batches."""
        ...


def to_arrow_stream(frame: Any, time: str = "time") -> ArrowStream:
    """``frame`` as an Arrow stream of its rows.

    Polars, PyArrow and any other ``__arrow_c_stream__`` are passed through untouched. A pandas
    frame is read column by column and needs no PyArrow; its unnamed ``DatetimeIndex`` becomes
    the column ``time``. Missing values become null, while NaN in float columns stays NaN.

    Raises ``InvalidArgument`` for anything else, and for columns without a field type.
    """
    if isinstance(frame, pl.DataFrame):
        return cast(ArrowStream, frame)
    if isinstance(frame, pl.LazyFrame):
        return cast(ArrowStream, frame.collect())
    if _is_pandas(frame):
        # Before the stream check: pandas' own export needs PyArrow.
        return cast(ArrowStream, from_pandas(frame, time))
    if isinstance(frame, Mapping):
        return cast(ArrowStream, _from_mapping(frame))
    if isinstance(frame, list) and all(isinstance(row, Mapping) for row in frame):
        return cast(ArrowStream, _from_rows(frame))
    if hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, pl.Series):
        return cast(ArrowStream, frame)
    if hasattr(frame, "__arrow_c_array__"):
        return cast(ArrowStream, pl.DataFrame(frame))
    raise invalid(f"frame cannot be read: {shown(frame)}; give {_FRAMES}")


def settle_nulls(
    stream: ArrowStream, known: Callable[[], Mapping[str, pl.DataType | type[pl.DataType]]]
) -> ArrowStream:
    """A Polars frame as its export can take it: no NUL in a name, no column of type Null.

    Columns of Polars' Null type come in the types that are ``known``, or are left out.

    Polars exports such a column with a buffer that Arrow's format does not give it, so that a
    strict reader refuses the whole frame. A column of nothing but null says nothing of its type.
    """
    if not isinstance(stream, pl.DataFrame):
        return stream
    for name in stream.columns:
        # Its end in Arrow's C interface: Polars' export of it would end the process.
        if "\0" in name:
            raise invalid(
                f"column name {shown(name)} cannot be used; a name has 1 to 255 bytes and no "
                "control characters"
            )
    if pl.Null not in stream.dtypes:
        return stream
    types = known()
    nothing = [name for name, dtype in stream.schema.items() if dtype == pl.Null]
    typed = [pl.col(name).cast(types[name]) for name in nothing if name in types]
    left_out = [name for name in nothing if name not in types]
    return cast(ArrowStream, stream.with_columns(typed).drop(left_out))


def _is_pandas(frame: Any) -> bool:
    kind = type(frame)
    return any(
        base.__name__ == "DataFrame" and base.__module__.split(".")[0] == "pandas"
        for base in kind.__mro__
    )


def _from_mapping(frame: Mapping[Any, Any]) -> pl.DataFrame:
    lone = {name for name, values in frame.items() if isinstance(values, str | int | float | bool)}
    columns = {
        str(name): from_values(str(name), values)
        for name, values in frame.items()
        if name not in lone
    }
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or (lone and not columns):
        told = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise invalid(f"frame's columns must be equally long; they are {told or 'all single'}")
    rows = next(iter(lengths.values()), 0)
    for name in lone:
        columns[str(name)] = from_list(str(name), [frame[name]]).new_from_index(0, rows)
    return pl.DataFrame([columns[str(name)].alias(str(name)) for name in frame])


def _from_rows(rows: list[Mapping[str, Any]]) -> pl.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {str(name): from_list(str(name), [row.get(name) for row in rows]) for name in names}
    return pl.DataFrame(columns)
