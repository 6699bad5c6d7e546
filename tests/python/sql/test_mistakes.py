"""Errors point at the line and column, and say what was expected."""

import pytest

import kymograph as ky


@pytest.fixture(scope="module")
def db():
    with ky.open() as db:
        db.write(
            "cpu",
            {"time": [0], "host": ["a"], "usage": [1.0], "io": [1], "note": ["x"]},
            tags="host",
        )
        yield db


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("SELECT avg(usage FROM cpu", 1, 18, "expected"),
        ("SELECT usage\nFROM cpu\nWHERE usage >", 3, 14, "end"),
        ("SELECT usage\nFROM cpu\nWHERE usage > > 3", 3, 15, "expected"),
        ("SELECT usge FROM cpu", 1, 8, '"usage"'),
        ("SELECT usage,\n  hots FROM cpu", 2, 3, '"host"'),
        ("SELECT cpu.usge FROM cpu", 1, 12, '"usage"'),
        ("SELECT mem.usage FROM cpu", 1, 8, '"mem"'),
        ("SELECT usage, avg(io) FROM cpu GROUP BY host", 1, 8, "GROUP BY"),
        ("SELECT time, avg(io) FROM cpu GROUP BY host", 1, 8, "bucket"),
        ("SELECT max(avg(usage)) FROM cpu", 1, 12, "not within another"),
        ("SELECT usage FROM cpu WHERE max(usage) > 1", 1, 29, "aggregate"),
        ("SELECT 'abc", 1, 8, "nterminated"),
        ("SELECT avg(usage) FROM cpu GROUP BY 5x", 1, 37, "5x"),
        ("SELECT usage FROM cpu LIMIT -1", 1, 30, "whole number"),
        ("SELECT usage FROM", 1, 18, "end"),
        ("SELECT percentile(usage, 101) FROM cpu", 1, 8, "0 to 100"),
        ("SELECT stddev(usage, io, 3) FROM cpu", 1, 8, "1 arguments, got 3"),
        ("SELECT sum(*) FROM cpu", 1, 8, r"does not take \*"),
        ("SELECT avg(usage) FROM cpu GROUP BY 3", 1, 37, "position 3 of 1"),
        ("SELECT usage FROM cpu ORDER BY 2", 1, 32, "position 2 of 1"),
        ("SELECT *, avg(usage) FROM cpu GROUP BY host", 1, 8, "cannot stand"),
        ("SELECT date_trunc('fortnight', time), count(*) FROM cpu GROUP BY 1", 1, 8, "fortnight"),
        ("SELECT usage FROM cpu LATEST ON io PARTITION BY host", 1, 33, "takes time"),
        ("SELECT usage FROM cpu LATEST ON time PARTITION BY io", 1, 51, "takes tags"),
        ("SELECT TIMESTAMP 'yesterday' FROM cpu", 1, 18, "yesterday"),
        ("SELECT length('a', 'b') FROM cpu", 1, 8, "length"),
        ("SELEC usage FROM cpu", 1, 1, "SELEC"),
    ],
)
def test_a_mistake_is_pointed_at(db, text, line, column, what):
    with pytest.raises(ky.InvalidArgument, match=rf"line {line}, column {column}\b(.|\n)*{what}"):
        db.sql(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("   -- nothing\n", "empty"),
        ("SELECT usage FROM cpu; SELECT io FROM cpu", "one at a time"),
        ("DELETE FROM cpu", "SELECT, WITH"),
        ("INSERT INTO cpu VALUES (1)", "SELECT, WITH"),
        ("DROP TABLE cpu", "SELECT, WITH"),
        ("CREATE TABLE x (a INT)", "SELECT, WITH"),
        ("SELECT usage + note FROM cpu", "CAST"),
        ("SELECT usage FROM cpu WHERE usage", "condition|BOOLEAN"),
        ("SELECT usage FROM cpu WHERE note > 3", "meet|CAST|BIGINT"),
        ("SELECT avg(note) FROM cpu", "does not work on"),
        ("SELECT lower(usage) FROM cpu", "lower"),
        ("SELECT frobnicate(usage) FROM cpu", "frobnicate"),
        ("SELECT usage FROM cpu WHERE note ~ '('", r"regular expression|regex|pattern|\("),
        ("SELECT io FROM cpu WHERE time > 'tomorrow-ish'", "tomorrow-ish"),
        ("SELECT CAST(note AS BIGINT) FROM cpu", "'x'|\"x\""),
        ("SELECT 9223372036854775807 + io FROM cpu", "overflow"),
        ("SELECT (SELECT time, io FROM cpu) FROM cpu", "one column|2"),
    ],
)
def test_what_cannot_be_says_why(db, text, what):
    with pytest.raises(ky.InvalidArgument, match=what):
        db.sql(text)


def test_unknown_tables_name_the_nearest(db):
    with pytest.raises(ky.NotFound, match=r"line 1, column 19(.|\n)*cpus(.|\n)*\"cpu\""):
        db.sql("SELECT usage FROM cpus")
    with pytest.raises(ky.NotFound, match="cpus"):
        db.sql("DESCRIBE cpus")
    with pytest.raises(ky.NotFound, match="mem"):
        db.sql("SELECT cpu.usage FROM cpu JOIN mem ON cpu.host = mem.host")


def test_hostile_texts_end(db):
    for text in (
        f"SELECT {'(' * 5_000}1{')' * 5_000} FROM cpu",
        f"SELECT {'1 + ' * 100_000}1 FROM cpu",
        f"SELECT {'NOT ' * 50_000}true FROM cpu",
        f"SELECT {'CASE WHEN true THEN ' * 5_000}1{' END' * 5_000} FROM cpu",
        f"SELECT * FROM {'(SELECT * FROM ' * 3_000}cpu{')' * 3_000}",
        "SELECT " + "a" * 1_000_000,
        "SELECT \x00 FROM cpu",
    ):
        with pytest.raises(ky.KymographError):
            db.sql(text)


def test_bounds_hold(db):
    with pytest.raises(ky.LimitExceeded):
        db.sql("SELECT * FROM cpu", memory=1)
    with pytest.raises(ky.InvalidArgument, match="text of a query"):
        db.sql(b"SELECT 1")
    db_closed = ky.open()
    db_closed.close()
    with pytest.raises(ky.KymographError):
        db_closed.sql("SHOW TABLES")
