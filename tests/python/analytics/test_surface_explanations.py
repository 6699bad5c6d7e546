"""What stands beside an anomaly is told: related fields that moved, events shortly before."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import kymograph as ky

START = datetime(2026, 1, 1, tzinfo=UTC)
SPIKE = 150


@pytest.fixture(scope="module")
def db():
    times = [START + timedelta(minutes=at) for at in range(200)]
    random = np.random.default_rng(3)
    frames = []
    for host in "ab":
        noise = random.normal(size=(3, 200))
        noise[0, SPIKE] += 30
        noise[1, SPIKE] -= 20
        frames.append(
            pl.DataFrame(
                {"time": times, "host": host, "rate": noise[0], "io": noise[1]}
            ).with_columns(calm=pl.Series(noise[2]))
        )
    events = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=SPIKE - ago) for ago in (90, 20, 5, 3, -1)],
            "host": [None, "a", "b", None, None],
            "what": ["old", "deploy of a", "deploy of b", "failover", "later"],
        }
    )
    with ky.open() as db:
        db.write("http", pl.concat(frames), tags=["host"])
        db.write("events", events, tags=["host"])
        yield db


def why(found):
    spike = found.filter(pl.col("time") == START + timedelta(minutes=SPIKE))
    return dict(spike.select(pl.col("host").cast(pl.String), "explanation").iter_rows())


def test_related_fields_that_moved_are_told(db):
    told = why(db.detect("http", "rate", method="mad", related=["io", "calm"]))
    for host in "ab":
        assert "; io fell with it by " in told[host]
        assert "calm" not in told[host]
    plain = db.detect("http", "rate", method="mad")
    both = db.detect("http", "rate", method="mad", related=["io"])
    assert plain.drop("explanation").equals(both.drop("explanation"))
    # Where the spike is not, nothing moved: the other explanations are as they were.
    calm = pl.col("time") != START + timedelta(minutes=SPIKE)
    moved = both.filter(calm, pl.col("explanation").str.contains("with it"))
    assert moved.height <= 2


def test_events_of_the_series_are_told_the_latest_first(db):
    told = why(db.detect("http", "rate", method="mad", events=("events", "what")))
    assert told["a"].endswith("; 3m before: failover (events); 20m before: deploy of a (events)"), (
        told
    )
    assert told["b"].endswith("; 3m before: failover (events); 5m before: deploy of b (events)"), (
        told
    )
    options = {"events": ("events", "what"), "events_within": "4m"}
    told = why(db.detect("http", "rate", method="mad", **options))
    assert told["a"].endswith("; 3m before: failover (events)")
    assert "deploy" not in told["b"]


def test_events_without_text_are_told_by_their_tags(db):
    told = why(db.detect("http", "rate", method="mad", events="events"))
    assert told["a"].endswith("; 3m before: events; 20m before: host a (events)"), told


def test_sql_tells_them_too(db):
    text = """
        SELECT * FROM detect(http, rate, method => mad, related => [io], events => events)
        WHERE anomaly
    """
    wanted = db.detect("http", "rate", method="mad", related="io", events="events")
    assert db.sql(text).equals(wanted.filter("anomaly"))
    begin = START + timedelta(minutes=SPIKE - 1)
    since = db.sql(
        "SELECT * FROM detect(http, rate, method => mad, events => events, start => $t)",
        {"t": begin - timedelta(minutes=60)},
    )
    # Events before the range are told as well.
    assert why(since)["a"].endswith("20m before: host a (events)")


def test_only_anomalies_are_explained(db):
    with pytest.raises(ky.InvalidArgument, match="explain anomalies of detect"):
        db._analyze(
            "seasons", "http", "rate", None, None, None, None, {}, besides=(["io"], None, None)
        )
    with pytest.raises(ky.NotFound, match="events"):
        db.detect("http", "rate", events="event")
    with pytest.raises(ky.InvalidArgument, match="no text"):
        db.detect("http", "rate", method="mad", events=("http", "io"))
    with pytest.raises(ky.NotFound, match="calm"):
        db.detect("http", "rate", method="mad", related="clam")
