"""Parameters of every type, and that they never become text of the query."""

import math
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

import kymograph as ky

TIMES = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(4)]
NASTY = [
    "'; DROP TABLE t; --",
    "a' OR '1' = '1",
    "a\\' OR 1 = 1 --",
    "\\' OR m > 0 --",
    "a''b",
    "\\",
    '"',
    "$host",
    "?",
    "/* */",
    "\x00",
    "a\nb",
    "''",
    "%",
    "é😀",
]


@pytest.fixture
def db():
    with ky.open() as db:
        db.write(
            "t",
            {
                "time": TIMES,
                "host": ["a", "b", "c", None],
                "v": [0.5, 1.5, math.nan, math.inf],
                "n": [1, 2, 3, None],
                "up": [True, False, None, True],
                "word": ["x", "it's", None, ""],
            },
            tags="host",
        )
        yield db


@pytest.mark.parametrize(
    ("condition", "value", "hours"),
    [
        ("n = {}", 2, [1]),
        ("n = {}", np.int32(2), [1]),
        ("n < {}", 2.5, [0, 1]),
        ("v < {}", np.float32(1), [0]),
        ("v = {}", math.inf, [3]),
        ("v = {}", math.nan, [2]),
        ("v > {}", -1.5e-300, [0, 1, 2, 3]),
        ("n > {}", -(2**63), [0, 1, 2]),
        ("n < {}", 2**63 - 1, [0, 1, 2]),
        ("up = {}", True, [0, 3]),
        ("up = {}", np.bool_(False), [1]),
        ("host = {}", "b", [1]),
        ("word = {}", "it's", [1]),
        ("word = {}", "", [3]),
        ("word LIKE {}", "%'%", [1]),
        ("word ~ {}", "^.$", [0]),
        ("n = {}", None, []),
        ("host IS NOT DISTINCT FROM {}", None, [3]),
        ("time >= {}", TIMES[2], [2, 3]),
        ("time >= {}", TIMES[2].astimezone(timezone(timedelta(hours=5))), [2, 3]),
        ("time >= {}", np.datetime64("2024-01-01T03", "ns"), [3]),
        ("time >= {}", date(2024, 1, 2), []),
        ("time < {}", date(2024, 1, 2), [0, 1, 2, 3]),
        ("time - TIMESTAMP '2024-01-01' > {}", timedelta(hours=1), [2, 3]),
        ("time + {} = '2024-01-01T02:30:00Z'", timedelta(minutes=90), [1]),
        ("time + {} = '2024-01-01T02:30:00Z'", timedelta(minutes=-30), [3]),
        ("time + {} = '2024-01-01T02:30:00Z'", np.timedelta64(30, "m"), [2]),
        ("host IN {}", ["a", "c"], [0, 2]),
        ("host IN ({})", ("a", "c"), [0, 2]),
        ("host NOT IN ({})", {"a"}, [1, 2]),
        ("n IN ({})", np.array([1, 3]), [0, 2]),
        ("n IN {}", pl.Series([2, None]), [1]),
        ("host IN ({})", [], []),
        ("n + {} > 2", 1, [1, 2]),
        ("n - {} > 2", -1, [1, 2]),
        ("-{} < n", 2, [0, 1, 2]),
    ],
)
def test_every_type(db, condition, value, hours):
    for mark, params in (
        ("?", [value]),
        ("$x", {"x": value}),
        ("$1", [value]),
        ("$x", {"$x": value}),
    ):
        text = f"SELECT hour(time) AS h FROM t WHERE {condition.format(mark)} ORDER BY h"
        assert db.sql(text, params)["h"].to_list() == hours, text


def test_they_come_back_as_they_went_in(db):
    values = {
        "text": "it's",
        "whole": -7,
        "double": 2.0,
        "yes": True,
        "at": TIMES[1],
        "length": timedelta(seconds=90),
    }
    shown = ", ".join(f"${name} AS {name}" for name in values)
    frame = db.sql(f"SELECT {shown} FROM t LIMIT 1", values)
    assert frame.rows(named=True) == [values]
    assert frame.dtypes[1:4] == [pl.Int64, pl.Float64, pl.Boolean]


