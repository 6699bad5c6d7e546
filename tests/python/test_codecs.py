"""Encodings through the public API: bit for bit, forced, cold, told by stats, small."""

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

import kymograph as ky

NS = 1_000_000_000
FORCED = ("raw", "gorilla", "decimal", "scaled", "dictionary", "alp_rd", "pattern")
N = 5_000


def columns() -> dict[str, np.ndarray]:
    """What each encoding of doubles is made for, and what none is."""
    rng = np.random.default_rng(11)
    cents = np.round(np.cumsum(rng.normal(0, 1, N)) + 500, 2)
    hard = np.array(
        [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 2.0**53 + 1, 0.1]
    )
    nans = np.array([0x7FF0000000000001, 0x7FF8000000000000, 0xFFFFDEADBEEFCAFE], dtype=np.uint64)
    return {
        "cents": cents,
        "sum": np.round(rng.uniform(0, 100, N), 2) + np.round(rng.uniform(0, 9, N), 2),
        "average": np.round(rng.uniform(0, 100, (N, 5)), 1).mean(axis=1),
        "radians": np.radians(np.round(rng.uniform(0, 90, N), 2)),
        "few": rng.choice(np.sqrt(np.arange(50.0)), N),
        "real": rng.lognormal(0, 1, N),
        "hard": np.resize(np.concatenate([hard, nans.view(np.float64)]), N),
    }


def frame(**more: np.ndarray) -> dict[str, np.ndarray]:
    return {"time": np.arange(N, dtype=np.int64) * 10 * NS, **columns(), **more}


def bits(values: np.ndarray) -> list[int]:
    return values.view(np.uint64).tolist()


def assert_whole(db: ky.Database, table: str = "t") -> None:
    back = db.read_numpy(table)
    for name, values in columns().items():
        assert bits(np.ascontiguousarray(back[name])) == bits(values), name


def chosen(db: ky.Database, field: str, table: str = "t") -> set[str]:
    fields = db.stats().fields.filter(pl.col("table") == table, pl.col("field") == field)
    return {entry["codec"] for entry in fields["codecs"][0]}


def test_each_column_gets_the_codec_that_suits_it_and_comes_back():
    with ky.open() as db:
        db.write("t", frame())
        db.flush()
        assert_whole(db)
        assert chosen(db, "time") == {"regular"}
        assert chosen(db, "cents") == {"decimal"}
        assert chosen(db, "few") == {"dictionary"}
        assert chosen(db, "radians") == {"scaled"}
        assert chosen(db, "sum") == {"decimal"}
        assert chosen(db, "average") == {"scaled"}
        fields = {row["field"]: row for row in db.stats().fields.to_dicts()}
        assert fields["cents"]["codecs"][0]["detail"] == "2 decimals"
        assert fields["few"]["codecs"][0]["detail"] == "50 values"
        assert fields["sum"]["codecs"][0]["detail"] == "2 decimals and a rest"
        assert fields["cents"]["bits_per_value"] < 11
        assert fields["few"]["bits_per_value"] < 7.5
        assert fields["time"]["bits_per_value"] < 0.1


@pytest.mark.parametrize("codec", FORCED)
def test_a_forced_codec_is_used_and_loses_nothing(codec):
    with ky.open() as db:
        db.create_table("t", codec=codec)
        assert db.schema("t").codec == codec
        db.write("t", frame())
        db.flush()
        assert_whole(db)
        assert chosen(db, "cents") == {codec}
        db.compact()
        assert_whole(db)


def test_an_unknown_codec_lists_those_there_are():
    with ky.open() as db:
        with pytest.raises(ky.InvalidArgument, match=r'"zip".*"auto".*"pco".*"decimal"'):
            db.create_table("t", codec="zip")
        db.create_table("t")
        with pytest.raises(ky.InvalidArgument, match="alp_rd"):
            db.set_codec("t", "gorila")
        with pytest.raises(ky.NotFound):
            db.set_codec("nothing", "raw")
        with pytest.raises(ky.InvalidArgument, match="cold_after"):
            db.set_codec("t", cold_after="0s")
        assert db.tables() == ["t"]


def test_pco_makes_a_table_cold_when_it_is_compacted(tmp_path):
    with ky.open(tmp_path / "db.ky") as db:
        db.write("t", frame(n=np.arange(N) ** 2 % 1009))
        db.flush()
        before, answer = db.stats(), db.aggregate("t", {"cents": ["sum", "p95"]}, every="1h")
        assert "cold" not in str(before.fields["codecs"].to_list())
        db.set_codec("t", "pco")
        db.compact()
        after = db.stats()
        assert "cold" in str(after.fields["codecs"].to_list())
        assert after.bytes < before.bytes
        assert_whole(db)
        assert db.aggregate("t", {"cents": ["sum", "p95"]}, every="1h").equals(answer)
        assert db.check().damage == []
        version = db.stats().version
        assert db.compact() == version, "what is cold stays as it is"


