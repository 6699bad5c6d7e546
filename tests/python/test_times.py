"""Times and durations: exact to the nanosecond, or refused by name."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymograph._core import InvalidArgument
from kymograph.adapters import check_range, duration_ns, to_ns

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)  # the lowest is numpy's NaT
SECOND = 10**9


@given(INT64)
def test_numpy_and_int_and_iso_text_agree(ns):
    moment = np.datetime64(ns, "ns")
    assert to_ns(ns) == to_ns(moment) == ns
    assert to_ns(str(moment)) == to_ns(f"{moment}Z") == ns
    assert to_ns(np.int64(ns)) == ns


@given(st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1)), st.integers(-1439, 1439))
def test_datetimes_keep_their_instant(moment, minutes):
    expected = int(np.datetime64(moment, "us").astype(np.int64)) * 1000
    assert to_ns(moment) == to_ns(moment.replace(tzinfo=UTC)) == expected
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert to_ns(zoned) == to_ns(zoned.isoformat()) == expected - minutes * 60 * SECOND


@given(INT64)
def test_pandas_keeps_the_nanosecond(ns):
    try:
        stamp = pd.Timestamp(ns)
    except pd.errors.OutOfBoundsDatetime:
        return
    assert to_ns(stamp) == ns
    assert to_ns(stamp.tz_localize("UTC")) == ns


@pytest.mark.parametrize(
    ("given", "ns"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00", 0),
        ("1970-01-01 00:00:01.5", 1_500_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T01:00:00+0100", 0),
        ("1969-12-31T19:00:00-05", 0),
        (date(1970, 1, 2), 86400 * SECOND),
        (np.datetime64("1970-02"), 31 * 86400 * SECOND),
        (np.datetime64(3000, "ps"), 3),
        (np.datetime64(7, "10s"), 70 * SECOND),
    ],
)
def test_what_works(given, ns):
    assert to_ns(given) == ns


@pytest.mark.parametrize(
    "given",
    [
        *("soon", "", "2024-13-01", "2024-02-30", "2024-01-01T25:00", "2024-1-1", "2024-01-01T00"),
        *("2024-01-01T00:00:00+99:00", "2024-01-01T00:00:60", "٢٠٢٤-01-01", "1500-01-01"),
        *(True, 1.5, None, [], 2**63, -(2**63) - 1, np.datetime64("NaT"), pd.NaT, float("nan")),
        *(np.datetime64(1, "ps"), datetime(1500, 1, 1), datetime(9999, 1, 1), np.timedelta64(1)),
    ],
)
def test_what_does_not_is_named(given):
    with pytest.raises(InvalidArgument, match=r"^start "):
        to_ns(given, "start")


@given(st.integers(1, 2**63 - 1))
def test_durations_of_any_length(ns):
    assert duration_ns(ns) == duration_ns(f"{ns}ns") == duration_ns(np.timedelta64(ns, "ns")) == ns
    rest, nanos = divmod(ns, 1000)
    rest, micros = divmod(rest, 1000)
    rest, millis = divmod(rest, 1000)
    minutes, seconds = divmod(rest, 60)
    assert duration_ns(f"{minutes}m{seconds}s{millis}ms{micros}us{nanos}ns") == ns
    delta = timedelta(microseconds=ns // 1000)
    assert duration_ns(delta, zero=True) == ns // 1000 * 1000


@pytest.mark.parametrize(
    ("given", "ns"),
    [
        *(("10s", 10 * SECOND), ("5m", 300 * SECOND), ("1h", 3600 * SECOND)),
        *(("1d", 86400 * SECOND), ("1w", 604800 * SECOND), ("250ms", 250_000_000)),
        *(("10us", 10_000), ("10µs", 10_000), ("5ns", 5), ("1h30m", 5400 * SECOND)),
        *(("0.5s", 500_000_000), ("1h 30m", 5400 * SECOND), (pd.Timedelta("7ns"), 7)),
    ],
)
def test_durations(given, ns):
    assert duration_ns(given) == ns


@pytest.mark.parametrize(
    "given",
    [
        *("", "5", "5 parsecs", "1mo", "1y", "-5s", "5m!", "0.5ns", "0s", "9999999w", 0, -1),
        *(True, 1.5, None, timedelta(0), timedelta(-1), np.timedelta64("NaT"), pd.NaT),
        *(np.timedelta64(1, "M"), 2**63),
    ],
)
def test_durations_that_do_not_work(given):
    with pytest.raises(InvalidArgument, match=r"^every "):
        duration_ns(given)


def test_zero_only_where_it_means_something():
    assert duration_ns("0s", "tolerance", zero=True) == 0


def test_ranges():
    assert check_range("1970-01-01", 5) == (0, 5)
    assert check_range() == (None, None)
    assert check_range(5, 5) == (5, 5)
    with pytest.raises(InvalidArgument, match="start is later than end"):
        check_range("2024-01-02", "2024-01-01")
    with pytest.raises(InvalidArgument, match=r"^end "):
        check_range(0, "tomorrow")
