"""The database: what ``ky.open`` returns."""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping, Sequence
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import numpy as np
import polars as pl

from kymograph import _core, arguments, forks, results
from kymograph.adapters import duration_ns, settle_nulls, to_arrow_stream
from kymograph.analytics.verbs import Analyses
from kymograph.errors import invalid
from kymograph.parameters import Parameters, condition
from kymograph.scan import explain_scan, scan_table
from kymograph.sql import run_sql

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from kymograph.results import CheckReport, Policy, Repair, Stats, TableSchema, WriteResult

Where = Mapping[str, Any]
Names = str | Sequence[str]


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    mode: Literal["rw", "r"] = "rw",
    as_of: int | None = None,
    durability: Literal["full", "interval", "os", "memory", "remote"] | None = None,
    fsync_every: Any = None,
    head: int | str | None = None,
    cache: int | str | None = None,
    query_memory: int | str | None = None,
    history: int | None = None,
    threads: int | None = None,
    max_series: int | None = None,
    query_timeout: Any = None,
    repair: bool = False,
    network_filesystem: bool = False,
    storage_options: Mapping[str, str] | None = None,
    cold: str | os.PathLike[str] | None = None,
    cold_after: Any = None,
    cold_options: Mapping[str, str] | None = None,
    cold_cache: int | str | None = None,
    grace: Any = None,
) -> Database:
    """Opens the database at ``path``, making it when absent; without a path one in memory.

    ``path`` is a folder or an object store's prefix (``"s3://bucket/prefix"``, ``gs://``,
    ``az://``; credentials from the environment or ``storage_options``).

    ``mode="r"`` opens a live reader beside a writer in another process: each call sees the newest
    state. ``as_of`` opens an older version (see ``Database.versions``), which stands still.

    ``durability`` says what an acknowledged write survives: ``"full"`` (the default of a folder)
    a power cut, ``"interval"`` a kill, and a power cut but for the last ``fsync_every`` ("200ms"),
    ``"os"`` a kill, ``"memory"`` nothing until it is flushed, ``"remote"`` (the default of an
    object store) whatever the store survives.

    ``head`` is the memory that recent rows may take before they are flushed ("64MiB"), ``cache``
    that of chunks read ("256MiB"); ``query_memory`` is what all queries together may hold (half of
    the machine's or the container's), past which they wait, each at most for its ``timeout``, and
    past which alone one raises ``LimitExceeded``; ``history`` is how many older versions stay
    readable (64); ``threads`` work on queries and compression (one a core).

    ``max_series`` is how many series a table takes (10 million); a write that would pass it raises
    ``LimitExceeded`` before memory is spent. ``query_timeout`` (seconds or "30s") bounds every
    query that has no ``timeout`` of its own.

    ``repair=True`` makes a damaged database usable: damaged files go to its folder ``quarantine``,
    undamaged parts of them stay, and ``repaired`` of the handle says what is lost. It reads every
    byte, changes nothing when all is well, and commits once, at its end.

    A writer refuses a folder on a network file system, where locks and fsyncs may not hold, unless
    ``network_filesystem=True``.

    A handle belongs to the process that opened it: in a forked child every verb raises
    ``InvalidArgument``, and ``close`` leaves the database to the parent; open it again there, with
    ``mode="r"`` beside a writer.

    ``cold`` is a folder or an object store's prefix for old data, and ``cold_after`` ("7d") the age
    by the clock past which a segment moves there whole, once its last row is that old: in the
    background, or with ``compact()``. Queries read all tiers alike. The place is remembered, the
    age and credentials are not: later opens find what is cold without ``cold``, where the
    environment, ``storage_options`` or ``cold_options`` (instead of those, for ``cold`` alone) have
    the credentials. ``cold_cache`` bounds what is kept of it on the local disk ("1GiB"). This is
    apart from a table's own ``cold_after``, which is about codecs.

    On an object store several processes may write; each write goes on top of the newest version,
    and a handle sees what the others wrote from its own next change on (a reader with each call).
    ``grace`` ("15m") is how long objects that no readable version lists stay there and in the cold
    tier: readers in other processes may still read them. All writers must have the same.

    Raises ``DatabaseLocked`` when another writer has it, ``NotFound`` when a reader finds none,
    ``Corrupt`` when its files are damaged, with what ``repair=True`` would lose,
    ``InvalidArgument`` on a network file system, or when ``cold`` is not where the database's cold
    tier is, or when that needs credentials that are not there.
    """
    native = _core.Database.open(
        None if path is None else os.fspath(path),
        {
            "mode": mode,
            "as_of": as_of,
            "durability": durability,
            "fsync_every": None if fsync_every is None else duration_ns(fsync_every, "fsync_every"),
            "head_bytes": arguments.size(head, "head"),
            "cache_bytes": arguments.size(cache, "cache"),
            "history": history,
            "threads": threads,
            "max_series": max_series,
            "query_memory": arguments.size(query_memory, "query_memory"),
            "query_timeout": arguments.seconds(query_timeout, "query_timeout"),
            "repair": repair,
            "network_filesystem": network_filesystem,
            "store": None if storage_options is None else dict(storage_options),
            "cold": None if cold is None else os.fspath(cold),
            "cold_after": None if cold_after is None else duration_ns(cold_after, "cold_after"),
            "cold_store": None if cold_options is None else dict(cold_options),
            "cold_cache": arguments.size(cold_cache, "cold_cache"),
            "grace": None if grace is None else duration_ns(grace, "grace", zero=True),
        },
    )
    return Database(native)