def test_rows_become_cold_with_age(tmp_path):
    now = np.datetime64("now", "ns").astype(np.int64)
    old, new = frame(), frame()
    old["time"] = old["time"] + now - 90 * 86_400 * NS
    new["time"] = new["time"] + now - N * 10 * NS
    with ky.open(tmp_path / "db.ky") as db:
        db.create_table("old", cold_after="30d")
        db.create_table("new", cold_after="30d")
        db.write("old", old)
        db.write("new", new)
        db.compact()
        told = {
            table: str(db.stats().fields.filter(pl.col("table") == table)["codecs"].to_list())
            for table in ("old", "new")
        }
        assert "cold" in told["old"]
        assert "cold" not in told["new"]
        assert_whole(db, "old")
        assert_whole(db, "new")


def test_sums_of_decimals_are_exact():
    rng = np.random.default_rng(3)
    cents = rng.integers(-(10**7), 10**7, N)
    values = cents / 100
    with ky.open() as db:
        db.write("t", {"time": np.arange(N, dtype=np.int64) * NS, "v": values})
        db.flush()
        exact = float(Fraction(int(cents.sum()), 100))
        # Blocks of 1,024 rows are summed exactly, and five of them added.
        assert db.aggregate("t", {"v": "sum"})["v_sum"][0] == pytest.approx(exact, rel=1e-15)
        # A bucket that cuts blocks is summed as exactly.
        functions = ["sum", "std", "min", "max", "first", "last"]
        minutes = db.aggregate("t", {"v": functions}, every="1m")
        for row, start in zip(minutes.to_dicts(), range(0, N, 60), strict=True):
            own = cents[start : start + 60]
            if start // 1024 == (start + len(own) - 1) // 1024:
                assert row["v_sum"] == float(Fraction(int(own.sum()), 100))
            assert row["v_std"] == pytest.approx(np.std(own / 100, ddof=1), rel=1e-12)
            assert (row["v_min"], row["v_max"]) == (own.min() / 100, own.max() / 100)
            assert (row["v_first"], row["v_last"]) == (own[0] / 100, own[-1] / 100)


@pytest.mark.parametrize("nulls", [False, True])
def test_columns_with_nulls_keep_to_their_codecs(nulls):
    rng = np.random.default_rng(5)
    cents = pl.Series(np.round(np.cumsum(rng.normal(0, 1, N)), 2))
    if nulls:
        cents = pl.select(pl.when(pl.Series(rng.random(N) < 0.7)).then(cents)).to_series()
    rows = pl.DataFrame({"time": np.arange(N, dtype=np.int64) * NS, "v": cents})
    with ky.open() as db:
        db.write("t", rows)
        db.flush()
        assert db.read("t")["v"].equals(rows.filter(pl.col("v").is_not_null())["v"]) or (
            db.read("t")["v"].equals(rows["v"])
        )
        assert chosen(db, "v") == {"decimal"}
        told = db.aggregate("t", {"v": ["count", "sum", "std", "first", "last"]}).row(0, named=True)
        own = rows["v"].drop_nulls()
        assert told["v_count"] == len(own)
        assert told["v_sum"] == pytest.approx(own.sum(), rel=1e-12)
        assert told["v_std"] == pytest.approx(own.std(), rel=1e-12)
        assert (told["v_first"], told["v_last"]) == (own[0], own[-1])


def test_a_short_series_costs_little_beyond_its_values(tmp_path):
    series, points = 20_000, 20
    rng = np.random.default_rng(2)
    host = np.repeat([f"h{i:05d}" for i in range(series)], points)
    time = np.tile(np.arange(points, dtype=np.int64) * 10 * NS, series)
    values = np.round(rng.uniform(0, 100, series * points), 1)
    with ky.open(tmp_path / "db.ky") as db:
        db.write("t", pl.DataFrame({"time": time, "host": host, "v": values}), tags=["host"])
        db.flush()
        # Ten bits hold a value between 0 and 100 with one decimal, seven bytes regular times.
        overhead = db.stats().bytes / series - points * 10 / 8 - 7 - len("h00000")
    assert overhead <= 80, f"{overhead} bytes a series"


def test_strings_that_repeat_are_listed_once():
    words = np.array([f"job {i % 300:04d} on host-{i % 7}" for i in range(N)])
    with ky.open() as db:
        db.write("t", {"time": np.arange(N, dtype=np.int64) * NS, "s": words})
        db.flush()
        assert db.read("t")["s"].to_list() == words.tolist()
        assert chosen(db, "s") == {"strings"}
        fields = db.stats().fields.filter(pl.col("field") == "s")
        assert fields["codecs"][0][0]["detail"] == "2100 values"
        assert fields["bits_per_value"][0] < 20
