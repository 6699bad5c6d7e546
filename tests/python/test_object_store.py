"""Databases that live, or have their cold tier, on an S3-speaking server on this machine.

``KYMOGRAPH_TIER_KILLS`` sets the rounds of kill -9 during moves (3); ``KYMOGRAPH_KILL_SEED``
repeats a run. ``KYMOGRAPH_S3_COMMITS`` sets the writes of each of the processes that share a
database (4).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
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


# --- several writers ---

# The children are forked from a process that has imported everything and opened nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["kymograph", "numpy", "polars"])
COMMITS = int(os.environ.get("KYMOGRAPH_S3_COMMITS", "4"))


def write_some(place: str, options: dict[str, str], writer: int, commits: int, told: Any) -> None:
    with ky.open(place, storage_options=options) as db:
        for number in range(commits):
            at = np.array([writer * 1000 + number])
            db.write("cpu", {"time": at, "host": [f"w{writer}"], "value": at * 1.0}, tags=["host"])
            told.send((writer, number))
    told.close()


def test_processes_write_one_database_and_no_row_is_lost(options: dict[str, str]) -> None:
    place = "s3://metrics-bucket/shared"
    ours, theirs = PROCESSES.Pipe(duplex=False)
    children = [
        PROCESSES.Process(target=write_some, args=(place, options, writer, COMMITS, theirs))
        for writer in range(3)
    ]
    for child in children:
        child.start()
    theirs.close()
    acknowledged = set()
    try:
        while True:
            acknowledged.add(ours.recv())
    except EOFError:
        pass
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert len(acknowledged) == 3 * COMMITS
    with ky.open(place, storage_options=options) as db:
        found = Counter(db.read("cpu")["value"].to_list())
        assert found == Counter(w * 1000.0 + n for w in range(3) for n in range(COMMITS))
        assert db.check().ok
        db.compact()
        assert db.read("cpu").height == 3 * COMMITS
    assert ky.check(place, storage_options=options).ok


# --- the cold tier ---


def bucket(options: dict[str, str]) -> Any:
    return boto3.resource(
        "s3",
        endpoint_url=options["aws_endpoint"],
        region_name=options["aws_region"],
        aws_access_key_id=options["aws_access_key_id"],
        aws_secret_access_key=options["aws_secret_access_key"],
    ).Bucket("metrics-bucket")


def objects(options: dict[str, str], prefix: str) -> dict[str, int]:
    """Sizes of what the bucket holds below a prefix."""
    return {entry.key: entry.size for entry in bucket(options).objects.filter(Prefix=prefix)}


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)


def test_old_rows_move_to_s3_and_read_as_before(
    options: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_credentials: None,
) -> None:
    path, place = tmp_path / "db", "s3://metrics-bucket/cold-move"
    young = pl.DataFrame({"time": [time.time_ns()], "host": ["a"], "value": [-1.0]})
    with ky.open(path, cold=place, cold_after="7d", cold_options=options) as db:
        db.write("cpu", frame(0, 5000), tags=["host"])
        db.write("cpu", young)
        before = db.read("cpu")
        assert db.stats().tiers["cold"] == {"segments": 0, "bytes": 0}
        db.compact()
        tiers = db.stats().tiers
        assert tiers["local"]["segments"] == 1
        assert tiers["cold"]["segments"] == 1
        there = objects(options, "cold-move/")
        assert sum(there.values()) == tiers["cold"]["bytes"]
        assert db.read("cpu").equals(before)
        assert db.check().ok
    # Without credentials the place is named, and nothing is asked of any server.
    for mode in ("rw", "r"):
        with pytest.raises(ky.InvalidArgument, match="s3://metrics-bucket/cold-move"):
            ky.open(path, mode=mode)
    report = ky.check(path)
    assert [place in d.file and "credentials" in d.what for d in report.damage] == [True]
    assert ky.check(path, cold_options=options).ok
    with pytest.raises(ky.InvalidArgument, match="metrics-bucket/elsewhere"):
        ky.open(path, cold="s3://metrics-bucket/elsewhere", cold_options=options)
    # With those of the environment it is found by itself.
    for name, value in options.items():
        monkeypatch.setenv(name.upper(), value)
    with ky.open(path) as db, ky.open(path, mode="r") as reader:
        assert db.read("cpu").equals(before)
        assert reader.sum("cpu", "value") == sum(range(5000)) - 1
    # No credential is in any file of the database.
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"aws_secret" not in file.read_bytes()


def test_cold_reads_keep_to_the_budget_of_the_disk(options: dict[str, str], tmp_path: Path) -> None:
    path, place = tmp_path / "db", "s3://metrics-bucket/cold-cache"
    rng = np.random.default_rng(1)

    def cached() -> int:
        files = (path / "cache").iterdir() if (path / "cache").exists() else []
        return sum(file.stat().st_size for file in files if file.is_file())

    settings: dict[str, Any] = {
        "cold": place,
        "cold_after": "1d",
        "cold_options": options,
        "cold_cache": "3MiB",
        "cache": "1MiB",
    }
    with ky.open(path, **settings) as db:
        for part in range(2):
            at = np.arange(400_000) + part * 400_000
            db.write("cpu", {"time": at, "value": rng.random(at.size)})
        expected = db.read("cpu")
        db.compact()
        assert db.stats().cold_bytes > 5 << 20
        for _ in range(2):
            assert db.read("cpu").equals(expected)
            assert 1 << 20 < cached() <= 3 << 20
    for file in (path / "cache").iterdir():
        if file.is_file():
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
    with ky.open(path, **settings) as db:
        assert db.read("cpu").equals(expected)
        reader = ky.open(path, mode="r", cold_options=options, cold_cache="3MiB")
        assert reader.read("cpu").equals(expected)
        assert cached() <= 3 << 20


def test_erasure_reaches_s3(options: dict[str, str], tmp_path: Path) -> None:
    path, place = tmp_path / "db", "s3://metrics-bucket/cold-erase"
    with ky.open(path, cold=place, cold_after="1d", cold_options=options, grace=0, history=0) as db:
        for host in ("keep", "secretive"):
            db.write("cpu", frame(0, 100).with_columns(host=pl.lit(host)), tags=["host"])
        db.compact()
        old = objects(options, "cold-erase/")
        assert len(old) == db.stats().cold_segments
        db.delete("cpu", where={"host": "secretive"})
        assert db.read("cpu")["host"].unique().to_list() == ["keep"]
        db.compact()
        left = objects(options, "cold-erase/")
        assert left
        assert not set(left) & set(old)
        for key in left:
            body = bucket(options).Object(key).get()["Body"].read()
            assert b"keep" in body
            assert b"secretive" not in body
        assert db.read("cpu").height == 100
        assert db.check().ok
    for file in path.rglob("*"):
        if file.is_file():
            assert b"secretive" not in file.read_bytes(), file


KILLS = int(os.environ.get("KYMOGRAPH_TIER_KILLS", "3"))
SEED = int(os.environ.get("KYMOGRAPH_KILL_SEED", str(time.time_ns() % 10**9)))


def move_until_killed(path: Path, settings: dict[str, Any], first: int, told: Any) -> None:
    """Writes rows that are old, and moves them, telling of each write before and after."""
    db = ky.open(path, **settings)
    told.send(("open", 0))
    write = first
    while True:
        at = np.arange(20) + write * 1000
        told.send(("start", write))
        db.write("cpu", {"time": at, "host": ["a"] * 20, "write": [write] * 20}, tags=["host"])
        told.send(("done", write))
        write += 1
        if write % 3 == 0:
            db.compact()


def test_kill_9_during_moves_loses_nothing_and_leaks_nothing(
    options: dict[str, str], tmp_path: Path
) -> None:
    print(f"seed {SEED}, {KILLS} rounds")
    chance = random.Random(SEED)
    path = tmp_path / "db"
    settings: dict[str, Any] = {
        "cold": "s3://metrics-bucket/cold-kill",
        "cold_after": "1d",
        "cold_options": options,
        "history": 2,
        "durability": "os",
    }
    acknowledged: set[int] = set()
    begun: set[int] = set()
    first = 0
    for _ in range(KILLS):
        ours, theirs = PROCESSES.Pipe(duplex=False)
        child = PROCESSES.Process(target=move_until_killed, args=(path, settings, first, theirs))
        child.start()
        theirs.close()
        assert ours.recv() == ("open", 0)
        time.sleep(chance.uniform(0.0, 0.8))
        child.kill()
        try:
            while True:
                what, number = ours.recv()
                (begun if what == "start" else acknowledged).add(number)
        except EOFError:
            pass
        child.join()
        first = max(begun, default=-1) + 1
        with ky.open(path, **settings) as db:
            found = Counter(db.read("cpu")["write"].to_list()) if db.tables() else Counter()
            assert set(found.values()) <= {20}, "a write is there by half or twice"
            assert acknowledged <= set(found) <= begun
            assert db.check().ok
            # What the last one had begun is settled now.
            acknowledged = set(found)
    with ky.open(path, **{**settings, "grace": 0}) as db:
        db.compact()
        for _ in range(4):
            db.write("other", {"time": [time.time_ns()], "value": [1.0]})
            db.flush()
        db.compact()
        there = objects(options, "cold-kill/")
        assert len(there) == db.stats().cold_segments, "an orphan is left, or one is missing"
        assert sum(there.values()) == db.stats().cold_bytes
        assert set(db.read("cpu")["write"].to_list()) == acknowledged
        assert db.check().ok
    print(f"{len(acknowledged)} writes kept of {len(begun)}, {len(there)} cold objects")
