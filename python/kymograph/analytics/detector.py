"""Detectors that points come to one by one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from kymograph import _core, arguments
from kymograph.adapters import to_ns
from kymograph.analytics.options import settings
from kymograph.analytics.values import SECOND, inputs, untimed
from kymograph.errors import invalid, shown

_MAGIC, _VERSION = b"KYDS", 1
_HEAD = struct.Struct("<4sHQd")
"""Before the state of the native detector: magic, version, steps so far, threshold; then a CRC."""


class Detector:
    """A detector of one series: learns, scores points as they come, and goes to other processes.

    ``method`` and ``options`` are those of ``detect``, whose scores the same points get here,
    however they are cut into calls. Safe to share among threads. Times ascend from call to call.
    """

    def __init__(self, method: str = "auto", *, threshold: float = 0.5, **options: Any) -> None:
        if not isinstance(method, str):
            raise invalid(
                f"method takes a name, got {shown(method)}; a callable scores whole series: "
                "detect(values, method=callable)"
            )
        self._native = _core.Detector(method, settings(options))
        self._threshold = float(threshold)
        self._steps = 0

    @property
    def method(self) -> str:
        """The name of its method."""
        return self._native.method

    @property
    def threshold(self) -> float:
        """From which score on ``detect`` calls a point an anomaly."""
        return self._threshold

    def fit(self, values: Any, times: Any = None) -> Self:
        """Learns from points without scoring them; returns itself.

        Without ``times`` a step is a second after the last.
        """
        frame, _ = self._points(values, times)
        self._native.fit(frame)
        self._steps += frame.height
        return self

    def detect(
        self,
        values: Any,
        times: Any = None,
        *,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """Scores the next points, and learns from them; columns as of ``analytics.detect``.

        Past ``timeout`` it raises ``Cancelled``, and none of the points has come to it.
        """
        frame, timed = self._points(values, times)
        limits = arguments.bounds(None, None, timeout, memory)
        found = pl.DataFrame(self._native.detect(frame, self._threshold, limits))
        self._steps += frame.height
        return found if timed else untimed(found)

    def update(self, time: Any, value: float | None) -> float | None:
        """Scores the next point, and learns from it; None where nothing can be said.

        ``time`` is anything that is one, None a second after the last; ``value`` None or NaN is
        missing.
        """
        at = self._steps * SECOND if time is None else to_ns(time)
        self._steps += 1
        score = self._native.update(at, float("nan") if value is None else float(value))[0]
        return None if score != score else score

    def to_bytes(self) -> bytes:
        """Its state: versioned bytes with checksums."""
        head = _HEAD.pack(_MAGIC, _VERSION, self._steps, self._threshold)
        return head + zlib.crc32(head).to_bytes(4, "little") + self._native.save()

    @classmethod
    def from_bytes(cls, state: bytes) -> Self:
        """The detector that ``to_bytes`` was asked of, in this process or another.

        Raises ``Corrupt`` for bytes that are no such state.
        """
        if not isinstance(state, (bytes, bytearray, memoryview)):
            raise invalid(f"state takes bytes, got {shown(state)}")
        data = bytes(state)
        head, own = data[: _HEAD.size], data[_HEAD.size + 4 :]
        checksum = zlib.crc32(head).to_bytes(4, "little")
        if len(head) < _HEAD.size or data[_HEAD.size : _HEAD.size + 4] != checksum:
            raise _core.Corrupt("these bytes are not the state of a detector")
        magic, version, steps, threshold = _HEAD.unpack(head)
        if magic != _MAGIC:
            raise _core.Corrupt("these bytes are not the state of a detector")
        if version != _VERSION:
            raise invalid(f"the state is of version {version}; this one reads version {_VERSION}")
        made = cls.__new__(cls)
        made._native = _core.Detector.load(own)
        made._steps, made._threshold = steps, threshold
        return made

    def __repr__(self) -> str:
        """Its method and threshold."""
        return f"Detector({self.method!r}, threshold={self._threshold:g})"

    def _points(self, values: Any, times: Any) -> tuple[pl.DataFrame, bool]:
        given = inputs(values, times)
        if given.several:
            raise invalid("a detector is of one series; make one for each")
        [frame] = given.frames
        if not given.timed:
            clock = frame.columns[0]
            frame = frame.with_columns(pl.col(clock) + self._steps * SECOND)
        return frame, given.timed


Scorer = Callable[[npt.NDArray[np.datetime64], npt.NDArray[np.float64]], Any]


def scored_by(scorer: Scorer, values: Any, times: Any, threshold: float) -> pl.DataFrame:
    """``detect`` by a function of times and values that returns a score of 0 to 1 for each.

    NaN or None is no score. Raises ``InvalidArgument`` for another length and for other numbers.
    """
    given = inputs(values, times)
    name = getattr(scorer, "__name__", type(scorer).__name__)
    frames = []
    for place, frame in enumerate(given.frames):
        clock, field = frame.columns[:2]
        instants = frame[clock].cast(pl.Datetime("ns", "UTC"))
        numbers = frame[field].fill_null(float("nan"))
        told = scorer(instants.dt.replace_time_zone(None).to_numpy(), numbers.to_numpy())
        scores = pl.Series("score", told, dtype=pl.Float64, strict=False).fill_nan(None)
        if len(scores) != frame.height:
            raise invalid(f"{name} gave {len(scores)} scores for {frame.height} values")
        if not scores.is_between(0, 1).fill_null(True).all():
            low, high = scores.min(), scores.max()
            raise invalid(f"{name} gave scores from {low!r} to {high!r}; they lie in 0 to 1")
        nothing = pl.lit(None, dtype=pl.Float64)
        found = pl.DataFrame({"time": instants, "value": numbers.fill_nan(None), "score": scores})
        anomaly = (pl.col("score") >= threshold).fill_null(False)
        said = pl.concat_str(pl.lit(f"{name!s} scores it "), pl.col("score").round(3))
        found = found.select(
            "time",
            "value",
            nothing.alias("expected"),
            nothing.alias("lower"),
            nothing.alias("upper"),
            "score",
            anomaly.alias("anomaly"),
            pl.lit(name).alias("method"),
            pl.when(anomaly).then(said).alias("explanation"),
        )
        if given.several:
            found = found.insert_column(1, pl.Series("series", [place] * frame.height, pl.Int64))
        frames.append(found)
    found = pl.concat(frames)
    return found if given.timed else untimed(found)
