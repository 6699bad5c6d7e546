"""Detectors that points come to, and methods that are Python of the caller's own."""

import subprocess
import sys
import threading

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kymograph as ky
from kymograph import analytics

RANDOM = np.random.default_rng(7)
VALUES = 10 + 3 * np.sin(np.arange(600) * 2 * np.pi / 24) + RANDOM.normal(size=600)
VALUES[400] += 30
VALUES[[50, 51, 300]] = np.nan
TIMES = np.datetime64("2026-01-01", "ns") + np.arange(600) * np.timedelta64(5, "m")


def told(frame):
    return frame["score"].to_list()


@pytest.mark.parametrize("method", ["zscore", "mad", "ewma", "auto"])
def test_points_one_by_one_score_as_the_whole_does(method):
    whole = analytics.detect(VALUES, TIMES, method=method)
    stream = analytics.Detector(method)
    pairs = zip(TIMES, VALUES, strict=True)
    assert [stream.update(time, value) for time, value in pairs] == told(whole)
    pieces = analytics.Detector(method)
    found = [pieces.detect(VALUES[a:b], TIMES[a:b]) for a, b in ((0, 100), (100, 377), (377, 600))]
    columns = ["time", "value", "expected", "lower", "upper", "score", "anomaly", "explanation"]
    assert_frame_equal(pl.concat(found).select(columns), whole.select(columns))
    # A prefix has the scores of the whole.
    assert told(analytics.detect(VALUES[:250], TIMES[:250], method=method)) == told(whole)[:250]


