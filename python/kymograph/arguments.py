"""Arguments that many verbs share, as the native side takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from kymograph.adapters import check_range, duration_ns, to_ns
from kymograph.errors import invalid, shown

Filter = list[tuple[str, list[str | None]]]
Bounds = tuple[int | None, int | None, float | None, int | None]
Every = tuple[int, int, int | None, str | None, int | None]

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_SIZES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def names(value: str | Iterable[str] | None, argument: str) -> list[str] | None:
    """One name or several as a list, None as None."""
    if value is None:
        return None
    if isinstance(value, str):
        return [value]
    listed = list(value)
    if not all(isinstance(name, str) for name in listed):
        raise invalid(f"{argument} takes a name or a list of names, got {shown(value)}")
    return listed


def tag_filter(where: Mapping[str, Any] | None) -> Filter:
    """``{"host": "a"}``, ``{"host": ["a", "b"]}`` or ``{"host": None}`` (series without it)."""
    if where is None:
        return []
    if not isinstance(where, Mapping):
        works = 'a dict of tags such as {"host": ["a", "b"]}'
        raise invalid(f"where takes {works}, got {shown(where)}")
    return [(str(tag), _values(tag, value)) for tag, value in where.items()]


def _values(tag: str, value: Any) -> list[str | None]:
    if value is None or isinstance(value, str):
        return [value]
    listed = list(value) if isinstance(value, Iterable) else [value]
    for one in listed:
        if one is not None and not isinstance(one, str):
            raise invalid(
                f"where[{tag!r}] takes a string, None or a list of them, got {shown(one)}; tags "
                "are strings"
            )
    return listed


def bounds(start: Any, end: Any, timeout: Any, memory: Any) -> Bounds:
    """Range in ns, timeout in seconds, memory in bytes."""
    first, last = check_range(start, end)
    return first, last, seconds(timeout), size(memory, "memory")


def buckets(every: Any, origin: Any, timezone: str | None, step: Any) -> Every | None:
    """Months, ns, origin in ns, time zone and step in ns; every is a duration or "1mo"."""
    if every is None:
        given = {"origin": origin, "timezone": timezone, "step": step}
        for name, value in given.items():
            if value is not None:
                raise invalid(f"{name} needs every: without buckets it says nothing")
        return None
    if timezone is not None and not isinstance(timezone, str):
        raise invalid(f'timezone takes a name such as "Europe/Zurich", got {shown(timezone)}')
    start = None if origin is None else to_ns(origin, "origin")
    slide = None if step is None else duration_ns(step, "step")
    match = re.fullmatch(r"\s*(\d{1,6})\s*(mo|q|y)\s*", every) if isinstance(every, str) else None
    if match is None:
        return 0, duration_ns(every, "every"), start, timezone, slide
    months = int(match[1]) * _MONTHS[match[2]]
    if months == 0:
        raise invalid(f"every must be more than 0: {shown(every)}")
    return months, 0, start, timezone, slide


def seconds(timeout: Any, argument: str = "timeout") -> float | None:
    """A timeout as seconds: a number of seconds, a timedelta, or text such as "500ms"."""
    if timeout is None or isinstance(timeout, (int, float)):
        return timeout
    if isinstance(timeout, (str, timedelta)):
        return duration_ns(timeout, argument) / 1e9
    raise invalid(f'{argument} takes seconds, a timedelta or "500ms", got {shown(timeout)}')


def size(value: Any, argument: str) -> int | None:
    """Bytes from an int or from text such as "512MB" or "2GiB"."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
        if match and match[2].upper() in _SIZES:
            return int(float(match[1]) * _SIZES[match[2].upper()])
    raise invalid(f'{argument} takes bytes or text such as "512MB", got {shown(value)}')


def count(value: Any, argument: str) -> int:
    """A whole number from 0 to 2^63 - 1."""
    whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if not whole or not 0 <= value.__index__() < 2**63:
        raise invalid(f"{argument} takes a whole number from 0 on, got {shown(value)}")
    return int(value.__index__())


def age(value: Any, argument: str) -> int:
    """An age in nanoseconds: a duration, or years of 365 days such as "5y"."""
    match = re.fullmatch(r"\s*(\d{1,3})\s*y\s*", value) if isinstance(value, str) else None
    if match is None:
        return duration_ns(value, argument)
    return duration_ns(f"{int(match[1]) * 365}d", argument)


def downsample(value: Mapping[Any, Any] | None) -> list[tuple[int, int]]:
    """``{"5m": "90d", "1h": "5y"}`` as pairs of step and age in nanoseconds."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        works = '{"5m": "90d", "1h": "5y"}'
        raise invalid(
            f"downsample takes a dict of steps and ages such as {works}, got {shown(value)}"
        )
    levels = []
    for step, kept in value.items():
        if isinstance(step, str) and re.fullmatch(r"\s*\d+\s*(mo|q|y)\s*", step):
            raise invalid(
                f"downsample takes steps of one length such as '5m', '1h' or '1d'; {shown(step)} "
                "has months, which differ"
            )
        levels.append((duration_ns(step, "downsample"), age(kept, f"downsample[{step!r}]")))
    return levels


def limit(value: Any) -> int | None:
    """How many rows at most, None for all."""
    return None if value is None else count(value, "limit")


def functions(fields: Mapping[str, str | Sequence[str]]) -> list[tuple[str, list[str]]]:
    """``{"usage": ["mean", "max"]}`` as pairs."""
    if not isinstance(fields, Mapping) or not fields:
        works = '{"usage": ["mean", "max"]}'
        raise invalid(f"aggregate takes a dict of fields such as {works}, got {shown(fields)}")
    return [(field, names(asked, f"fields[{field!r}]") or []) for field, asked in fields.items()]


def fill(value: Any) -> tuple[str, float | None] | None:
    """None, "null", "previous", "linear" or a number."""
    if value is None:
        return None
    if isinstance(value, str):
        return {"prev": "previous", "none": "null"}.get(value, value), None
    if isinstance(value, (int, float)):
        return "value", float(value)
    raise invalid(f'fill takes None, "null", "previous", "linear" or a number, got {shown(value)}')
