"""Forecasts by Python objects: anything that fits and predicts, its intervals calibrated here."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from kymograph.adapters import duration_ns
from kymograph.analytics.values import SECOND, inputs, untimed
from kymograph.errors import invalid, shown

Floats = npt.NDArray[np.float64]

FOLDS = 10
"""Stretches of the history that are forecast to see how large errors are, at most."""


class Forecaster(Protocol):
    """What ``forecast`` takes as a method: an object that fits and predicts."""

    def fit(self, y: Floats) -> Any:
        """Learns from values at equal distances; may take ``times`` (datetime64[ns]) besides."""

    def predict(self, h: int) -> Any:
        """The next ``h`` values."""


@dataclass(frozen=True)
class History:
    """A series at equal distances."""

    start: int
    step: int
    values: Floats
    filled: int
    """How many of the values were missing, and are on a line between their neighbours."""

    def times(self, first: int, count: int) -> npt.NDArray[np.datetime64]:
        """The times of ``count`` steps from the step ``first`` on."""
        steps = np.arange(first, first + count, dtype=np.int64)
        return (self.start + steps * self.step).astype("datetime64[ns]")


def forecast_by(
    model: Forecaster,
    values: Any,
    times: Any,
    *,
    horizon: Any,
    levels: Any = 95,
    every: Any = None,
    seasons: Any = None,
    refuse: bool = False,
) -> pl.DataFrame:
    """``forecast`` by an object with ``fit`` and ``predict``.

    Up to 10 stretches of the history are forecast from what lies before each. The errors give the
    intervals (split conformal: the quantile of the errors at about the same step ahead, with the
    correction for how few they are) and the skill against the (seasonal) naive. A history too short
    for two stretches has neither. Raises ``InvalidArgument`` for a model that returns another
    length or something that is no number.
    """
    given = inputs(values, times)
    asked = sorted({float(level) for level in np.atleast_1d(np.asarray(levels, dtype=float))})
    if not all(0 < level < 100 for level in asked):
        raise invalid(f"levels lie between 0 and 100, got {shown(levels)}")
    season = int(np.min(seasons)) if seasons is not None and np.size(seasons) else 1
    frames = []
    for place, frame in enumerate(given.frames):
        history = regular(frame, every)
        steps = _steps(horizon, history.step)
        errors, naive = _rolled(model, history, steps, season)
        skill = None
        if len(errors) and naive > 0:
            skill = 1.0 - float(np.mean(np.abs(errors))) / naive
            if refuse and skill < 0:
                raise invalid(
                    f"{_name(model)} is worse than the seasonal naive on the last {len(errors)} "
                    f"stretches (skill {skill:.3f}); refuse=False forecasts all the same"
                )
        mean = _predicted(model, history, len(history.values), steps)
        columns: dict[str, Any] = {
            "time": pl.Series(history.times(len(history.values), steps)).dt.replace_time_zone("UTC")
        }
        if given.several:
            columns["series"] = pl.Series([place] * steps, dtype=pl.Int64)
        columns["mean"] = mean
        for level in asked:
            reach = _reach(errors, steps, level / 100)
            columns[f"lower_{level:g}"] = pl.Series(mean - reach).fill_nan(None)
            columns[f"upper_{level:g}"] = pl.Series(mean + reach).fill_nan(None)
        columns["method"] = [_name(model)] * steps
        columns["skill"] = pl.Series([skill] * steps, dtype=pl.Float64)
        columns["filled"] = pl.Series([history.filled] * steps, dtype=pl.Int64)
        frames.append(pl.DataFrame(columns))
    found = pl.concat(frames)
    return found if given.timed else untimed(found)


def regular(frame: pl.DataFrame, every: Any) -> History:
    """The rows put on steps: the mean of those nearest to each, gaps filled on a straight line."""
    clock = frame[frame.columns[0]].to_numpy()
    values = frame[frame.columns[1]].fill_null(float("nan")).to_numpy()
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2:
        raise invalid(f"a forecast needs two values at least, got {len(known)}")
    if every is None:
        forward = np.diff(clock)
        forward = forward[forward > 0]
        step = int(np.median(forward)) if len(forward) else SECOND
    else:
        step = duration_ns(every, "every")
    slots = np.asarray((clock - clock[0] + step // 2) // step, dtype=np.int64)
    count = int(slots[-1]) + 1
    if count > max(4096, 16 * len(clock)):
        raise invalid(f"{len(clock)} rows are too few for {count} steps of {step} ns; give every=")
    sums, counts = np.zeros(count), np.zeros(count)
    np.add.at(sums, slots[known], values[known])
    np.add.at(counts, slots[known], 1.0)
    there = np.flatnonzero(counts)
    # Behind the last known value there is nothing to draw a line to.
    last = int(there[-1]) + 1
    line = np.interp(np.arange(last), there, sums[there] / counts[there])
    return History(int(clock[0]), step, line, last - len(there))


def _steps(horizon: Any, step: int) -> int:
    if isinstance(horizon, int) and not isinstance(horizon, bool):
        steps = horizon
    else:
        steps = math.ceil(duration_ns(horizon, "horizon") / step)
    if steps < 1:
        raise invalid(f"horizon is a count of steps or a duration, got {shown(horizon)}")
    return steps


def _name(model: Any) -> str:
    return str(getattr(model, "name", None) or type(model).__name__)


def _takes_times(model: Forecaster) -> bool:
    try:
        return "times" in inspect.signature(model.fit).parameters
    except (TypeError, ValueError):
        return False


def _predicted(model: Forecaster, history: History, until: int, steps: int) -> Floats:
    known = history.values[:until].copy()
    if _takes_times(model):
        fitted = model.fit(known, times=history.times(0, until))  # type: ignore[call-arg]
    else:
        fitted = model.fit(known)
    # An object that fits into another one gives that back.
    source = fitted if hasattr(fitted, "predict") else model
    told = source.predict(steps)
    if isinstance(told, dict):
        told = told["mean"]
    mean = np.asarray(told, dtype=np.float64).reshape(-1)
    if len(mean) != steps:
        raise invalid(f"{_name(model)} predicted {len(mean)} values for {steps} steps")
    if not np.isfinite(mean).all():
        raise invalid(f"{_name(model)} predicted something that is no finite number")
    return mean


def _rolled(
    model: Forecaster, history: History, steps: int, season: int
) -> tuple[npt.NDArray[np.float64], float]:
    """Errors of the stretches, one a row, and the naive's mean absolute error on the same."""
    values = history.values
    least = max(2 * season, steps, 10)
    ends = [len(values) - steps * fold for fold in range(1, FOLDS + 1)]
    ends = [end for end in ends if end >= least]
    if len(ends) < 2:
        return np.empty((0, steps)), 0.0
    errors, naive = [], []
    for end in reversed(ends):
        actual = values[end : end + steps]
        errors.append(actual - _predicted(model, history, end, steps))
        again = values[end - season : end][np.arange(steps) % season]
        naive.append(np.abs(actual - again))
    return np.array(errors), float(np.mean(naive))


