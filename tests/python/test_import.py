"""Importing files: what is guessed, what is converted, what is refused and where."""

import gzip
import json

import polars as pl
import pytest
from typer.testing import CliRunner

import kymograph as ky
from kymograph._core import InvalidArgument
from kymograph.cli import app
from kymograph.cli.convert import FORMATS, convert, text_to_time
from kymograph.cli.files import expand, format_of
from kymograph.cli.guess import guess, infer

CSV = "timestamp,host,usage,n,note\n" + "".join(
    f"2024-01-01 00:{m:02}:00,h{m % 2},{m + 0.5},{m},text {m}\n" for m in range(50)
)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def read(path, table="t", **options):
    with ky.open(path, mode="r") as db:
        return db.read(table, **options)


def test_a_csv_is_understood(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    result = run("import", tmp_path / "db", "t", tmp_path / "a.csv")
    assert "timestamp (text)" in result.output
    assert "host" in result.output
    assert "usage f64, n i64, note string" in result.output
    assert "50 rows (150 points)" in result.output
    rows = read(tmp_path / "db").sort("time")
    assert rows["usage"].to_list() == [m + 0.5 for m in range(50)]
    assert rows["n"].to_list() == list(range(50))
    assert rows["note"].to_list() == [f"text {m}" for m in range(50)]
    stamps = rows["time"].cast(pl.Datetime("ns")).to_physical().to_list()
    assert stamps == [1_704_067_200_000_000_000 + m * 60 * 10**9 for m in range(50)]
    with ky.open(tmp_path / "db", mode="r") as db:
        assert db.schema("t").tags == ["host"]


@pytest.mark.parametrize(
    "form", ["parquet", "arrow", "feather", "ndjson", "jsonl", "csv.gz", "tsv"]
)
def test_every_format_carries_the_same_rows(tmp_path, form):
    frame = pl.read_csv(CSV.encode(), try_parse_dates=True)
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        frame.write_parquet(path)
    elif form in {"arrow", "feather"}:
        frame.write_ipc(path)
    elif form in {"ndjson", "jsonl"}:
        frame.write_ndjson(path)
    elif form == "tsv":
        path.write_text(CSV.replace(",", "\t"))
    else:
        path.write_bytes(gzip.compress(CSV.encode()))
    run("import", tmp_path / "db", "t", path, "--batch-rows", 7)
    rows = read(tmp_path / "db").sort("time")
    assert rows["usage"].to_list() == [m + 0.5 for m in range(50)]
    assert rows["host"].cast(pl.String).to_list() == [f"h{m % 2}" for m in range(50)]
    first = rows["time"].cast(pl.Datetime("ns")).to_physical()[0]
    assert first == 1_704_067_200_000_000_000


def test_quoted_patterns_and_tables_that_exist(tmp_path):
    (tmp_path / "a.csv").write_text("time,host,usage\n1700000000,a,1\n")
    (tmp_path / "b.csv").write_text("time,host,usage\n1700000060,b,2.5\n")
    with ky.open(tmp_path / "db") as db:
        db.create_table("t", tags=["host"], fields={"usage": "f64"})
    result = run("import", tmp_path / "db", "t", str(tmp_path / "*.csv"))
    assert "s since 1970" in result.output
    assert "2 files" in result.output
    assert read(tmp_path / "db").sort("time")["usage"].to_list() == [1.0, 2.5]


def test_whole_numbers_in_one_file_and_fractions_in_the_next(tmp_path):
    (tmp_path / "a.csv").write_text("time,host,usage\n1700000000,a,1\n")
    (tmp_path / "b.csv").write_text("time,host,usage\n1700000060,b,2.5\n")
    run("import", tmp_path / "db", "t", str(tmp_path / "*.csv"))
    assert read(tmp_path / "db").sort("time")["usage"].to_list() == [1.0, 2.5]


def test_a_narrow_stream(tmp_path):
    (tmp_path / "e.csv").write_text(
        "ts,node,metric,value\n1700000000000,a,cpu,1.5\n1700000000001,a,mem,7\n"
    )
    run("import", tmp_path / "db", "t", tmp_path / "e.csv", "--events", "metric", "value")
    with ky.open(tmp_path / "db", mode="r") as db:
        assert set(db.schema("t").fields) == {"cpu", "mem"}
        assert db.schema("t").tags == ["node"]
        assert db.read("t", fields=["mem"])["mem"].drop_nulls().to_list() == [7.0]


def test_a_bad_cell_stops_with_its_place_or_is_skipped(tmp_path):
    lines = CSV.splitlines()
    lines[20] = lines[20].replace("19.5", "oops")
    lines[30] = lines[30].replace("2024-01-01 00:29:00", "yesterday")
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(InvalidArgument, match=r"a\.csv: row 20: usage is 'oops'"):
        run("import", tmp_path / "db", "t", tmp_path / "a.csv")
    result = run("import", tmp_path / "db2", "t", tmp_path / "a.csv", "--on-error", "skip")
    assert "48 rows" in result.output
    assert "2 skipped" in result.output
    assert read(tmp_path / "db2").height == 48


def test_options_override_what_is_guessed(tmp_path):
    (tmp_path / "a.csv").write_text("when,id,x\n1700000000,7,1\n1700000001,8,2\n")
    run(
        *("import", tmp_path / "db", "t", tmp_path / "a.csv", "--time", "when", "--tag", "id"),
        *("--field", "x=f64", "--time-unit", "ms", "--format", "csv"),
    )
    rows = read(tmp_path / "db").sort("time")
    assert rows["id"].cast(pl.String).to_list() == ["7", "8"]
    assert rows["x"].dtype == pl.Float64
    assert rows["time"].cast(pl.Datetime("ns")).to_physical()[0] == 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2024-01-01T00:00:00", 0),
        ("2024-01-01 00:00:00.123456789", 123_456_789),
        ("2024-01-01T00:00:00Z", 0),
        ("2024-01-01T02:00:00+02:00", 0),
        ("2024-01-01 02:00:00.5 +0200", 500_000_000),
        ("2024-01-01 00:00:00 UTC", 0),
        ("2024-01-01T01:00+01", 0),
        ("2024-01-01 00:01", 60 * 10**9),
        ("2024/01/01 00:00:01", 10**9),
        ("2024-01-01", 0),
        (" 2024-01-01 ", 0),
    ],
)
def test_times_in_text(text, ns):
    base = 1_704_067_200_000_000_000
    column = pl.DataFrame({"x": [text, "x", None]}).select(text_to_time(pl.col("x"), FORMATS))
    assert column["x"].to_physical().to_list() == [base + ns, None, None]


