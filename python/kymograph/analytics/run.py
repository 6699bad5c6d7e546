"""One call for every analysis of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from kymograph import _core, arguments
from kymograph.analytics.options import settings
from kymograph.analytics.values import inputs, untimed


def run(function: str, values: Any, times: Any, options: Mapping[str, Any]) -> pl.DataFrame:
    """Runs an analysis by its name, with the interpreter released.

    Among the options ``timeout`` (seconds or "500ms") and ``memory`` (bytes or "512MB") bound it.
    Raises ``InvalidArgument`` for options that it does not take.
    """
    given = dict(options)
    limits = arguments.bounds(None, None, given.pop("timeout", None), given.pop("memory", None))
    series = inputs(values, times)
    frames, fields = series.frames, series.fields
    raw = _core.analyze(function, frames, fields, series.several, settings(given), limits)
    frame = pl.DataFrame(raw)
    return frame if series.timed else untimed(frame)
