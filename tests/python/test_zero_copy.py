"""Results reach Polars, PyArrow and NumPy without a copy: everywhere the same address."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import kymograph as ky
from oracles import NS

ROWS = 6_000
ALL = (None, None, None, None)
NUMBERS = ("time", "whole", "f", "n")


@pytest.fixture(scope="module")
def db():
    at = np.arange(ROWS)
    frame = pl.DataFrame(
        {
            "time": pl.Series(at * 10**9).cast(NS),
            "host": np.array(["a", "b", "c"])[at % 3],
            "f": at / 8,
            "n": at * 7,
            "up": at % 2 == 0,
            "whole": np.sqrt(at),
            "holes": [None if row % 5 == 0 else row / 4 for row in at.tolist()],
        }
    )
    with ky.open() as database:
        database.write("t", frame, tags=["host"])
        database.flush()
        yield database


def rows(db):
    """All rows as the native side hands them over."""
    return db._native.read("t", None, [], None, None, False, ALL)


def windows(db):
    """Aggregates by minute and host as the native side hands them over."""
    fields = [("f", ["mean", "max", "p90"]), ("n", ["sum", "count"])]
    every = (0, 60 * 10**9, None, None, None)
    return db._native.aggregate("t", fields, every, ["host"], [], None, None, None, None, ALL)


def arrow_addresses(batch):
    """Of each column without a dictionary: the address of its values."""
    return {
        name: column.buffers()[1].address
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if not pa.types.is_dictionary(column.type)
    }


def polars_addresses(frame):
    """The same of a Polars frame, by the buffers that it exports."""
    (batch,) = frame.select(pl.exclude("host")).to_arrow().to_batches()
    return arrow_addresses(batch)


def numpy_address(column):
    """Where a Polars column lies as an array; raises when that takes a copy."""
    if column.dtype == NS:
        column = column.dt.replace_time_zone(None)
    return column.to_numpy(allow_copy=False).ctypes.data


@pytest.mark.parametrize("ask", [rows, windows])
def test_polars_and_pyarrow_have_the_buffers_of_the_engine(db, ask):
    raw = ask(db)
    (batch,) = pa.RecordBatchReader.from_stream(raw)
    frame = pl.DataFrame(raw)
    assert frame.n_chunks() == 1
    assert batch.num_rows == frame.height == len(raw) > 0
    here = arrow_addresses(batch)
    assert here == polars_addresses(frame)
    assert len(set(here.values())) == frame.width - 1
    # Exported a second time, the frame is still the same memory.
    assert arrow_addresses(pa.table(raw).to_batches()[0]) == here


def test_numpy_has_the_buffers_of_the_engine(db):
    raw = rows(db)
    frame, (batch,) = pl.DataFrame(raw), pa.RecordBatchReader.from_stream(raw)
    here = arrow_addresses(batch)
    for name in NUMBERS:
        assert numpy_address(frame[name]) == here[name], name
        arrays = [batch[name].to_numpy(zero_copy_only=True), frame[name].to_numpy()]
        assert np.array_equal(*arrays), name
        assert arrays[0].ctypes.data == here[name], name


def test_values_with_nulls_and_booleans_are_not_copied_either(db):
    raw = rows(db)
    frame, (batch,) = pl.DataFrame(raw), pa.RecordBatchReader.from_stream(raw)
    ours = batch["holes"].buffers()
    theirs = frame["holes"].to_arrow().buffers()
    assert [buffer.address for buffer in ours] == [buffer.address for buffer in theirs]
    assert frame["holes"].null_count() == ROWS // 5
    assert frame["up"].to_arrow().buffers()[1].address == batch["up"].buffers()[1].address


def test_read_numpy_copies_nothing_but_nulls_tags_and_bits(db, monkeypatch):
    seen = []
    read = db.read

    def noted(*arguments, **options):
        seen.append(read(*arguments, **options))
        return seen[0]

    monkeypatch.setattr(db, "read", noted)
    arrays = db.read_numpy("t")
    for name in NUMBERS:
        assert arrays[name].ctypes.data == numpy_address(seen[0][name]), name
        assert not arrays[name].flags.owndata, name
    assert np.isnan(arrays["holes"]).sum() == ROWS // 5


def test_a_frame_outlives_the_database_and_its_native_half():
    with ky.open() as db:
        at = np.arange(ROWS)
        db.write("t", {"time": at, "v": at / 2})
        frame, array = db.read("t"), db.read_numpy("t")["v"]
    assert frame["v"].sum() == array.sum() == (at / 2).sum()


def test_tags_are_categories_and_times_are_utc_nanoseconds(db):
    frame = db.read("t")
    assert (frame["host"].dtype, frame["time"].dtype) == (pl.Categorical, NS)
    (batch,) = pa.RecordBatchReader.from_stream(rows(db))
    assert pa.types.is_dictionary(batch["host"].type)
    assert batch["time"].type == pa.timestamp("ns", "UTC")
    assert batch["host"].to_pylist() == frame["host"].cast(pl.String).to_list()