def check(
    path: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, str] | None = None,
    cold_options: Mapping[str, str] | None = None,
) -> CheckReport:
    """Verifies every checksum of the database at ``path``, its cold tier's too, without opening it.

    A cold tier that cannot be reached is reported as damage.

    Raises ``NotFound`` when there is no such folder.
    """
    store = None if storage_options is None else dict(storage_options)
    cold = None if cold_options is None else dict(cold_options)
    return results.check_report(_core.check(os.fspath(path), store, cold))


class Database(Analyses):
    """An open database; made by ``ky.open``, a context manager, safe to share among threads.

    Ranges are half-open, ``[start, end)``. Times are ints (ns since 1970 UTC), ``datetime``
    (aware, or naive taken as UTC), ``numpy.datetime64``, pandas Timestamps or ISO 8601 text;
    durations are text such as "10s", "5m", "1h", ``timedelta`` or ints (ns). ``where`` picks
    series: ``{"host": "a"}``, ``{"host": ["a", "b"]}``, ``{"host": None}`` (series without it).
    ``filter`` picks rows by a condition in SQL over ``time``, tags and fields, such as
    ``"usage > $least"`` with ``params={"least": 90}``; blocks that their statistics rule out are
    not read. Every query takes ``timeout`` (seconds or "500ms"; past it ``Cancelled``) and
    ``memory`` (bytes or "512MB"; past it ``LimitExceeded``).
    """

    def __init__(self, native: _core.Database) -> None:
        self._native = native
        forks.remember(self)

    def __reduce__(self) -> NoReturn:
        """Refuses: a handle is its process's own."""
        works = (
            "pass its path, and open that in the other process with kymograph.open(path, "
            'mode="r"), or mode="rw" in the one that writes'
        )
        if self._native.location == "memory":
            works = "this one lives in this process's memory, so pass the rows that are needed"
        raise invalid(f"a database handle cannot be pickled or copied; {works}")

    # --- writing ---

    def create_table(
        self,
        name: str,
        tags: Names = (),
        fields: Mapping[str, str] | None = None,
        duplicates: Literal["keep", "last"] = "keep",
        retention: Any = None,
        codec: str = "auto",
        cold_after: Any = None,
    ) -> None:
        """Makes a table; one that exists with the same shape is left as it is.

        ``fields`` maps names to "f64", "i64", "bool" or "str"; writes add further ones.
        ``duplicates="keep"``: all points of one series, field and time count (events);
        ``"last"``: the last write wins (metrics). Rows older than ``retention`` are dropped.

        ``codec="auto"`` lets each column of f64 choose its encoding chunk by chunk; "decimal",
        "scaled", "dictionary", "alp_rd", "pattern", "gorilla" or "raw" forces one, and "pco" makes
        all columns cold, the smallest form and the slowest to read, whenever they are compacted.
        Rows older than ``cold_after`` are compacted into that form whatever the codec.

        Raises ``Conflict`` when the table exists with another shape, ``InvalidArgument`` for an
        unknown codec.
        """
        keep = None if retention is None else duration_ns(retention, "retention")
        cold = None if cold_after is None else duration_ns(cold_after, "cold_after")
        columns = list((fields or {}).items())
        self._native.create_table(
            name,
            arguments.names(tags, "tags") or [],
            columns,
            duplicates,
            keep,
            None if codec == "auto" else codec,
            cold,
        )

    def set_codec(self, table: str, codec: str = "auto", cold_after: Any = None) -> None:
        """Sets how chunks of a table are encoded from now on, as ``create_table`` has it.

        What is stored already changes when it is compacted.

        Raises ``NotFound`` for an unknown table, ``InvalidArgument`` for an unknown codec or an age
        that is not positive.
        """
        cold = None if cold_after is None else duration_ns(cold_after, "cold_after")
        self._native.set_codec(table, None if codec == "auto" else codec, cold)

    def policy(
        self,
        table: str,
        downsample: Mapping[Any, Any] | EllipsisType | None = ...,
        retention: Any = ...,
    ) -> Policy:
        """What becomes of a table's rows with age; sets what is given, returns what is in force.

        ``db.policy("cpu", downsample={"5m": "90d", "1h": "5y"}, retention="7d")`` keeps rows as
        they were written for 7 days, then one aggregate a series and 5 minutes until 90 days, then
        one an hour until 5 years (of 365 days), and then nothing. Steps ascend and each is a
        multiple of the one before; ages ascend and are greater than the retention, without which
        there is nothing to downsample. Buckets are aligned to 1970. Only the clock decides what is
        old: rows from the future move nothing. Passes run in the background, a hundred-odd in each
        age, and ``compact`` runs one over all that is due; until one has run, rows stay rows.

        ``aggregate`` and aggregates in SQL answer from rows and all levels at once: count, rows,
        sum, mean, min, max, std, var, first, last, delta, increase and rate of fields, with
        ``where``, ``by``, ``fill`` and the rest. An aggregate counts at the start of its bucket,
        whatever the buckets asked for, and whole: it is in a range if its start is. Other functions
        (percentiles, distinct, corr, time-weighted means), expressions and conditions over fields
        need rows, and raise ``InvalidArgument`` where the range has aggregates, with the time from
        which on there are rows. ``sum`` and ``series`` count all levels, too; ``read`` and ``scan``
        give the rows that are left; ``last`` falls back on the newest value that aggregates know
        where a series has no row left, unless ``filter`` is over fields.

        Results are those of the rows: counts, extremes, ends and sums of integers exactly, sums and
        deviations of floats but for the order of additions. Rows that come behind the time up to
        which was rolled up are seen as rows, and the next pass adds them to the aggregates: there
        they count besides, as an aggregate cannot tell what was written before (also with
        ``duplicates="last"``, and for increase and rate in the order of their first points).
        ``delete`` takes aggregates whose bucket lies whole in its range; a bucket that it cuts
        stays.

        ``downsample=None`` ends it: rows past the retention are dropped from then on, and
        aggregates that are there stay, are answered, and go when they are as old as it said. What
        is due is rolled up before any change. ``retention=None`` keeps rows for ever and needs
        ``downsample=None``.

        Raises ``InvalidArgument`` for a policy that cannot be, ``NotFound`` for an unknown table.
        """
        if downsample is not ... or retention is not ...:
            kept, levels = self._native.policy(table)
            ns = None if kept is None else kept[0]
            if retention is not ...:
                ns = None if retention is None else arguments.age(retention, "retention")
            steps = [(step[0], age[0]) for step, age in levels]
            if downsample is not ...:
                steps = arguments.downsample(downsample)
            self._native.set_policy(table, ns, steps)
        return results.policy(table, self._native.policy(table))

    def set_retention(self, table: str, retention: Any) -> None:
        """Sets how long a table keeps its rows; None keeps all. ``policy`` has more."""
        keep = None if retention is None else duration_ns(retention, "retention")
        self._native.set_retention(table, keep)

    def write(
        self,
        table: str,
        frame: Any,
        time: str = "time",
        tags: Names | None = None,
        *,
        duplicates: Literal["keep", "last"] = "keep",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> WriteResult:
        """Writes the rows of a frame; a missing table is made, missing fields are added.

        ``frame`` is a Polars, pandas or PyArrow frame, anything with ``__arrow_c_stream__``, a
        dict of columns, or a list of dicts; it is read in place where it is Arrow already. All
        columns but ``time`` and the ``tags`` are fields. ``tags=None`` means the table's tags. A
        null tag means that the series lacks the tag; a null field that the row has no point of
        it. Rows may come in any order, however late. ``duplicates`` counts when the write makes
        the table.

        All of the call is kept, or nothing: a row that cannot be stored raises
        ``InvalidArgument`` naming the column and the first such row, unless
        ``on_error="skip"``, which leaves such rows out and reports them.
        """
        self._native.ready()
        stream = to_arrow_stream(frame, time)
        named = arguments.names(tags, "tags")
        stream = settle_nulls(stream, lambda: self._types(table) | _given(time, named or ()))
        raw = self._native.write(table, stream, time, named, None, duplicates, on_error)
        return results.write_result(raw)

    def write_events(
        self,
        frame: Any,
        metric: str = "metric",
        value: str = "value",
        time: str = "time",
        tags: Names = (),
        table: str = "events",
        *,
        duplicates: Literal["keep", "last"] = "keep",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> WriteResult:
        """Writes a narrow list of events, one value a row: each metric becomes a field.

        The fields have times of their own, and ``read`` puts values of one series and time into
        one row. A null value is no point. Otherwise as ``write``.
        """
        self._native.ready()
        stream = to_arrow_stream(frame, time)
        named = arguments.names(tags, "tags")
        strings = (*(named or ()), metric)
        stream = settle_nulls(stream, lambda: _given(time, strings) | {value: pl.Float64})
        event = (metric, value)
        raw = self._native.write(table, stream, time, named, event, duplicates, on_error)
        return results.write_result(raw)

    def delete(
        self, table: str, where: Where | None = None, start: Any = None, end: Any = None
    ) -> int:
        """Deletes rows of a table; returns the version from which on they are gone.

        The next ``compact`` erases them from the disk, and older versions with them. Of rows that
        were downsampled (see ``policy``) the aggregates go whose bucket lies whole in the range; a
        bucket that it cuts stays.
        """
        first, last, _, _ = arguments.bounds(start, end, None, None)
        return self._native.delete(table, arguments.tag_filter(where), first, last)

    def flush(self) -> int:
        """Writes recent rows from memory into segments; returns the newest version."""
        return self._native.flush()

    def compact(self) -> int:
        """Merges each table's segments, applies duplicates, erases what was deleted.

        Returns the newest version. Versions from before an erasure are gone with it. With a cold
        tier, rows past ``cold_after`` become segments of their own and move there; what is there
        already is rewritten only where something of it is deleted.
        """
        return self._native.compact()

    def close(self) -> None:
        """Flushes, stops background work and gives the writer's lock back."""
        self._native.close()

    # --- what there is ---

    def tables(self) -> list[str]:
        """The names of the tables."""
        return self._native.tables()

    def schema(self, table: str) -> TableSchema:
        """A table's tags, fields and policies."""
        raw = self._native.schema(table)
        pairs = {name: dict(raw[name]) for name in ("fields", "downsample")}
        return results.TableSchema(name=table, **{**raw, **pairs})

    def series(
        self,
        table: str,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """The series of a table: its tags, ``first_time``, ``last_time`` and ``rows``."""
        limits = arguments.bounds(start, end, timeout, memory)
        return pl.DataFrame(self._native.series(table, arguments.tag_filter(where), limits))

    def stats(self) -> Stats:
        """Points, bytes, bits per value, codecs, segments by tier, readers; reads local chunks."""
        return results.stats(self._native.stats(), len(self.tables()))

    def versions(self) -> pl.DataFrame:
        """The versions that ``as_of`` can open: ``version`` and ``time`` (UTC)."""
        schema = {"version": pl.Int64, "time": pl.Int64}
        frame = pl.DataFrame(self._native.versions(), schema=schema, orient="row")
        return frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))

    @property
    def version(self) -> int:
        """The version that queries see now."""
        return self._native.version()

    def snapshot(self) -> Database:
        """A handle that shows this moment for as long as it is open."""
        return Database(self._native.snapshot())

    @property
    def repaired(self) -> Repair | None:
        """What ``open(..., repair=True)`` found and did; None without ``repair``."""
        return results.repair(self._native.repaired())

    def check(self) -> CheckReport:
        """Verifies every checksum of the database."""
        return results.check_report(self._native.check())

    # --- querying ---

    def read(
        self,
        table: str,
        fields: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        limit: int | None = None,
        *,
        filter: str | None = None,
        params: Parameters | None = None,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """Rows as they were written: ``time``, the tags, the fields; by series, then time.

        Of rows with ``fields`` only those that were written with one of these are there, or, in a
        table whose duplicates replace, those that have a value of one of them.
        """
        raw = self._native.read(
            table,
            arguments.names(fields, "fields"),
            arguments.tag_filter(where),
            condition(filter, params),
            arguments.limit(limit),
            False,
            arguments.bounds(start, end, timeout, memory),
        )
        return pl.DataFrame(raw)

    def read_numpy(
        self,
        table: str,
        fields: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        limit: int | None = None,
        *,
        filter: str | None = None,
        params: Parameters | None = None,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """``read`` as a dict of arrays: ``time`` as datetime64[ns], tags and strings as objects.

        Columns without nulls are not copied. NumPy has no null: a null is NaN in an f64 field;
        an i64 or bool field that has nulls comes as a masked array.
        """
        frame = self.read(
            table,
            fields,
            where,
            start,
            end,
            limit,
            filter=filter,
            params=params,
            timeout=timeout,
            memory=memory,
        )
        return {name: _to_numpy(frame[name]) for name in frame.columns}

    def scan(
        self, table: str, *, timeout: Any = None, memory: int | str | None = None
    ) -> pl.LazyFrame:
        """A table as a lazy frame that reads only what a query needs.

        Projection, time range, tag predicates and (without a predicate) ``head`` are pushed
        down; the whole predicate is applied again to what comes back. ``explain`` of this
        database shows what a predicate pushes.

        The limits hold for what each collect reads: its ``timeout`` runs from when it begins to
        read, its ``memory`` is that of the rows read, not of what Polars makes of them.
        """
        return scan_table(self, table, timeout, memory)

    def explain(self, table: str, predicate: pl.Expr | None = None) -> str:
        """What ``scan(table).filter(predicate)`` reads: the range, the tags, the series left."""
        return explain_scan(self, table, predicate)

    def aggregate(
        self,
        table: str,
        fields: Mapping[str, str | Sequence[str]],
        every: Any = None,
        by: Names = (),
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        fill: float | str | None = None,
        having: str | None = None,
        limit: int | None = None,
        *,
        origin: Any = None,
        timezone: str | None = None,
        step: Any = None,
        filter: str | None = None,
        params: Parameters | None = None,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """Aggregates by bucket and tags.

        ``fields`` maps fields to functions: count, sum, mean, min, max, std, var, std_pop, var_pop,
        first, last, median, mode, distinct (how many different values), percentiles such as "p95",
        and in bounded memory, with values at most 0.5 % off, such as "approx_p95". rows counts
        rows, also those whose fields are null. Of each series' points in the order of time, inside
        the bucket: delta (last less first), increase and rate (a second) of counters, which start
        again from 0 where they fall, twa and twa_linear (means weighted by time: each value holds
        until the next, or goes to it in a straight line). Several series add their deltas,
        increases and rates, which are null where none has two points.

        The result has the bucket's start in ``time`` (with ``every``), the tags of ``by``, and
        columns such as ``usage_mean``, ordered by tags, then time. ``every`` is a duration or
        months ("1mo", "1q", "1y"). Buckets are aligned to 1970, whole weeks to Monday, months to
        2000-01, or to ``origin``. ``timezone`` makes days, weeks and months those of a place, with
        its clock changes; parts of days count from midnight there. ``step`` makes windows of
        ``every`` slide: one starts every ``step``, and a row is in each that spans it.

        Nulls are skipped. NaN propagates through sum, mean, std, var and what goes by time; min and
        max pass over it unless there is nothing else. std and var are of a sample (n - 1), null for
        fewer than two points. An aggregate of nothing is null, its count 0. No row in the range: an
        empty frame. Where duplicates replace, a group needs a point in the range, not just a row.

        ``fill`` gives every group every bucket of the range: "null", "previous", "linear" or a
        number. ``having`` keeps rows: ``"usage_mean > 90 and usage_count >= 10"``. ``limit``
        keeps the first rows.
        """
        raw = self._native.aggregate(
            table,
            arguments.functions(fields),
            arguments.buckets(every, origin, timezone, step),
            arguments.names(by, "by") or [],
            arguments.tag_filter(where),
            condition(filter, params),
            arguments.fill(fill),
            having,
            arguments.limit(limit),
            arguments.bounds(start, end, timeout, memory),
        )
        return pl.DataFrame(raw)

    def last(
        self,
        table: str,
        by: Names | None = None,
        fields: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        filter: str | None = None,
        params: Parameters | None = None,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """The latest full row of each group; without ``by`` of each series.

        Of a series whose rows were all downsampled it is the newest that its aggregates know.
        """
        raw = self._native.last(
            table,
            arguments.names(by, "by"),
            arguments.names(fields, "fields"),
            arguments.tag_filter(where),
            condition(filter, params),
            arguments.bounds(start, end, timeout, memory),
        )
        return pl.DataFrame(raw)

    def sum(
        self,
        table: str,
        field: str,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> float | int | None:
        """The sum of a field over a range, None when there is no point; O(log n) a series.

        An int for i64 (exact) and bool (how many are true), a float for f64.
        """
        limits = arguments.bounds(start, end, timeout, memory)
        return self._native.sum(table, field, arguments.tag_filter(where), limits)

    def top_anomalies(
        self,
        table: str,
        field: str,
        k: int = 5,
        by: Names = "host",
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        *,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """The ``k`` nodes farthest from the others: ``by``, ``score``, ``count``.

        A node's score is the mean of abs(value - median) over its points, where the median is that
        of all nodes' values at the same time. NaN and null points do not count.
        """
        raw = self._native.top_anomalies(
            table,
            field,
            arguments.count(k, "k"),
            arguments.names(by, "by") or [],
            arguments.tag_filter(where),
            arguments.bounds(start, end, timeout, memory),
        )
        return pl.DataFrame(raw)

    def correlate(
        self,
        table: str,
        x: str,
        y: str,
        by: Names | None = None,
        where: Where | None = None,
        start: Any = None,
        end: Any = None,
        tolerance: Any = None,
        *,
        method: str = "pearson",
        timeout: Any = None,
        memory: int | str | None = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Pearson's r of two fields for each node: ``by``, ``r``, ``n`` (pairs).

        Points of equal times make pairs; with a ``tolerance``, each x and the nearest y at most so
        far away (the earlier of two as near). r is null for fewer than two pairs or when either
        does not vary. ``by=None`` takes all tags.

        With ``method`` "spearman" or "kendall", or with ``every``, ``filter`` and the like, the
        analysis of that name runs (see ``kymograph.analytics.correlate``), which tells ``p``, too.
        """
        if method != "pearson" or options:
            bounds = {"timeout": timeout, "memory": memory}
            given = {"method": method, "tolerance": tolerance, **bounds, **options}
            return self._analyze("correlate", table, [x, y], by, where, start, end, given)
        nodes = self.schema(table).tags if by is None else arguments.names(by, "by") or []
        raw = self._native.correlate(
            table,
            x,
            y,
            nodes,
            arguments.tag_filter(where),
            None if tolerance is None else duration_ns(tolerance, "tolerance", zero=True),
            arguments.bounds(start, end, timeout, memory),
        )
        return pl.DataFrame(raw)

    def sql(
        self,
        text: str,
        params: Parameters | None = None,
        *,
        timeout: Any = None,
        memory: int | str | None = None,
    ) -> pl.DataFrame:
        """The answer to a query in SQL; ``docs/sql.md`` describes the language.

        ``db.sql("SELECT avg(usage) FROM cpu WHERE host = $host GROUP BY 5m", {"host": "a"})``.
        ``params`` are values for ``?`` (a list) or ``$name`` (a dict): None, bool, int, float,
        str, times, timedelta, or lists of these for IN; they never become text of the query.

        What one table answers alone runs in kymograph, straight from compressed chunks; joins,
        window functions, common table expressions and set operations run in Polars over such
        answers, of which all show one moment. ``EXPLAIN SELECT ...`` tells which does what and
        what is pruned, ``EXPLAIN ANALYZE`` runs it and tells what that took.

        Raises ``InvalidArgument`` with line and column for a query that cannot be, ``NotFound``
        for unknown tables, ``Cancelled`` past ``timeout``, ``LimitExceeded`` past ``memory``.
        """
        return run_sql(self, text, params, timeout, memory)

    def plot(self, table: str, fields: Names | None = None, **options: Any) -> Figure:
        """Draws a table's fields with Plotly; options as of ``kymograph.plot.plot_table``."""
        from kymograph.plot import plot_table

        return plot_table(self, table, fields, **options)

    def _types(self, table: str) -> dict[str, pl.DataType | type[pl.DataType]]:
        """The types of a table's columns, where there is one."""
        if table not in self.tables():
            return {}
        schema = self.schema(table)
        tags = dict.fromkeys(schema.tags, pl.String)
        return {**tags, **{name: _TYPES[kind] for name, kind in schema.fields.items()}}

    # --- how it shows itself ---

    def __enter__(self) -> Self:
        """The database itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """One line: where it is and which tables it has."""
        location = self._native.location
        if self._native.closed:
            return f"<kymograph.Database {location!r}, closed>"
        if not self._native.here:
            return f"<kymograph.Database {location!r}, opened in another process>"
        kind = "" if self._native.writable else ", read-only"
        return f"<kymograph.Database {location!r}, version {self.version}{kind}: {self.tables()}>"

    def _repr_html_(self) -> str:
        from html import escape

        if self._native.closed:
            return f"<b>kymograph</b> {escape(self._native.location)}, closed"
        if not self._native.here:
            return f"<b>kymograph</b> {escape(self._native.location)}, opened in another process"
        rows = []
        for name in self.tables():
            schema = self.schema(name)
            fields = ", ".join(
                f"{escape(f)}&nbsp;<i>{kind}</i>" for f, kind in schema.fields.items()
            )
            tags = escape(", ".join(schema.tags))
            rows.append(f"<tr><td><b>{escape(name)}</b></td><td>{tags}</td><td>{fields}</td></tr>")
        head = "<tr><th>table</th><th>tags</th><th>fields</th></tr>"
        place = f"{escape(self._native.location)}, version {self.version}"
        return (
            f"<table><caption><b>kymograph</b> {place}</caption><thead>{head}</thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )


_TYPES = {"f64": pl.Float64, "i64": pl.Int64, "bool": pl.Boolean, "str": pl.String}


def _given(time: str, strings: Sequence[str]) -> dict[str, pl.DataType | type[pl.DataType]]:
    return {**dict.fromkeys(strings, pl.String), time: pl.Datetime("ns", "UTC")}


def _to_numpy(column: pl.Series) -> np.ndarray[Any, Any]:
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.replace_time_zone(None).to_numpy()
    if column.dtype in (pl.Int64, pl.Boolean) and column.null_count():
        filled = column.fill_null(0 if column.dtype == pl.Int64 else False)
        masked: np.ndarray[Any, Any] = np.ma.MaskedArray(
            filled.to_numpy(), mask=column.is_null().to_numpy()
        )
        return masked
    if column.dtype == pl.Categorical:
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return np.array(builtins.list(column), dtype=object)
    return column.to_numpy()
