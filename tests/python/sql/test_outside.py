"""What Polars finishes: its constants are those of the language, its answers by hand."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import kymograph as ky

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(*minutes):
    """Times so many minutes after the start."""
    return [START + timedelta(minutes=minute) for minute in minutes]


@pytest.fixture(scope="module")
def db():
    with ky.open() as db:
        db.write(
            "trades",
            {"time": at(1, 3, 3, 9), "host": ["a", "a", "b", None], "n": [1, 2, 3, 4]},
            tags="host",
        )
        db.write(
            "quotes",
            {"time": at(0, 3, 4, 0), "host": ["a", "a", "b", "c"], "price": [1.5, 2.5, 3.5, 4.5]},
            tags="host",
        )
        yield db


@pytest.mark.parametrize(
    ("constant", "dtype", "value"),
    [
        ("2.5", pl.Float64, 2.5),
        ("-2.5", pl.Float64, -2.5),
        ("1e300", pl.Float64, 1e300),
        ("-(-51.68447)", pl.Float64, 51.68447),
        ("2", pl.Int64, 2),
        ("-2", pl.Int64, -2),
        ("abs(-2.5)", pl.Float64, 2.5),
        ("epoch(TIMESTAMP '2024-01-01' - TIMESTAMP '2024-01-02')", pl.Float64, -86400.0),
        ("TIMESTAMP '2024-01-01'", pl.Datetime("ns", "UTC"), START),
        ("date_trunc('hour', TIMESTAMP '2024-01-01T00:59:00Z')", pl.Datetime("ns", "UTC"), START),
        ("INTERVAL '90 seconds'", pl.Duration("ns"), timedelta(seconds=90)),
        ("'text'", pl.String, "text"),
        ("true", pl.Boolean, True),
        ("1 = 2", pl.Boolean, False),
    ],
)
def test_constants_are_of_their_type(db, constant, dtype, value):
    native = db.sql(f"SELECT {constant} AS c FROM trades WHERE n = 1")
    assert (native.dtypes, native.item()) == ([dtype], value)
    for text in (
        f"SELECT {constant} AS c, row_number() OVER (ORDER BY time) AS i FROM trades",
        f"SELECT max({constant} + n * 0) AS c, n % 2 AS i FROM trades GROUP BY i"
        if dtype == pl.Int64
        else f"SELECT max({constant}) AS c, n % 2 AS i FROM trades GROUP BY i",
        f"SELECT {constant} AS c FROM trades UNION ALL SELECT {constant} AS c FROM quotes",
    ):
        found = db.sql(text)["c"]
        assert (found.dtype, found.unique().to_list()) == (dtype, [value]), text


def test_null_is_null_there_too(db):
    nothing = "strpos(CASE WHEN false THEN 'a' END, '0')"
    got = db.sql(f"SELECT n % 2 AS i, avg({nothing}) AS c FROM trades GROUP BY i")
    assert got["c"].to_list() == [None, None]


def test_names_are_of_any_case_there_too(db):
    text = (
        "SELECT PRICE, LAG(Price) OVER (ORDER BY TIME, price) AS before FROM QUOTES ORDER BY Price"
    )
    assert db.sql(text)["before"].to_list() == [None, 4.5, 2.5, 1.5]
    text = "WITH c AS (SELECT host, PRICE FROM quotes) SELECT max(Price) AS m FROM C"
    assert db.sql(text).item() == 4.5


def test_first_and_last_of_any_groups_are_by_time(db):
    text = "SELECT price > 2 AS dear, first(price) AS f, last(price) AS l FROM quotes GROUP BY dear"
    assert sorted(db.sql(text).rows()) == [(False, 1.5, 1.5), (True, 4.5, 3.5)]


def test_joins(db):
    text = (
        "SELECT t.host, t.n, q.price FROM trades t {} quotes q "
        "ON t.host = q.host AND t.time = q.time ORDER BY t.n"
    )

    def rows(kind):
        return db.sql(text.format(kind)).cast({"host": pl.String}).rows()

    assert rows("JOIN") == [("a", 2, 2.5)]
    assert rows("LEFT JOIN") == [("a", 1, None), ("a", 2, 2.5), ("b", 3, None), (None, 4, None)]
    using = "SELECT n, price FROM trades JOIN quotes USING (host) ORDER BY n, price"
    assert db.sql(using).rows() == [(1, 1.5), (1, 2.5), (2, 1.5), (2, 2.5), (3, 3.5)]


def test_asof_joins(db):
    text = (
        "SELECT t.n, q.price FROM trades t ASOF {} quotes q "
        "ON t.host = q.host AND t.time {} q.time ORDER BY t.n"
    )
    assert db.sql(text.format("JOIN", ">=")).rows() == [(1, 1.5), (2, 2.5)]
    assert db.sql(text.format("JOIN", ">")).rows() == [(1, 1.5), (2, 1.5)]
    left = [(1, 1.5), (2, 2.5), (3, None), (4, None)]
    assert db.sql(text.format("LEFT JOIN", ">=")).rows() == left


def test_windows(db):
    got = db.sql(
        "SELECT n, lag(n) OVER (ORDER BY time, n) AS before, "
        "sum(n) OVER (ORDER BY time, n) AS total, "
        "row_number() OVER (PARTITION BY host ORDER BY time) AS nth, "
        "n - avg(n) OVER (PARTITION BY host) AS off FROM trades ORDER BY n"
    )
    assert got.rows() == [
        (1, None, 1, 1, -0.5),
        (2, 1, 3, 2, 0.5),
        (3, 2, 6, 1, 0.0),
        (4, 3, 10, 1, 0.0),
    ]


def test_set_operations_and_common_tables(db):
    hosts = "SELECT host FROM trades {} SELECT host FROM quotes"

    def found(kind):
        return sorted(db.sql(hosts.format(kind))["host"].cast(pl.String).to_list(), key=str)

    assert found("UNION") == [None, "a", "b", "c"]
    assert found("UNION ALL") == [None, "a", "a", "a", "a", "b", "b", "c"]
    assert found("EXCEPT") == [None]
    assert found("INTERSECT") == ["a", "b"]
    text = (
        "WITH per AS (SELECT host, sum(n) AS n FROM trades GROUP BY host), "
        "best AS (SELECT max(n) AS n FROM per) "
        "SELECT per.n FROM per JOIN best ON per.n = best.n"
    )
    assert db.sql(text).item() == 4


def test_order_and_limit_stand_over_all_of_it(db):
    text = "SELECT n AS v FROM trades UNION ALL SELECT price AS v FROM quotes"
    assert db.sql(f"{text} ORDER BY v DESC LIMIT 3 OFFSET 1")["v"].to_list() == [4.0, 3.5, 3.0]
    # Nulls come last either way.
    text = "SELECT host, row_number() OVER (ORDER BY n) AS i FROM trades ORDER BY host"
    for way in ("", " DESC"):
        assert db.sql(text + way)["host"].to_list()[-1] is None, way


def test_what_polars_cannot_run_is_said(db):
    with pytest.raises(ky.InvalidArgument, match="Polars, to which the query goes for a window"):
        db.sql("SELECT frobnicate(n) OVER (ORDER BY time) FROM trades")