def _reach(errors: npt.NDArray[np.float64], steps: int, level: float) -> Floats:
    """How far an interval reaches from the mean at each step; NaN where errors are unknown."""
    if len(errors) == 0:
        return np.full(steps, np.nan)
    sizes, around = np.abs(errors), max(1, steps // 4)
    reach = np.empty(steps)
    for step in range(steps):
        near = np.sort(sizes[:, max(0, step - around) : step + around + 1].ravel())
        rank = min(len(near), math.ceil((len(near) + 1) * level))
        reach[step] = near[rank - 1]
    # What is farther ahead is no surer.
    return np.maximum.accumulate(reach)


class Prophet:
    """The real Prophet as a method of ``forecast``; needs ``pip install kymograph[prophet]``.

    ``options`` are those of ``prophet.Prophet``. The method ``"prophet"`` needs nothing: it is
    kymograph's own fit of the same model.
    """

    name = "prophet.Prophet"

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._fitted: Any = None
        self._last: Any = None

    def fit(self, y: Floats, times: npt.NDArray[np.datetime64]) -> Prophet:
        """Fits a new model."""
        try:
            import pandas as pd
            from prophet import Prophet as Real
        except ImportError as error:
            raise ImportError(
                "Prophet needs its package: pip install kymograph[prophet]"
            ) from error
        self._fitted = Real(**self._options)
        self._fitted.fit(pd.DataFrame({"ds": pd.to_datetime(times), "y": y}))
        self._last = (times[-1], times[-1] - times[-2])
        return self

    def predict(self, h: int) -> Floats:
        """The next ``h`` values: ``yhat``."""
        import pandas as pd

        last, step = self._last
        ahead = pd.DataFrame({"ds": pd.to_datetime(last + step * np.arange(1, h + 1))})
        return np.asarray(self._fitted.predict(ahead)["yhat"], dtype=np.float64)


class StatsForecast:
    """A model of StatsForecast as a method of ``forecast``: an object, or a name with options.

    ``StatsForecast("AutoARIMA", season_length=24)``. Needs
    ``pip install kymograph[statsforecast]``.
    """

    def __init__(self, model: Any, **options: Any) -> None:
        if isinstance(model, str):
            try:
                from statsforecast import models
            except ImportError as error:
                raise ImportError(
                    "StatsForecast needs its package: pip install kymograph[statsforecast]"
                ) from error
            made = getattr(models, model, None)
            if made is None:
                raise invalid(f"statsforecast.models has no {model!r}")
            model = made(**options)
        elif options:
            raise invalid("options are for a model given by its name")
        self._model = model
        self._y: Floats | None = None

    @property
    def name(self) -> str:
        """The model's own name."""
        return f"statsforecast.{type(self._model).__name__}"

    def fit(self, y: Floats) -> StatsForecast:
        """Keeps the history; the model fits when it predicts."""
        self._y = y
        return self

    def predict(self, h: int) -> Floats:
        """The next ``h`` values."""
        return np.asarray(self._model.forecast(y=self._y, h=h)["mean"], dtype=np.float64)