def test_a_state_goes_on_in_another_process(tmp_path):
    first = analytics.Detector("mad", threshold=0.3, window=100).fit(VALUES[:200], TIMES[:200])
    (tmp_path / "state").write_bytes(first.to_bytes())
    np.save(tmp_path / "values.npy", VALUES[200:])
    code = """
import numpy as np, pathlib
from kymograph.analytics import Detector
detector = Detector.from_bytes(pathlib.Path("state").read_bytes())
assert (detector.method, detector.threshold) == ("mad", 0.3), detector
scores = [detector.update(None, value) for value in np.load("values.npy")]
print([score if score is None else score.hex() for score in scores])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    here = [first.update(None, value) for value in VALUES[200:]]
    assert done.stdout.strip() == str([s if s is None else s.hex() for s in here])


def test_bytes_that_are_no_state_are_refused():
    state = analytics.Detector("zscore").fit(VALUES[:100]).to_bytes()
    flipped = [state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :] for at in range(len(state))]
    for bad in (b"", b"x" * 40, *(state[:at] for at in range(len(state))), *flipped):
        with pytest.raises((ky.Corrupt, ky.InvalidArgument)):
            analytics.Detector.from_bytes(bad)
    assert analytics.Detector.from_bytes(state).to_bytes() == state
    with pytest.raises(ky.InvalidArgument, match="bytes"):
        analytics.Detector.from_bytes("text")


def test_without_times_steps_go_on_from_call_to_call():
    detector = analytics.Detector("zscore")
    first, second = detector.detect(VALUES[:10]), detector.detect(VALUES[10:20])
    assert [*first["index"], *second["index"]] == list(range(20))
    assert "time" not in first.columns


def test_a_detector_is_shared_by_threads():
    detector = analytics.Detector("zscore")
    wrong = []

    def work():
        try:
            for value in VALUES[:200]:
                detector.update(None, value)
                detector.to_bytes()
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_stopped_detector_has_seen_nothing():
    values = RANDOM.normal(size=500_000)
    detector = analytics.Detector("mad", window=1000)
    with pytest.raises(ky.Cancelled):
        detector.detect(values, timeout="10ms")
    fresh = analytics.Detector("mad", window=1000)
    assert told(detector.detect(values[:3000])) == told(fresh.detect(values[:3000]))


def far(times, values):
    """Scores by the distance from the median."""
    assert times.dtype == np.dtype("datetime64[ns]")
    distance = np.abs(values - np.nanmedian(values))
    return distance / (distance + 10)


def test_a_callable_is_a_method_of_arrays_and_of_tables():
    found = analytics.detect(VALUES, TIMES, method=far, threshold=0.7)
    assert found.filter("anomaly")["value"].to_list() == [VALUES[400]]
    assert found["method"].unique().to_list() == ["far"]
    assert found["score"].null_count() == 3
    with ky.open() as db:
        frames = [
            pl.DataFrame({"time": TIMES, "host": host, "v": VALUES * factor})
            for host, factor in (("a", 1.0), ("b", 2.0))
        ]
        db.write("t", pl.concat(frames), tags=["host"])
        stored = db.detect("t", "v", method=far, threshold=0.7)
        assert stored.columns[:3] == ["time", "host", "value"]
        own = stored.filter(host="a").drop("host")
        # NaN is a value that is stored.
        assert_frame_equal(own, found)
        assert db.detect("t", "v", where={"host": "c"}, method=far).height == 0
        buckets = db.detect("t", "v", by=[], every="1h", method=far)
        assert buckets.height == 50


@pytest.mark.parametrize(
    ("scorer", "says"),
    [
        (lambda _, values: values[1:] * 0, "599 scores for 600 values"),
        (lambda _, values: values * 0 + 1.5, "0 to 1"),
    ],
)
def test_what_a_callable_returns_is_checked(scorer, says):
    with pytest.raises(ky.InvalidArgument, match=says):
        analytics.detect(VALUES, TIMES, method=scorer)


class Season:
    """The last day again."""

    def fit(self, y):
        assert not np.isnan(y).any()
        self.last = y[-24:]
        return self

    def predict(self, h):
        return self.last[np.arange(h) % 24]


def test_an_object_that_fits_and_predicts_is_a_method():
    found = analytics.forecast(VALUES, TIMES, horizon="2h", method=Season(), levels=[80, 95])
    bounds = ["lower_80", "upper_80", "lower_95", "upper_95"]
    assert found.columns == ["time", "mean", *bounds, "method", "skill", "filled"]
    assert found.height == 24
    assert found["mean"].to_list() == VALUES[-24:].tolist()
    assert (
        found["time"][0]
        == pl.Series(TIMES).dt.replace_time_zone("UTC")[-1]
        + pl.select(pl.duration(minutes=5)).item()
    )
    assert set(found["filled"]) == {3}
    assert (found["upper_95"] - found["upper_80"]).min() >= 0
    # The naive repeats the last value, which a season is better than.
    assert found["skill"][0] > 0.2
    untimed = analytics.forecast(VALUES, horizon=3, method=Season())
    assert untimed["index"].to_list() == [600, 601, 602]
    with ky.open() as db:
        rows = pl.DataFrame({"time": TIMES, "host": "a", "v": VALUES})
        db.write("t", rows, tags=["host"])
        stored = db.forecast("t", "v", horizon="2h", method=Season(), levels=[80, 95])
        assert_frame_equal(stored.drop("host"), found)


def test_its_intervals_cover_what_they_say():
    inside = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=324)
        values = 5 * np.sin(np.arange(324) * 2 * np.pi / 24) + noise
        found = analytics.forecast(values[:300], horizon=24, method=Season(), levels=90)
        low, high = (found[name].to_numpy() for name in ("lower_90", "upper_90"))
        inside.append(np.mean((values[300:] >= low) & (values[300:] <= high)))
    assert 0.85 < np.mean(inside) < 0.96, np.mean(inside)


class Wrong(Season):
    def predict(self, h):
        return -100 * super().predict(h)


def test_a_model_that_is_worse_than_naive_is_refused_if_asked():
    assert analytics.forecast(VALUES, horizon=5, method=Wrong())["skill"][0] < 0
    with pytest.raises(ky.InvalidArgument, match="worse than the seasonal naive"):
        analytics.forecast(VALUES, horizon=5, method=Wrong(), refuse=True)
    short = analytics.forecast([1.0, 2.0, 3.0], horizon=2, method=Season2())
    assert short["skill"].to_list() == short["upper_95"].to_list() == [None, None]


class Season2:
    def fit(self, y):
        self.last = y[-1]

    def predict(self, h):
        return [self.last] * h


@pytest.mark.parametrize(
    ("name", "extra"), [("Prophet", "prophet"), ("StatsForecast", "statsforecast")]
)
def test_a_library_that_is_missing_is_named_with_its_extra(name, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, extra, None)

    def asked():
        made = getattr(analytics, name)
        method = made("Naive") if name == "StatsForecast" else made()
        analytics.forecast(VALUES, TIMES, horizon=3, method=method)

    with pytest.raises(ImportError, match=rf"pip install kymograph\[{extra}\]"):
        asked()
