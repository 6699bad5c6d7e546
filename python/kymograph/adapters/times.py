"""Times and durations as people write them, in nanoseconds; every conversion is exact."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import index
from typing import Any

import numpy as np

from kymograph.errors import invalid, shown

_I64 = range(-(2**63), 2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = (
    "int nanoseconds since 1970 (UTC), a datetime (naive means UTC), a date, numpy.datetime64, "
    "a pandas Timestamp, or ISO 8601 text such as '2024-01-31T12:30:00Z'"
)
_DURATIONS = (
    "text such as '250ms', '10s', '5m', '1h30m', '1d', '1w' (units ns, us, ms, s, m, h, d, w), "
    "a timedelta, numpy.timedelta64, or int nanoseconds"
)
_ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](?P<hour>\d{2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_UNIT = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}
# numpy's units: how many nanoseconds a tick, and how many ticks a nanosecond.
_NUMPY_UNIT = {"ps": (1, 10**3), "fs": (1, 10**6), "as": (1, 10**9)} | {
    name: (size, 1)
    for name, size in {**_UNIT, "D": _UNIT["d"], "W": _UNIT["w"]}.items()
    if name not in {"d", "w"}
}


def to_ns(value: Any, name: str = "time") -> int:
    """A time as int64 nanoseconds since 1970-01-01T00:00:00 UTC, exact to the nanosecond.

    Takes int nanoseconds, ``datetime`` (aware, or naive taken as UTC), ``date`` (its midnight),
    ``numpy.datetime64`` of any unit, pandas ``Timestamp`` and ISO 8601 text with up to nine
    digits of a second (no zone means UTC).

    Raises ``InvalidArgument`` naming the argument ``name`` for anything else: bool, float, NaT,
    text that is no time, and times outside int64 nanoseconds (1677-09-21 to 2262-04-11).
    """
    if isinstance(value, str):
        ns = _from_text(value, name)
    elif isinstance(value, np.datetime64):
        ns = _from_numpy(value, value.astype(np.int64), name, _TIMES)
    elif isinstance(value, datetime):
        if value != value:
            raise invalid(f"{name} is NaT; give {_TIMES}")
        ns = _from_datetime(value)
    elif isinstance(value, date):
        ns = _from_datetime(datetime(value.year, value.month, value.day, tzinfo=UTC))
    elif isinstance(value, bool | np.bool_ | np.timedelta64) or not hasattr(value, "__index__"):
        raise invalid(f"{name} cannot be read as a time: {shown(value)}; give {_TIMES}")
    else:
        ns = index(value)
    if ns not in _I64:
        raise invalid(
            f"{name} is outside the nanoseconds of int64 (1677-09-21 to 2262-04-11): {shown(value)}"
        )
    return ns


def duration_ns(value: Any, name: str = "every", *, zero: bool = False) -> int:
    """A duration in nanoseconds: positive, or from 0 where ``zero`` is true.

    Takes text of one or more numbers with units (``"10s"``, ``"1h30m"``, ``"0.5s"``; ns, us, ms,
    s, m, h, d of 24 hours, w of 7 days), ``timedelta``, ``numpy.timedelta64`` and int
    nanoseconds. Calendar months and years have no fixed length and are refused.

    Raises ``InvalidArgument`` naming the argument ``name``.
    """
    if isinstance(value, str):
        ns = _duration_from_text(value, name)
    elif isinstance(value, np.timedelta64):
        ns = _from_numpy(value, value.astype(np.int64), name, _DURATIONS)
    elif isinstance(value, timedelta):
        if value != value:
            raise invalid(f"{name} is NaT; give {_DURATIONS}")
        ns = value // timedelta(microseconds=1) * 1000 + int(getattr(value, "nanoseconds", 0))
    elif isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise invalid(f"{name} cannot be read as a duration: {shown(value)}; give {_DURATIONS}")
    else:
        ns = index(value)
    if ns < 0 or (ns == 0 and not zero):
        raise invalid(f"{name} must be {'0 or more' if zero else 'more than 0'}: {shown(value)}")
    if ns not in _I64:
        raise invalid(f"{name} is longer than int64 nanoseconds (292 years): {shown(value)}")
    return ns


def check_range(start: Any = None, end: Any = None) -> tuple[int | None, int | None]:
    """The half-open range ``[start, end)`` in nanoseconds; None is an open end.

    Raises ``InvalidArgument`` when either cannot be read, or ``start`` is later than ``end``.
    """
    first = None if start is None else to_ns(start, "start")
    last = None if end is None else to_ns(end, "end")
    if first is not None and last is not None and first > last:
        raise invalid(f"start is later than end: {shown(start)} > {shown(end)}")
    return first, last


def _from_datetime(value: datetime) -> int:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    micros = (aware - _EPOCH) // timedelta(microseconds=1)
    # A pandas Timestamp is a datetime with what lies below the microsecond kept beside it.
    return int(micros) * 1000 + int(getattr(value, "nanosecond", 0))


def _from_numpy(value: Any, ticks: Any, name: str, works: str) -> int:
    if np.isnat(value):
        raise invalid(f"{name} is NaT; give {works}")
    unit, step = np.datetime_data(value.dtype)
    if isinstance(value, np.datetime64) and unit in {"Y", "M"}:
        unit, step, ticks = "D", 1, value.astype("datetime64[D]").astype(np.int64)
    if unit not in _NUMPY_UNIT:
        raise invalid(f"{name} has the unit {unit!r}, which has no fixed length; give {works}")
    times, per = _NUMPY_UNIT[unit]
    ns, rest = divmod(int(ticks) * step * times, per)
    if rest:
        raise invalid(f"{name} is finer than a nanosecond: {shown(value)}")
    return ns


def _from_text(text: str, name: str) -> int:
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise invalid(f"{name} cannot be read as a time: {shown(text)}; give {_TIMES}")
    try:
        moment = datetime.fromisoformat(found["day"]).replace(
            hour=int(found["hour"] or 0),
            minute=int(found["minute"] or 0),
            second=int(found["second"] or 0),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise invalid(f"{name} is no time that exists: {shown(text)}: {error}") from None
    zone = found["zone"] or "Z"
    offset = 0
    if zone not in {"Z", "z"}:
        digits = zone[1:].replace(":", "").ljust(4, "0")
        hours, minutes = int(digits[:2]), int(digits[2:])
        if hours > 23 or minutes > 59:
            raise invalid(f"{name} has no such offset from UTC: {shown(text)}")
        offset = (hours * 60 + minutes) * _UNIT["m"] * (-1 if zone[0] == "-" else 1)
    return _from_datetime(moment) - offset + int((found["fraction"] or "").ljust(9, "0"))


def _duration_from_text(text: str, name: str) -> int:
    compact = text.strip().replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise invalid(f"{name} cannot be read as a duration: {shown(text)}; give {_DURATIONS}")
    total = sum(Decimal(number) * _UNIT[unit] for number, unit in parts)
    if total != int(total):
        raise invalid(f"{name} is finer than a nanosecond: {shown(text)}")
    return int(total)
