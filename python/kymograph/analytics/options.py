"""Options of analyses as the native side takes them: each value with its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from kymograph.adapters import duration_ns, to_ns
from kymograph.errors import invalid, shown

Given = tuple[str, Any]


def settings(options: Mapping[str, Any]) -> list[tuple[str, Given]]:
    """Options by name; None counts as not given.

    Raises ``InvalidArgument`` for a value of a kind that no option has.
    """
    return [(name, _given(value, name)) for name, value in options.items() if value is not None]


def _given(value: Any, name: str) -> Given:
    if value is None:
        return "null", None
    if isinstance(value, (bool, np.bool_)):
        return "bool", bool(value)
    if isinstance(value, str):
        return "text", str(value)
    if isinstance(value, (timedelta, np.timedelta64)):
        return "interval", duration_ns(value, name)
    if isinstance(value, (datetime, date, np.datetime64)):
        return "time", to_ns(value, name)
    if isinstance(value, (float, np.floating)):
        return "float", float(value)
    if isinstance(value, Mapping):
        return "map", [(str(key), _given(one, f"{name}[{key!r}]")) for key, one in value.items()]
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, pl.Series) or hasattr(value, "to_list"):
        value = value.to_list()
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, Sequence):
        return "list", [_given(one, name) for one in value]
    if hasattr(value, "__index__"):
        whole = value.__index__()
        if not -(2**63) <= whole < 2**63:
            raise invalid(f"{name} does not fit 64 bits: {shown(value)}")
        return "int", whole
    raise invalid(
        f"{name} cannot be an option: {shown(value)}; there are None, bool, int, float, str, "
        "times, timedelta, and lists and dicts of these"
    )
