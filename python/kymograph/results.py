"""What the database's verbs return besides frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be stored: its place in the frame (0-based), its column, and why."""

    row: int
    column: str
    why: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write did.

    ``rows`` were stored with ``points`` values that are not null. ``late`` of the rows are older
    than the newest row that their series already had; ``replaced`` points took the place of
    another (only where the table has ``duplicates="last"``). ``version`` is the newest version of
    the database after the write. ``skipped`` rows could not be stored under ``on_error="skip"``;
    ``bad_rows`` tells of the first 1,000 of them.
    """

    rows: int
    points: int
    late: int
    replaced: int
    version: int
    skipped: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table: its tags identify series, its fields (name to "f64", "i64", "bool", "str") hold
    values. ``duplicates`` is "keep" or "last"; ``retention`` and ``cold_after`` are in
    nanoseconds, None keeps all and leaves all hot; ``codec`` is "auto" or the one that is forced;
    ``downsample`` maps each step of the table's policy to the age in nanoseconds up to which its
    aggregates are kept.
    """

    name: str
    tags: list[str]
    fields: dict[str, str]
    duplicates: str
    retention: int | None
    codec: str = "auto"
    cold_after: int | None = None
    downsample: dict[str, int] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{_escape(tag)}</td><td>tag</td></tr>" for tag in self.tags)
        rows += "".join(
            f"<tr><td>{_escape(name)}</td><td>{kind}</td></tr>"
            for name, kind in self.fields.items()
        )
        return (
            f"<table><caption><b>{_escape(self.name)}</b>, duplicates: {self.duplicates}"
            f"</caption><thead><tr><th>column</th><th>type</th></tr></thead>"
            f"<tbody><tr><td>time</td><td>ns, UTC</td></tr>{rows}</tbody></table>"
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a table keeps its rows, and what they become after that, as ``Database.policy``
    takes it: durations are text such as "7d". Without a retention rows are kept for ever; without
    ``downsample`` (steps to ages, finest first) they are dropped.
    """

    table: str
    retention: str | None
    downsample: dict[str, str]


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file, relative to the database, and what is wrong with it.

    Where rows are damaged: their ``table``, their ``series`` (its tags; None when it can be any of
    the table), and the first and the last of their times in ns since 1970 UTC.
    """

    file: str
    what: str
    table: str | None = None
    series: dict[str, str] | None = None
    first_time: int | None = None
    last_time: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged file, where it is kept now (None when it was missing), and what is wrong."""

    file: str
    kept: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows that a repair could not save, as precisely as what is whole can tell.

    ``file`` held them. ``table``, ``series`` (its tags), ``first_time`` and ``last_time`` (ns since
    1970 UTC, both inclusive) and ``rows`` (at most) are None where nobody knows.
    """

    file: str
    table: str | None
    series: dict[str, str] | None
    first_time: int | None
    last_time: int | None
    rows: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did: ``version`` is what it committed, None when nothing was damaged."""

    version: int | None
    quarantined: list[Quarantined]
    lost: list[Loss]

    def tables(self) -> pl.DataFrame:
        """What is lost by table and series: table, series, first_time, last_time, rows, what."""
        rows = [
            {
                "table": loss.table,
                "series": None
                if loss.series is None
                else ", ".join(f"{tag}={value}" for tag, value in loss.series.items()),
                "first_time": loss.first_time,
                "last_time": loss.last_time,
                "rows": loss.rows,
                "what": loss.what,
            }
            for loss in self.lost
        ]
        times = pl.Datetime("ns", "UTC")
        schema: dict[str, pl.DataType | type[pl.DataType]] = {
            "table": pl.String,
            "series": pl.String,
            "first_time": pl.Int64,
            "last_time": pl.Int64,
            "rows": pl.Int64,
            "what": pl.String,
        }
        frame = pl.DataFrame(rows, schema=schema)
        return frame.with_columns(pl.col("first_time", "last_time").cast(times))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check read, and what it found damaged."""

    files: int
    bytes: int
    damage: list[Damage]

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage

    def __bool__(self) -> bool:
        """Whether nothing is damaged."""
        return self.ok


@dataclass(frozen=True, slots=True)
class Stats:
    """What a database holds.

    ``points`` values take ``bytes`` in ``segments`` files, indexes included; ``head_rows`` rows
    are still only in memory and in the log. Of the segments ``cold_segments`` with ``cold_bytes``
    are in the cold tier, the others on the database's own store (``tiers`` has both); ``fields``
    leaves the cold ones out, as their bytes are far away. It has a row for each field and for the
    times of each table: table, field, type, points, bytes, bits_per_value, codecs (each encoding
    that was chosen, why it is that small, such as how many decimals or how long a list, and its
    blocks).

    ``leases`` has a row for each live reader of a folder, in this process and in others: pid,
    hostname, program, since (ISO 8601, UTC) and version, the oldest that it keeps on disk (null
    when it reads nothing now, 0 while it opens).

    ``background_failures`` rounds of the background thread (flush, compaction, retention) failed
    since the open; ``background_error`` is what the last of them met, and when (ns since 1970 UTC).

    ``levels`` has a row for each level of each downsampled table: table, step, age in nanoseconds,
    in_policy (whether the policy still has it), aggregates (one a series, bucket and pass that
    brought some), bytes, segments, and the start of the first and the last bucket. ``rows``,
    ``points`` and ``series`` are those of rows as they were written; ``bytes`` are of all.
    """

    version: int
    tables: int
    series: int
    rows: int
    points: int
    bytes: int
    segments: int
    cold_segments: int
    cold_bytes: int
    head_rows: int
    head_bytes: int
    leases: pl.DataFrame
    fields: pl.DataFrame
    levels: pl.DataFrame
    background_failures: int = 0
    background_error: tuple[str, int] | None = None

    @property
    def readers(self) -> int:
        """How many live readers there are."""
        return self.leases.height

    @property
    def oldest_version(self) -> int | None:
        """The oldest version that a live reader keeps on disk, None when they keep none."""
        oldest: Any = self.leases["version"].min()
        return None if oldest is None else int(oldest)

    @property
    def bits_per_value(self) -> float | None:
        """Bits of all segments over all points, None when there is no point."""
        return self.bytes * 8 / self.points if self.points else None

    @property
    def tiers(self) -> dict[str, dict[str, int]]:
        """``segments`` and ``bytes`` of each tier, ``"local"`` and ``"cold"``."""
        local = {
            "segments": self.segments - self.cold_segments,
            "bytes": self.bytes - self.cold_bytes,
        }
        return {"local": local, "cold": {"segments": self.cold_segments, "bytes": self.cold_bytes}}

    @property
    def codecs(self) -> dict[str, int]:
        """Blocks by the name of their encoding."""
        totals: dict[str, int] = {}
        for codecs in self.fields["codecs"]:
            for entry in codecs:
                totals[entry["codec"]] = totals.get(entry["codec"], 0) + entry["blocks"]
        return totals


def write_result(raw: dict[str, Any]) -> WriteResult:
    """From what the native side returns."""
    return WriteResult(**{**raw, "bad_rows": [BadRow(*row) for row in raw["bad_rows"]]})


def check_report(raw: dict[str, Any]) -> CheckReport:
    """From what the native side returns."""
    damage = [Damage(**each) for each in raw["damage"]]
    return CheckReport(files=raw["files"], bytes=raw["bytes"], damage=damage)


def repair(raw: dict[str, Any] | None) -> Repair | None:
    """From what the native side returns."""
    if raw is None:
        return None
    quarantined = [Quarantined(*each) for each in raw["quarantined"]]
    lost = [Loss(**each) for each in raw["lost"]]
    return Repair(version=raw["version"], quarantined=quarantined, lost=lost)


_LEASES: dict[str, pl.DataType | type[pl.DataType]] = {
    "pid": pl.Int64,
    "hostname": pl.String,
    "program": pl.String,
    "since": pl.String,
    "version": pl.Int64,
}
_CODECS = pl.List(pl.Struct({"codec": pl.String, "detail": pl.String, "blocks": pl.Int64}))


def stats(raw: dict[str, Any], tables: int) -> Stats:
    """From what the native side returns."""
    rows = [
        {
            "table": table,
            "field": name,
            "type": kind,
            "points": points,
            "bytes": size,
            "bits_per_value": size * 8 / points if points else None,
            "codecs": [
                {"codec": codec, "detail": detail, "blocks": blocks}
                for codec, detail, blocks in codecs
            ],
        }
        for table, name, kind, points, size, codecs in raw["fields"]
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "table": pl.String,
        "field": pl.String,
        "type": pl.String,
        "points": pl.Int64,
        "bytes": pl.Int64,
        "bits_per_value": pl.Float64,
        "codecs": _CODECS,
    }
    frames = {
        "leases": pl.DataFrame(raw["leases"], schema=_LEASES, orient="row"),
        "fields": pl.DataFrame(rows, schema=schema),
        "levels": _levels(raw["levels"]),
    }
    return Stats(**{**raw, "tables": tables, **frames})


def _levels(raw: list[Any]) -> pl.DataFrame:
    time = pl.Datetime("ns", "UTC")
    rows = [
        (table, step, age, in_policy, *figures, first, last)
        for table, step, age, in_policy, figures, first, last in raw
    ]
    schema = {
        "table": pl.String,
        "step": pl.String,
        "age": pl.Int64,
        "in_policy": pl.Boolean,
        "aggregates": pl.Int64,
        "bytes": pl.Int64,
        "segments": pl.Int64,
        "first": pl.Int64,
        "last": pl.Int64,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("first", "last").cast(time))


def policy(
    table: str, raw: tuple[tuple[int, str] | None, list[tuple[tuple[int, str], tuple[int, str]]]]
) -> Policy:
    """From what the native side returns."""
    retention, levels = raw
    steps = {step: age for (_, step), (_, age) in levels}
    return Policy(table, None if retention is None else retention[1], steps)


def _escape(text: str) -> str:
    from html import escape

    return escape(text)
