"""The command line as a shell sees it: output, errors of one line, exit codes."""

import json
import subprocess
import sys

import polars as pl
import pytest

import kymograph as ky
from kymograph.cli.aggregate import parse_functions, parse_where


def kymograph(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from kymograph.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def path(tmp_path):
    with ky.open(tmp_path / "m.ky") as db:
        hour = 3600 * 10**9
        times = [h * hour for h in range(48)] * 2
        db.write(
            "cpu",
            {
                "time": pl.from_epoch(pl.Series(times, dtype=pl.Int64), "ns"),
                "host": ["a"] * 48 + ["b"] * 48,
                "usage": [float(v) for v in range(96)],
            },
            tags=["host"],
        )
    return tmp_path / "m.ky"


def test_aggregates_as_csv_json_and_table(path):
    ask = ("aggregate", path, "cpu", "usage:mean,max", "--every", "1d", "--by", "host")
    csv = kymograph(*ask, "--format", "csv")
    assert csv.returncode == 0, csv.stderr
    frame = pl.read_csv(csv.stdout.encode()).sort("host", "time")
    assert frame["usage_mean"].to_list() == [11.5, 35.5, 59.5, 83.5]
    assert frame["usage_max"].to_list() == [23.0, 47.0, 71.0, 95.0]
    rows = json.loads(kymograph(*ask, "--where", "host=b", "--format", "json").stdout)
    assert [row["usage_mean"] for row in rows] == [59.5, 83.5]
    ranged = kymograph(*ask, "--start", "1970-01-02", "--end", "1970-01-03", "--format", "csv")
    assert len(ranged.stdout.splitlines()) == 3
    table = kymograph(*ask, "--limit", 1)
    assert "usage_mean" in table.stdout
    assert len(table.stdout.strip().splitlines()) == 2


def test_info_check_and_compact(path):
    info = kymograph("info", path)
    assert info.returncode == 0, info.stderr
    assert "96 points" in info.stdout
    assert "usage f64" in info.stdout
    check = kymograph("check", path)
    assert (check.returncode, check.stdout[:5]) == (0, "sound"), check.stderr
    compact = kymograph("compact", path)
    assert compact.returncode == 0, compact.stderr
    assert "→" in compact.stdout


def test_damage_is_named_with_exit_code_1(path):
    segments = [p for p in path.rglob("*.seg") if p.stat().st_size > 200]
    target = max(segments, key=lambda p: p.stat().st_size)
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 0xFF
    target.write_bytes(data)
    check = kymograph("check", path)
    assert check.returncode == 1, (check.stdout, check.stderr)
    assert target.name in check.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("aggregate", "DB", "cpuu", "usage:mean"), "cpuu"),
        (("aggregate", "DB", "cpu", "usge:mean"), "usge"),
        (("aggregate", "DB", "cpu", "usage:mean", "--every", "1parsec"), "every"),
        (("aggregate", "DB", "cpu", ":mean"), "FIELD:FUNCTION"),
        (("aggregate", "DB", "cpu", "usage:mean", "--where", "host"), "TAG=VALUE"),
        (("aggregate", "nowhere", "cpu", "usage:mean"), "nowhere"),
        (("info", "nowhere"), "nowhere"),
        (("compact", "nowhere"), "nowhere"),
        (("import", "DB", "t", "nothing.csv"), "nothing.csv"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(path, tmp_path, arguments, says):
    asked = [path if a == "DB" else a for a in arguments]
    if "nowhere" in asked:
        asked[asked.index("nowhere")] = tmp_path / "nowhere"
    result = kymograph(*asked)
    assert result.returncode == 2
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_help_and_version():
    assert "import" in kymograph("--help").stdout
    assert kymograph("--version").stdout.startswith("kymograph ")


def test_how_arguments_are_read():
    assert parse_functions(["usage:mean,max", "io", "usage:p95"]) == {
        "usage": ["mean", "max", "p95"],
        "io": ["mean"],
    }
    assert parse_where(["host=a,b", "dc=x", "host=c"]) == {"host": ["a", "b", "c"], "dc": ["x"]}
