"""The engines, each behind the same verbs (`base.Engine`); imported when they are asked for."""

from __future__ import annotations

import importlib
from typing import cast

from engines.base import Engine

MODULES = {
    "kymograph": "kymograph",
    "duckdb": "duckdb",
    "chdb": "chdb",
    "polars": "polars_memory",
    "parquet": "polars_parquet",
    "arcticdb": "arcticdb",
}


def make(name: str) -> Engine:
    """The engine of a name in `MODULES`."""
    return cast(Engine, importlib.import_module(f"engines.{MODULES[name]}").Engine())