@pytest.mark.parametrize("text", NASTY)
def test_text_is_never_read_as_sql(db, text):
    asked = "SELECT host, $text AS back FROM t WHERE host = $text OR host = 'a'"
    assert db.sql(asked, {"text": text}).select(pl.col("host").cast(str), "back").rows() == [
        ("a", text)
    ]
    assert db.sql("SELECT count(*) FROM t WHERE host IN (?)", [[text, text]]).item() == 0
    assert db.tables() == ["t"]
    # Where Polars has a part in it, too.
    both = (
        "SELECT host, n FROM t WHERE word = $text UNION ALL SELECT host, n FROM t WHERE host = 'a'"
    )
    assert db.sql(both, {"text": text}).height == 1
    within = "SELECT h FROM (SELECT host AS h, max(n) AS m FROM t GROUP BY host) s WHERE h = $text"
    assert db.sql(within, {"text": text}).is_empty()
    window = "SELECT $text AS back, row_number() OVER (ORDER BY time) AS nth FROM t"
    assert db.sql(window, {"text": text})["back"].to_list() == [text] * 4


def test_limits_and_constants_of_functions(db):
    assert db.sql("SELECT n FROM t ORDER BY time LIMIT ? OFFSET ?", [2, 1])["n"].to_list() == [2, 3]
    got = db.sql("SELECT percentile(n, $p) FROM t", {"p": 50}).item()
    assert got == 2.0
    buckets = "SELECT count(*) AS rows FROM t GROUP BY time_bucket($width, time) ORDER BY rows"
    for width in ("2h", timedelta(hours=2)):
        assert db.sql(buckets, {"width": width})["rows"].to_list() == [2, 2]


def test_one_parameter_in_several_places(db):
    text = "SELECT n + $x AS a, n * $x AS b FROM t WHERE n >= $x ORDER BY n"
    assert db.sql(text, {"x": 2}).rows() == [(4, 4), (5, 6)]
    assert db.sql("SELECT n FROM t WHERE n = $1 OR n = $2 + $1 ORDER BY n", [1, 2])[
        "n"
    ].to_list() == [
        1,
        3,
    ]


@pytest.mark.parametrize(
    ("text", "params", "why"),
    [
        ("SELECT n FROM t WHERE n = ?", None, "column 27.*params="),
        ("SELECT n FROM t WHERE n = $x", None, 'column 27.*"x": '),
        ("SELECT n FROM t WHERE n = ? AND n = ?", [1], "column 37.*params has 1"),
        ("SELECT n FROM t WHERE n = $hots", {"host": 1}, 'column 27.*nearest.*"host"'),
        ("SELECT n FROM t WHERE n = ?", {"x": 1}, "as a list"),
        ("SELECT n FROM t WHERE n = $x", [1], "is a name"),
        ("SELECT n FROM t", [1], "does not name"),
        ("SELECT n FROM t WHERE n = $a", {"a": 1, "b": 2}, '"b".*does not name'),
        ("SELECT n FROM t WHERE n = ?", "a", "list for"),
        ("SELECT n FROM t WHERE n = ?", [2**63], "64 bits"),
        ("SELECT n FROM t WHERE n = ?", [object()], "cannot be a parameter"),
        ("SELECT n FROM t WHERE n = ?", [b"a"], "cannot be a parameter"),
        ("SELECT n FROM t WHERE n IN (?)", [[1, [2]]], "cannot be a parameter"),
        ("SELECT n FROM t WHERE n = $x", {1: 2}, "names of params"),
        ("SELECT n FROM t ORDER BY n LIMIT ?", ["2; DROP"], "whole number"),
    ],
)
def test_what_parameters_cannot_be(db, text, params, why):
    with pytest.raises(ky.InvalidArgument, match=why):
        db.sql(text, params)
