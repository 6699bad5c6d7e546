"""Values for the placeholders of a query or a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from kymograph.adapters import duration_ns, to_ns
from kymograph.errors import invalid, shown

Parameter = tuple[str, Any]
Parameters = Sequence[Any] | Mapping[str, Any]
Condition = tuple[str, list[Parameter] | None, list[tuple[str, Parameter]] | None]


def condition(text: str | None, params: Parameters | None) -> Condition | None:
    """A condition on rows with the values of its placeholders."""
    if text is None:
        if params is not None:
            raise invalid("params are values for the placeholders of filter, and filter is None")
        return None
    if not isinstance(text, str):
        raise invalid(f'filter takes a condition such as "usage > 90", got {shown(text)}')
    return text, *native_parameters(params)


def native_parameters(
    params: Parameters | None,
) -> tuple[list[Parameter] | None, list[tuple[str, Parameter]] | None]:
    """Values by position and by name, each with its kind, as the native side takes them."""
    if params is None:
        return None, None
    if isinstance(params, Mapping):
        named = []
        for name, value in params.items():
            if not isinstance(name, str):
                raise invalid(f"the names of params are text, got {shown(name)}")
            named.append((name.removeprefix("$"), _parameter(value, f"params[{name!r}]")))
        return None, named
    if isinstance(params, (str, bytes)) or not isinstance(params, Sequence):
        raise invalid(f"params takes a list for ? or a dict for $name, got {shown(params)}")
    return [_parameter(value, f"params[{at}]") for at, value in enumerate(params)], None


def _parameter(value: Any, name: str) -> Parameter:
    if isinstance(value, (list, tuple, set, frozenset, pl.Series, np.ndarray)):
        listed = value.tolist() if isinstance(value, np.ndarray) else list(value)
        return "list", [_one(one, name) for one in listed]
    return _one(value, name)


def _one(value: Any, name: str) -> Parameter:
    if value is None:
        return "null", None
    if isinstance(value, (bool, np.bool_)):
        return "bool", bool(value)
    if isinstance(value, (timedelta, np.timedelta64)):
        negative = value < type(value)(0)
        length = duration_ns(-value if negative else value, name, zero=True)
        return "interval", -length if negative else length
    if isinstance(value, (datetime, date, np.datetime64)):
        return "time", to_ns(value, name)
    if isinstance(value, str):
        return "text", str(value)
    if isinstance(value, (float, np.floating)):
        return "float", float(value)
    if hasattr(value, "__index__"):
        whole = value.__index__()
        if not -(2**63) <= whole < 2**63:
            raise invalid(f"{name} does not fit 64 bits: {shown(value)}")
        return "int", whole
    raise invalid(
        f"{name} cannot be a parameter: {shown(value)}; there are None, bool, int, float, str, "
        "times, timedelta, and lists of these"
    )
