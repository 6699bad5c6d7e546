"""Files of any bytes: an import stores rows or says what is wrong, and the database stays whole.

``KYMOGRAPH_IMPORT_FILES`` is how many files there are, ``KYMOGRAPH_IMPORT_SEED`` where the seeds
start.
"""

import io
import json
import os
import random

import polars as pl
import pytest
from polars.exceptions import PolarsError
from typer.testing import CliRunner

import kymograph as ky
from kymograph.cli import app

FILES = int(os.environ.get("KYMOGRAPH_IMPORT_FILES", "60"))
SEED = int(os.environ.get("KYMOGRAPH_IMPORT_SEED", "1"))
# What the command line tells in one line; see kymograph.cli.main.
TOLD = (ky.KymographError, OSError, PolarsError, ImportError, SystemExit)
CELLS = (
    *("", "0", "-1", "1.5", "1e400", "nan", "NaN", "inf", "true", "no", "a", "é", '"', '"a,b"'),
    *("\x00", " ", "\t", "null", "None", "N/A", "1700000000", "1700000000000", "12:30"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *("2024-01-01", "2024-01-01 00:00:00", "2024-01-01T00:00:00.123456789Z", "2024-02-30"),
    *("0001-01-01", "9999-12-31 23:59:59", "2024-01-01 00:00:00+14:00"),
)
TIMES = ("2024-01-01 00:00:00", "2024-06-01T12:00:00Z", "1700000000", "1700000000000", "2024-01-01")
NAMES = ("time", "timestamp", "ts", "host", "usage", "n", "note", "", "time", "é", "a b", "date")


def table(rng):
    """Columns of cells that mostly are of one kind, some rows of another length."""
    names = [rng.choice(NAMES) for _ in range(rng.randint(1, 5))]
    usual = [rng.choice(CELLS) for _ in names]
    odd = 0.2
    if rng.random() < 0.6:
        # Often enough a file that can be stored.
        names, usual = ["time", *dict.fromkeys(names)], [rng.choice(TIMES), *usual]
        odd = 0.02
        names = [name for at, name in enumerate(names) if at == 0 or name not in ("time", "")]
        usual = usual[: len(names)]
    rows = []
    for _ in range(rng.randint(0, 12)):
        row = [rng.choice(CELLS) if rng.random() < odd else cell for cell in usual]
        if rng.random() < odd / 4:
            row.append("more")
        rows.append(row)
    return names, rows


def csv(rng):
    names, rows = table(rng)
    mark = rng.choice(",,,;\t|")
    end = rng.choice(("\n", "\n", "\r\n"))
    return end.join(mark.join(row) for row in [names, *rows]).encode()


def ndjson(rng):
    names, rows = table(rng)

    def value(cell):
        return int(cell) if cell.isascii() and cell.isdigit() else cell

    lines = [json.dumps(dict(zip(names, map(value, row), strict=False))) for row in rows]
    return "\n".join(lines).encode()


def parquet(rng):
    names, rows = table(rng)
    columns = {
        name: [row[at] if rng.random() < 0.9 else None for row in rows]
        for at, name in enumerate(names)
    }
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    for name in frame.columns:
        kind = rng.choice((pl.String, pl.String, pl.Float64, pl.Int64, pl.Int8, pl.Categorical))
        frame = frame.with_columns(pl.col(name).cast(kind, strict=False))
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def damaged(rng, data):
    """The same with some bytes changed, mostly not."""
    data = bytearray(data)
    if rng.random() < 0.4 and data:
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            match rng.randrange(3):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randint(1, 5)]
                case _:
                    data[at:at] = rng.randbytes(rng.randint(1, 5))
            if not data:
                break
    return bytes(data)


def test_text_of_any_kind(tmp_path):
    stored = refused = 0
    for number in range(FILES):
        rng = random.Random(f"{SEED}:{number}")
        form, make = rng.choice((("csv", csv), ("csv", csv), ("ndjson", ndjson)))
        data = damaged(rng, make(rng))
        rows = imported(tmp_path, number, form, data, rng.random() < 0.5)
        stored += rows is not None
        refused += rows is None
    print(f"seed {SEED}: {stored} files stored, {refused} refused")
    # Else the files are all alike.
    assert FILES < 50 or (stored > FILES // 20 and refused > FILES // 20)


def test_parquet_of_any_columns(tmp_path):
    for number in range(FILES // 4):
        rng = random.Random(f"parquet:{SEED}:{number}")
        imported(tmp_path, number, "parquet", parquet(rng), rng.random() < 0.5)


def imported(folder, number, form, data, skips):
    """The rows that the database holds then, or None where the file was refused."""
    path, file = folder / f"{number}.db", folder / f"{number}.{form}"
    file.write_bytes(data)
    arguments = ["import", str(path), "t", str(file)]
    if skips:
        arguments += ["--on-error", "skip"]
    result = CliRunner().invoke(app, arguments)
    if result.exit_code != 0 and not isinstance(result.exception, TOLD):
        pytest.fail(f"file {number} of seed {SEED}: {result.exception!r}\n{data!r}")
    if not path.exists():
        return None
    assert ky.check(path).ok
    with ky.open(path, mode="r") as db:
        rows = db.read("t").height if "t" in db.tables() else 0
    if result.exit_code != 0:
        # All of a file is kept, or nothing.
        assert rows == 0, (number, data)
        return None
    return rows
