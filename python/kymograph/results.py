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
    nanoseconds, None keeps all and leaves all hot; ``codec`` is "auto" or the one that is forced.
    """

    name: str
    tags: list[str]
    fields: dict[str, str]
    duplicates: str
    retention: int | None
    codec: str = "auto"
    cold_after: int | None = None

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
class Damage:
    """A damaged file, relative to the database, and what is wrong with it."""

    file: str
    what: str


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
    are still only in memory and in the log. ``fields`` has a row for each field and for the times
    of each table: table, field, type, points, bytes, bits_per_value, codecs (each encoding that
    was chosen, why it is that small, such as how many decimals or how long a list, and its blocks).
    """

    version: int
    tables: int
    series: int
    rows: int
    points: int
    bytes: int
    segments: int
    head_rows: int
    head_bytes: int
    fields: pl.DataFrame

    @property
    def bits_per_value(self) -> float | None:
        """Bits of all segments over all points, None when there is no point."""
        return self.bytes * 8 / self.points if self.points else None

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
    damage = [Damage(file, what) for file, what in raw["damage"]]
    return CheckReport(files=raw["files"], bytes=raw["bytes"], damage=damage)


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
    return Stats(**{**raw, "tables": tables, "fields": pl.DataFrame(rows, schema=schema)})


def _escape(text: str) -> str:
    from html import escape

    return escape(text)
