"""The demo: its data, its story, and what the command prints."""

import polars as pl
import pytest
from typer.testing import CliRunner

import kymograph as ky
from kymograph.cli import app
from kymograph.demo import csv_bytes, data, ec2, machine, network_and_disk, tell


def test_the_data_is_what_its_provenance_says():
    assert machine().height == 22_695
    counts = ec2().group_by("host").len()
    assert counts.height == 6
    assert counts["len"].is_between(4_020, 4_032).all()
    assert not ec2().select("time", "host").is_duplicated().any()
    assert network_and_disk().group_by("metric").len()["len"].to_list() == [4_718, 4_718]
    assert csv_bytes() > 1_600_000


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return tell(tmp_path_factory.mktemp("demo"))


def test_the_rows_are_there(story):
    assert story.tables == {
        "machine": 22_695,
        "ec2": ec2().height,
        "traffic": network_and_disk().height,
    }
    assert story.points == sum(story.tables.values())
    with ky.open(story.database, mode="r") as db:
        assert db.read("machine").height == 22_695


def test_the_failure_is_seen(story):
    start, end = (pl.lit(t).str.to_datetime("%Y-%m-%d") for t in data.FAILURE)
    expected = (
        machine()
        .filter(pl.col("time") >= start, pl.col("time") < end)
        .group_by(pl.col("time").dt.truncate("1d"))
        .agg(mean=pl.col("temperature").mean(), low=pl.col("temperature").min())
        .sort("time")
    )
    got = story.failure.sort("time")
    assert got["temperature_mean"].to_list() == pytest.approx(expected["mean"].to_list())
    assert got["temperature_min"].to_list() == expected["low"].to_list()
    assert got["temperature_mean"].arg_min() == 5  # February 8


def test_the_unlike_instance_agrees_with_polars(story):
    start, end = (pl.lit(t).str.to_datetime("%Y-%m-%dT%H:%M:%SZ") for t in data.TOGETHER)
    gaps = (
        ec2()
        .filter(pl.col("time") >= start, pl.col("time") < end)
        .with_columns(gap=(pl.col("cpu") - pl.col("cpu").median().over("time")).abs())
    )
    expected = gaps.group_by("host").agg(pl.col("gap").mean()).sort("gap", descending=True)
    assert story.anomalies["score"].to_list() == pytest.approx(expected["gap"].to_list())
    named = story.anomalies.select(pl.exclude("score", "count")).to_series()
    assert named.cast(pl.String).to_list() == expected["host"].to_list()


def test_the_correlation_agrees_with_polars(story):
    wide = network_and_disk().pivot(on="metric", index="time", values="value").drop_nulls()
    assert story.pairs == wide.height
    r = wide.select(pl.corr("network_in", "disk_write")).item()
    assert story.r == pytest.approx(r, abs=1e-9)
    assert 0.7 < r < 0.9


def test_it_is_smaller_than_raw(story):
    assert 0 < story.stored < 16 * story.points


def test_the_command_tells_it_and_leaves_the_charts(tmp_path):
    for _ in range(2):  # a second run leaves the first database alone
        result = CliRunner().invoke(app, ["demo", str(tmp_path)], catch_exceptions=False)
        assert result.exit_code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"demo.ky", "demo-2.ky", "kymograph-demo.html"}
    for expected in ("points/s", "smaller than raw", "2014-02-08", "825cc2", "Pearson r"):
        assert expected in result.output
    assert str(tmp_path / "kymograph-demo.html") in result.output
    page = (tmp_path / "kymograph-demo.html").read_text()
    assert "Machine temperature" in page
    assert "<script src" not in page
