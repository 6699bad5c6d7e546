"""Gaps filled in each way, and windows that slide, by hand."""

import pytest

import kymograph as ky
from sql.world import SECOND

MINUTE = 60 * SECOND


@pytest.fixture
def db():
    """Host a has values in minutes 0, 2 and 5 (in 4 a row without), host b in 3."""
    with ky.open() as db:
        rows = [(0, "a", 10.0, 1), (2, "a", 20.0, 4), (4, "a", None, None), (5, "a", 50.0, 9)]
        for minute, host, v, n in [*rows, (3, "b", 7.0, 2)]:
            db.write(
                "t",
                {"time": [minute * MINUTE + SECOND], "host": [host], "v": [v], "n": [n]},
                tags="host",
            )
        yield db


def minutes(frame):
    """The rows with the time as a minute."""
    return [(row[0].minute, *row[1:]) for row in frame.rows()]


@pytest.mark.parametrize(
    ("way", "v", "n"),
    [
        ("null", [10, None, 20, None, None, 50], [1, None, 4, None, None, 9]),
        ("prev", [10, 10, 20, 20, 20, 50], [1, 1, 4, 4, 4, 9]),
        ("previous", [10, 10, 20, 20, 20, 50], [1, 1, 4, 4, 4, 9]),
        # 2.5 to the even whole number; 4, 5.67, 7.33, 9.
        ("linear", [10, 15, 20, 30, 40, 50], [1, 2, 4, 6, 7, 9]),
        ("0", [10, 0, 20, 0, 0, 50], [1, 0, 4, 0, 0, 9]),
        ("-1.0", [10, -1, 20, -1, -1, 50], [1, -1, 4, -1, -1, 9]),
        ("NULL", [10, None, 20, None, None, 50], [1, None, 4, None, None, 9]),
    ],
)
def test_one_way_for_all(db, way, v, n):
    for text in (
        f"SELECT avg(v) AS v, max(n) AS n FROM t WHERE host = 'a' SAMPLE BY 1m FILL({way})",
        f"SELECT avg(v) AS v, max(n) AS n FROM t WHERE host = 'a' GROUP BY 1m FILL({way})",
        f"SELECT time_bucket('1m', time) AS time, avg(v) AS v, max(n) AS n FROM t "
        f"WHERE host = 'a' GROUP BY time FILL({way})",
    ):
        got = db.sql(text)
        assert got.columns == ["time", "v", "n"]
        assert minutes(got) == list(zip(range(6), v, n, strict=True)), text


def test_none_adds_no_rows(db):
    got = db.sql("SELECT avg(v) AS v FROM t WHERE host = 'a' SAMPLE BY 1m FILL(none)")
    assert minutes(got) == [(0, 10.0), (2, 20.0), (4, None), (5, 50.0)]
    assert got.equals(db.sql("SELECT avg(v) AS v FROM t WHERE host = 'a' GROUP BY 1m"))


def test_one_way_an_aggregate(db):
    got = db.sql(
        "SELECT avg(v) AS a, min(v) AS b, max(v) AS c, sum(v) AS d, count(v) AS e FROM t "
        "WHERE host = 'a' SAMPLE BY 1m FILL(prev, linear, null, 3.5, null)"
    )
    assert minutes(got) == [
        (0, 10.0, 10.0, 10.0, 10.0, 1),
        (1, 10.0, 15.0, None, 3.5, 0),
        (2, 20.0, 20.0, 20.0, 20.0, 1),
        (3, 20.0, 30.0, None, 3.5, 0),
        (4, 20.0, 40.0, None, 3.5, 0),
        (5, 50.0, 50.0, 50.0, 50.0, 1),
    ]
    # Ways go by what is shown: one aggregate may be there twice.
    twice = "SELECT max(v) AS a, max(v) AS b, count(*) AS c FROM t WHERE host = 'a' "
    got = db.sql(twice + "SAMPLE BY 1m FILL(prev, linear, null)")
    assert got["a"].to_list() == [10, 10, 20, 20, 20, 50]
    assert got["b"].to_list() == [10, 15, 20, 30, 40, 50]
    assert got["c"].to_list() == [1, 0, 1, 0, 1, 1]
    with pytest.raises(ky.InvalidArgument, match="2 ways for 3 aggregates"):
        db.sql("SELECT avg(v), min(v), max(v) FROM t SAMPLE BY 1m FILL(prev, linear)")


def test_every_group_has_every_bucket_of_the_range(db):
    got = db.sql(
        "SELECT host, sum(v) AS v FROM t WHERE time >= '1970-01-01' AND "
        "time < '1970-01-01T00:07:00Z' SAMPLE BY 2m FILL(prev) ORDER BY host, time"
    )
    assert [(row[-2], row[-1]) for row in got.select("host", "v").rows()] == [
        ("a", 10.0),
        ("a", 20.0),
        ("a", 50.0),
        ("a", 50.0),
        ("b", None),
        ("b", 7.0),
        ("b", 7.0),
        ("b", 7.0),
    ]
    # Before the first and past the last value there is no line.
    got = db.sql(
        "SELECT sum(v) AS v FROM t WHERE host = 'b' AND time >= '1970-01-01' AND "
        "time < '1970-01-01T00:05:00Z' GROUP BY 1m FILL(linear)"
    )
    assert got["v"].to_list() == [None, None, None, 7.0, None]


def test_expressions_stand_over_filled_values(db):
    got = db.sql(
        "SELECT avg(v) * 2 AS double, coalesce(max(n), -1) AS n FROM t WHERE host = 'a' "
        "GROUP BY 1m FILL(linear) HAVING avg(v) < 45 ORDER BY time DESC LIMIT 2"
    )
    assert minutes(got) == [(4, 80.0, 7), (3, 60.0, 6)]


def test_what_fill_cannot_do(db):
    for text, why in [
        ("SELECT avg(v) FROM t GROUP BY host FILL(prev)", "needs buckets"),
        ("SELECT avg(v) FROM t GROUP BY 1m FILL(last)", "prev, linear, null, none or a number"),
        ("SELECT max(host) FROM t GROUP BY 1m FILL(linear)", "linear"),
        ("SELECT max(n) FROM t GROUP BY 1m FILL(1e300)", "1e300|cannot stand"),
    ]:
        with pytest.raises(ky.InvalidArgument, match=why):
            db.sql(text)


def test_windows_that_overlap(db):
    got = db.sql(
        "SELECT count(*) AS rows, sum(v) AS v, last(v) AS last FROM t WHERE host = 'a' "
        "GROUP BY 3m STEP 1m ORDER BY time"
    )
    # A window is there from the first that reaches a row on, called by its start.
    assert got["time"].cast(int).to_list() == [m * MINUTE for m in range(-2, 6)]
    assert [row[1:] for row in got.rows()] == [
        (1, 10.0, 10.0),
        (1, 10.0, 10.0),
        (2, 30.0, 20.0),
        (1, 20.0, 20.0),
        (2, 20.0, 20.0),
        (2, 50.0, 50.0),
        (2, 50.0, 50.0),
        (1, 50.0, 50.0),
    ]


def test_windows_with_times_between_them(db):
    got = db.sql("SELECT count(*) AS rows FROM t GROUP BY 1m STEP 3m, host ORDER BY time, host")
    assert minutes(got) == [(0, "a", 1), (3, "b", 1)]


def test_what_windows_cannot_be(db):
    for step, why in [("0m", "positive|0m"), ("1 month", "month|expected"), ("'1 month'", "month")]:
        with pytest.raises(ky.InvalidArgument, match=why):
            db.sql(f"SELECT count(*) FROM t GROUP BY 3m STEP {step}")
