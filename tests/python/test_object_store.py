"""A database that lives on an S3-speaking server on this machine."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from moto import server as moto_server

import kymograph as ky


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    request = urllib.request.Request(f"{url}/metrics-bucket", method="PUT")
    urllib.request.urlopen(request).close()
    yield url
    server.stop()


@pytest.fixture
def options(endpoint: str) -> dict[str, str]:
    return {
        "aws_endpoint": endpoint,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }


def frame(first: int, rows: int) -> pl.DataFrame:
    times = ((first + np.arange(rows)) * 1_000).astype("datetime64[ms]")
    return pl.DataFrame({"time": times, "host": "a", "value": np.arange(first, first + rows) * 1.0})


def test_a_database_on_s3_is_written_read_and_reopened(options: dict[str, str]) -> None:
    place = "s3://metrics-bucket/db"
    with ky.open(place, storage_options=options) as db:
        first = db.write("cpu", frame(0, 1000), tags=["host"])
        assert (first.rows, first.version) == (1000, 2)
        reader = ky.open(place, mode="r", storage_options=options)
        assert reader.sum("cpu", "value") == 499_500
        db.write("cpu", frame(1000, 1000))
        # The live reader sees the next version without being opened again.
        assert reader.sum("cpu", "value") == sum(range(2000))
        db.delete("cpu", start="1970-01-01T00:00:00Z", end="1970-01-01T00:00:10Z")
        db.compact()
        assert db.check().ok
    with ky.open(place, storage_options=options) as db:
        expected = sum(range(10, 2000))
        assert db.sum("cpu", "value") == expected
        read = db.read("cpu")
        assert read.height == 1990
        assert read["value"].sum() == expected


def test_what_an_object_store_cannot_do_says_so(options: dict[str, str]) -> None:
    with pytest.raises(ky.InvalidArgument, match="remote"):
        ky.open("s3://metrics-bucket/x", durability="full", storage_options=options)
    with pytest.raises(ky.NotFound):
        ky.open("s3://metrics-bucket/none", mode="r", storage_options=options)
    with pytest.raises(ky.StorageError, match="no-such-bucket"):
        ky.open("s3://no-such-bucket/x", storage_options=options)


def test_a_local_path_cannot_be_remote(tmp_path: object) -> None:
    with pytest.raises(ky.InvalidArgument, match="object store"):
        ky.open(str(tmp_path), durability="remote")
