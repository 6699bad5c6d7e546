"""What a file's columns are: the time, the tags, the fields; guessed from a sample, then said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from kymograph.cli.convert import NOTHING, formats_of, number
from kymograph.errors import invalid

TIME_NAMES = ("time", "timestamp", "ts", "datetime", "date", "ds")
KINDS: dict[str, pl.DataType] = {
    "f64": pl.Float64(),
    "i64": pl.Int64(),
    "bool": pl.Boolean(),
    "string": pl.String(),
}
_EPOCH_BELOW = (("s", 10**11), ("ms", 10**14), ("us", 10**17))


@dataclass(frozen=True)
class Plan:
    """How a file's columns are read."""

    time: str
    how: str
    """How the time is read: "typed", "text", or a unit since 1970 (s, ms, us, ns)."""
    formats: tuple[str, ...]
    """The formats of a textual time."""
    tags: tuple[str, ...]
    fields: dict[str, pl.DataType]
    dropped: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        return [self.time, *self.tags, *self.fields]

    def lines(self) -> list[str]:
        """The plan for people, a line an item."""
        how = {"typed": "", "text": " (text)"}.get(self.how, f" (numbers: {self.how} since 1970)")
        names = {dtype: kind for kind, dtype in KINDS.items()}
        fields = ", ".join(f"{name} {names[dtype]}" for name, dtype in self.fields.items())
        told = [f"time    {self.time}{how}", f"tags    {', '.join(self.tags) or '-'}"]
        told.append(f"fields  {fields or '-'}")
        return told + ([f"left    {', '.join(self.dropped)}"] if self.dropped else [])


def guess(
    sample: pl.DataFrame,
    *,
    time: str | None = None,
    unit: str | None = None,
    tags: Sequence[str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> Plan:
    """A plan for columns such as the sample's; what is given is taken, the rest is guessed.

    The time is the first of time, timestamp, ts, datetime, date, ds (in any case) that can be
    read as one, else the first column of times, else the first column of ISO 8601 text. Text
    with few distinct values becomes tags when ``tags`` is None, other text a field. ``fields``
    fixes fields' kinds (f64, i64, bool, string). Raises ``InvalidArgument`` when there is no
    time, or a name is unknown.
    """
    for argument, names in (("--tag", tags or ()), ("--field", fields or ())):
        for name in names:
            if name not in sample.columns:
                raise invalid(f"{argument} names no column: {name!r}; there are {sample.columns}")
    typed = sample.with_columns(
        infer(sample[name]) for name, dtype in sample.schema.items() if dtype == pl.String
    )
    name, how = _time(typed, time, unit)
    labels = [tag for tag in tags if tag != name] if tags is not None else _few(typed, name)
    kinds: dict[str, pl.DataType | None] = {}
    for column, dtype in typed.schema.items():
        if column != name and column not in labels:
            fixed = (fields or {}).get(column)
            kinds[column] = KINDS[fixed] if fixed is not None else _field(dtype)
    text = sample[name].drop_nulls()
    return Plan(
        time=name,
        how=how,
        formats=tuple(formats_of(text)) if how == "text" else (),
        tags=tuple(labels),
        fields={column: kind for column, kind in kinds.items() if kind is not None},
        dropped=tuple(column for column, kind in kinds.items() if kind is None),
    )


def infer(text: pl.Series) -> pl.Series:
    """A column of text as what nine in ten of its values are: bool, i64, f64, else text.

    Integers with leading zeros are names, and stay text.
    """
    values = text.drop_nulls()
    if values.is_empty() or values.str.contains(r"^[+-]?0\d").any():
        return text
    frame = text.to_frame("x")
    if values.str.to_lowercase().is_in(["true", "false"]).all():
        return frame.select(pl.col("x").str.to_lowercase() == "true")["x"].alias(text.name)
    for dtype in (pl.Int64(), pl.Float64()):
        cast = frame.select(number(pl.col("x"), dtype))["x"]
        wanted = len(values) if dtype == pl.Int64 else 0.9 * len(values)
        if cast.count() > 0 and cast.count() + _nothings(values) >= wanted:
            return cast.alias(text.name)
    return text


def _nothings(values: pl.Series) -> int:
    return int(values.str.strip_chars().is_in(NOTHING).sum())


def _time(frame: pl.DataFrame, given: str | None, unit: str | None) -> tuple[str, str]:
    if given is not None:
        if given not in frame.columns:
            raise invalid(f"--time names no column: {given!r}; there are {frame.columns}")
        how = _time_kind(frame[given], unit, 0.5)
        if how is None:
            some = frame[given].head(3).to_list()
            raise invalid(
                f"--time {given!r} cannot be read as times: {some}; it must be times, "
                "ISO 8601 text or numbers since 1970"
            )
        return given, how
    lower = {column.lower(): column for column in reversed(frame.columns)}
    for name in TIME_NAMES:
        how = _time_kind(frame[lower[name]], unit, 0.5) if name in lower else None
        if how is not None:
            return lower[name], how
    for column, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
            return column, "typed"
    for column, dtype in frame.schema.items():
        if dtype == pl.String and _time_kind(frame[column], unit, 0.99) == "text":
            return column, "text"
    raise invalid(f"no column looks like a time among {frame.columns}; name it with --time")


def _time_kind(values: pl.Series, unit: str | None, share: float) -> str | None:
    dtype = values.dtype
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        return "typed"
    known = values.drop_nulls()
    if dtype == pl.String:
        some = known.head(1000)
        read = formats_of(some, share)
        return "text" if read else None
    if not dtype.is_numeric() or known.is_empty():
        return None
    if unit is not None:
        return unit
    middle = known.cast(pl.Float64).abs().median()
    return next((name for name, below in _EPOCH_BELOW if _float(middle) < below), "ns")


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _few(frame: pl.DataFrame, time: str) -> list[str]:
    limit = min(1000, max(20, frame.height // 20))
    return [
        name
        for name, dtype in frame.schema.items()
        if name != time
        and (
            isinstance(dtype, pl.Categorical | pl.Enum)
            or (dtype == pl.String and 0 < frame[name].drop_nulls().n_unique() <= limit)
        )
    ]


def _field(dtype: pl.DataType) -> pl.DataType | None:
    if dtype.is_float() or dtype.is_decimal():
        return KINDS["f64"]
    if dtype.is_integer() or dtype.is_temporal():
        return None if dtype == pl.Time else KINDS["i64"]
    if dtype == pl.Boolean:
        return KINDS["bool"]
    return KINDS["string"] if isinstance(dtype, pl.String | pl.Categorical | pl.Enum) else None