@pytest.mark.parametrize(
    ("stamp", "unit", "ns"),
    [
        (1_700_000_000, "s", 1_700_000_000 * 10**9),
        (1_700_000_000_123, "ms", 1_700_000_000_123 * 10**6),
        (1_700_000_000_123_456, "us", 1_700_000_000_123_456_000),
        (1_700_000_000_123_456_789, "ns", 1_700_000_000_123_456_789),
        (1_700_000_000.25, "s", 1_700_000_000_250_000_000),
        ("1700000000.25", "s", 1_700_000_000_250_000_000),
        ("1700000000123456789", "ns", 1_700_000_000_123_456_789),
    ],
)
def test_numeric_times(stamp, unit, ns):
    frame = pl.DataFrame({"ts": [stamp], "x": [1.0]})
    plan = guess(frame)
    assert plan.how == unit
    rows, bad = convert(frame, plan)
    assert not bad.any()
    assert rows["ts"].cast(pl.Datetime("ns")).to_physical().to_list() == [ns]


def test_formats_that_the_sample_did_not_show_still_work():
    plan = guess(pl.DataFrame({"time": ["2024-01-01T00:00:00"], "x": ["1"]}))
    rows, bad = convert(pl.DataFrame({"time": ["2024-01-01T01:00:00+01:00"], "x": ["2"]}), plan)
    assert not bad.any()
    assert rows["time"].to_physical().to_list() == [1_704_067_200_000_000_000]


def test_what_text_is():
    assert infer(pl.Series(["1", "2", None])).dtype == pl.Int64
    assert infer(pl.Series(["1", "2.5", "NA"])).to_list() == [1.0, 2.5, None]
    assert infer(pl.Series(["True", "false"])).to_list() == [True, False]
    assert infer(pl.Series(["007", "008"])).dtype == pl.String
    assert infer(pl.Series(["1", "x"])).dtype == pl.String
    assert infer(pl.Series([str(2**64)])).dtype == pl.Float64


def test_columns_without_a_field_type_are_left_out_and_said():
    frame = pl.DataFrame(
        {
            "time": pl.Series([0], dtype=pl.Datetime("us")),
            "list": [[1]],
            "until": pl.Series([1], dtype=pl.Datetime("ms")),
            "level": pl.Series(["a"], dtype=pl.Categorical),
        }
    )
    plan = guess(frame)
    assert plan.dropped == ("list",)
    assert any("list" in line for line in plan.lines())
    assert plan.tags == ("level",)
    assert convert(frame, plan)[0]["until"].to_list() == [1_000_000]


def test_names_that_do_not_exist(tmp_path):
    frame = pl.DataFrame({"x": [1.5], "y": ["a"]})
    with pytest.raises(InvalidArgument, match="--time"):
        guess(frame)
    with pytest.raises(InvalidArgument, match="--time names no column"):
        guess(frame, time="z")
    with pytest.raises(InvalidArgument, match="--tag names no column"):
        guess(frame, tags=["z"])
    with pytest.raises(InvalidArgument, match="no file"):
        expand([str(tmp_path / "*.csv")])
    (tmp_path / "x.dat").write_text("")
    with pytest.raises(InvalidArgument, match="--format"):
        format_of(tmp_path / "x.dat")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("time,x\n", "no rows"),
        ("time,x\n1700000000,1\n1700000001,2,3\n", "more fields"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_leaves_no_database(tmp_path, text, says):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InvalidArgument, match=rf"(?i)a\.csv: .*{says}"):
        run("import", tmp_path / "db", "t", tmp_path / "a.csv")
    assert not (tmp_path / "db").exists()


def test_a_file_without_a_tag_of_the_table_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("time,x\n1700000000,1\n")
    with ky.open(tmp_path / "db") as db:
        db.create_table("t", tags=["host"], fields={"x": "f64"})
    with pytest.raises(InvalidArgument, match=r"a\.csv has no column 'host', a tag"):
        run("import", tmp_path / "db", "t", tmp_path / "a.csv")


def test_a_later_file_without_a_column_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("time,x\n1700000000,1\n")
    (tmp_path / "b.ndjson").write_text(json.dumps({"time": 1700000000, "y": 1}) + "\n")
    with pytest.raises(InvalidArgument, match=r"b\.ndjson has no column 'x'"):
        run("import", tmp_path / "db", "t", tmp_path / "a.csv", tmp_path / "b.ndjson")
