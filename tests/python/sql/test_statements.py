"""SHOW TABLES, DESCRIBE, the types and names of results, and the ways there are to write things."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import kymograph as ky

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def db():
    with ky.open() as db:
        db.write(
            "cpu",
            {
                "time": [START + timedelta(minutes=m) for m in range(4)],
                "host": ["a", "b", "a", None],
                "usage": [1.0, 2.0, 3.0, 4.0],
                "Peak": [5, 6, 7, 8],
                "up": [True, False, True, None],
                "note": ["x", "y", None, ""],
            },
            tags="host",
        )
        db.write("mem", {"time": [START], "used": [1]})
        yield db


def test_tables_and_columns(db):
    shown = db.sql("SHOW TABLES")
    assert shown.to_dict(as_series=False) == {"table": ["cpu", "mem"]}
    for text in ("DESCRIBE cpu", "describe CPU"):
        assert db.sql(text).rows() == [
            ("time", "time", "TIMESTAMP"),
            ("host", "tag", "VARCHAR"),
            ("usage", "field", "DOUBLE"),
            ("Peak", "field", "BIGINT"),
            ("up", "field", "BOOLEAN"),
            ("note", "field", "VARCHAR"),
        ]
    assert db.sql("DESCRIBE cpu").columns == ["column", "kind", "type"]
    with ky.open() as empty:
        assert empty.sql("SHOW TABLES").schema == {"table": pl.String}
        assert empty.sql("SHOW TABLES").is_empty()


def test_types_of_columns(db):
    time = pl.Datetime("ns", "UTC")
    frame = db.sql("SELECT * FROM cpu")
    assert frame.dtypes[:1] == [time]
    assert isinstance(frame.dtypes[1], pl.Categorical)
    assert frame.dtypes[2:] == [pl.Float64, pl.Int64, pl.Boolean, pl.String]
    assert frame.columns == ["time", "host", "usage", "Peak", "up", "note"]
    assert frame.equals(db.read("cpu"))
    for text in (
        "SELECT host, time FROM cpu WHERE usage > 1",
        "SELECT host, max(time) AS time FROM cpu GROUP BY host",
        "SELECT host, time_bucket('5m', time) AS time, avg(usage) FROM cpu GROUP BY ALL",
        "SELECT DISTINCT host, time FROM cpu",
        "SELECT host, time FROM cpu LATEST ON time PARTITION BY host",
        "SELECT host, time FROM cpu UNION ALL SELECT host, time FROM cpu",
        "SELECT host, time, row_number() OVER (ORDER BY time) AS nth FROM cpu",
        "WITH c AS (SELECT host, time FROM cpu) SELECT host, time FROM c",
        "SELECT host, time FROM cpu WHERE false",
    ):
        schema = db.sql(text).schema
        assert isinstance(schema["host"], pl.Categorical), text
        assert schema["time"] == time, text
    lengths = db.sql("SELECT time - TIMESTAMP '2024-01-01' AS age, upper(host) AS host FROM cpu")
    assert lengths.dtypes == [pl.Duration("ns"), pl.String]
    assert lengths["age"].to_list() == [timedelta(minutes=m) for m in (0, 2, 1, 3)] or sorted(
        lengths["age"].to_list()
    ) == [timedelta(minutes=m) for m in range(4)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT usage, PEAK, Usage + 1, usage AS u FROM cpu", ["usage", "Peak", "Usage + 1", "u"]),
        ('SELECT usage AS "two words", cpu.usage FROM cpu', ["two words", "usage"]),
        ("SELECT usage, usage FROM cpu", ["usage", "usage_1"]),
        ("SELECT * EXCLUDE (usage, note) FROM cpu", ["time", "host", "Peak", "up"]),
        ("SELECT c.* FROM cpu AS c", ["time", "host", "usage", "Peak", "up", "note"]),
        ("SELECT avg(usage) FROM cpu GROUP BY 5m, host", ["time", "host", "avg(usage)"]),
        ("SELECT host, avg(usage) FROM cpu SAMPLE BY 5m", ["time", "host", "avg(usage)"]),
        ("SELECT host, avg(usage) AS m, time FROM cpu GROUP BY 5m, host", ["host", "m", "time"]),
        ("SELECT count(*) FROM cpu", ["count(*)"]),
    ],
)
def test_names_of_columns(db, text, names):
    assert db.sql(text).columns == names


@pytest.mark.parametrize(
    "text",
    [
        "select USAGE from CPU where HOST = 'a' order by TIME",
        "SELECT usage FROM cpu WHERE host = 'a' ORDER BY time;",
        "SELECT usage -- the first\nFROM cpu /* of all */ WHERE host = 'a' ORDER BY time",
        'SELECT "usage" FROM "cpu" WHERE "host" = \'a\' ORDER BY "time"',
        "SELECT c.usage FROM cpu c WHERE c.host = 'a' ORDER BY c.time",
        "SELECT usage FROM cpu WHERE host IN ('a') ORDER BY 1 ASC NULLS LAST",
        "SELECT usage, FROM cpu WHERE 'a' = host ORDER BY usage",
        "(SELECT usage FROM cpu WHERE host = 'a' ORDER BY time)",
        "SELECT usage FROM cpu WHERE host = 'a' AND time < now() - 1h ORDER BY ALL",
        "SELECT usage FROM cpu WHERE host = 'a' AND time < current_timestamp ORDER BY time",
        "SELECT usage FROM cpu WHERE host = 'a' ORDER BY time LIMIT 1_000",
    ],
)
def test_ways_to_write_one_query(db, text):
    assert db.sql(text)["usage"].to_list() == [1.0, 3.0]


@pytest.mark.parametrize(
    "condition",
    [
        "time >= '2024-01-01T00:02:00Z'",
        "time >= '2024-01-01 00:02'",
        "time >= TIMESTAMP '2024-01-01 00:02:00'",
        "time >= '2024-01-01T01:02:00+01:00'",
        "time > '2024-01-01T00:01:59.999999999Z'",
        "time - INTERVAL '2 minutes' >= '2024-01-01'",
        "time - 2m >= DATE '2024-01-01'",
        "time - INTERVAL 2 MINUTE >= '2024-01-01'",
        "'2024-01-01T00:02:00Z' <= time",
        "time BETWEEN '2024-01-01T00:02:00Z' AND '2025-01-01'",
        "epoch(time) >= 1704067320",
        "time >= to_timestamp(1704067320)",
        "NOT time < '2024-01-01T00:02:00Z'",
    ],
)
def test_ways_to_write_times(db, condition):
    assert sorted(db.sql(f"SELECT usage FROM cpu WHERE {condition}")["usage"]) == [3.0, 4.0]


def test_now_is_one_moment(db):
    frame = db.sql("SELECT now() AS a, now() AS b, current_timestamp AS c FROM cpu")
    assert frame.select(pl.all().n_unique()).row(0) == (1, 1, 1)
    row = frame.row(0)
    assert row[0] == row[1] == row[2]
    assert abs(datetime.now(UTC) - row[0]) < timedelta(minutes=1)


def test_results_of_subqueries(db):
    above = "SELECT usage FROM cpu WHERE usage > (SELECT avg(usage) FROM cpu) ORDER BY usage"
    assert db.sql(above)["usage"].to_list() == [3.0, 4.0]
    listed = "SELECT count(*) FROM cpu WHERE host IN (SELECT host FROM cpu WHERE usage > 2)"
    assert db.sql(listed).item() == 2
    nothing = "SELECT count(*) FROM cpu WHERE usage > (SELECT usage FROM cpu WHERE false)"
    assert db.sql(nothing).item() == 0
    with pytest.raises(ky.InvalidArgument, match="4 rows"):
        db.sql("SELECT usage FROM cpu WHERE usage > (SELECT usage FROM cpu)")


def test_tables_whose_names_differ_by_case():
    with ky.open() as db:
        db.write("Cpu", {"time": [0], "v": [1]})
        db.write("cpu", {"time": [0], "v": [2]})
        assert db.sql("SELECT v FROM Cpu").item() == 1
        assert db.sql("SELECT v FROM cpu").item() == 2
        with pytest.raises(ky.KymographError, match="Cpu"):
            db.sql("SELECT v FROM CPU")


def test_a_table_without_rows():
    with ky.open() as db:
        db.create_table("t", tags="host", fields={"v": "f64"})
        assert db.sql("SELECT * FROM t").columns == ["time", "host", "v"]
        assert db.sql("SELECT count(*), avg(v), max(time) FROM t").row(0) == (0, None, None)
        assert db.sql("SELECT avg(v) FROM t GROUP BY 5m FILL(prev)").is_empty()
        assert db.sql("SELECT v FROM t LATEST ON time PARTITION BY host").is_empty()
        assert db.sql("SELECT v, lag(v) OVER (ORDER BY time) AS w FROM t").is_empty()
