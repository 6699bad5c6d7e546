"""The queries: TSBS's cpu-only ones, and the questions beside them, with drawn hosts and times.

What TSBS's code asks, which its README does not always say: single-groupby-M-H-T is the maximum of
the first M metrics over H hosts pooled, T hours, by minute; cpu-max-all-H that of all ten metrics,
8 hours, by hour; double-groupby the mean by (hour, host) of all hosts, 12 hours; high-cpu all
columns where usage_user > 90, 12 hours; lastpoint the latest full row of each host;
groupby-orderby-limit the maximum of usage_user by minute before a time, the newest 5 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tsbs import FIELDS, START, TAGS

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
HIGH = 90
STATISTICS = ["count", "mean", "sum", "min", "max", "std"]


@dataclass(frozen=True)
class Query:
    """One question: the engine's method `verb` answers `arguments` with `columns`, in this order.

    `keys` order the rows for a comparison. `fields`, `series` and `time` are what an answer has to
    look at: the fields, and the shares of all series and of the whole time.
    """

    name: str
    verb: str
    arguments: dict[str, Any]
    columns: list[str]
    keys: list[str]
    fields: list[str]
    series: float
    time: float


class Draw:
    """Hosts and times drawn for one round, the same for each engine."""

    def __init__(self, seed: int, hosts: int, hours: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.hosts = hosts
        self.span = int(hours * HOUR)

    def window(self, hours: float) -> dict[str, int]:
        """A range of so many hours, or of all there is, at a random microsecond."""
        length = min(int(hours * HOUR), self.span)
        start = START + int(self.rng.integers(0, (self.span - length) // 1000 + 1)) * 1000
        return {"start": start, "end": start + length}

    def some(self, count: int) -> list[str]:
        chosen = self.rng.choice(self.hosts, min(count, self.hosts), replace=False)
        return [f"host_{host}" for host in chosen]

    def maxima(self, name: str, metrics: int, hosts: int, hours: float, every: int) -> Query:
        fields = FIELDS[:metrics]
        window = self.window(hours)
        return Query(
            name=name,
            verb="maxima",
            arguments={"fields": fields, "hosts": self.some(hosts), "every": every, **window},
            columns=["time", *fields],
            keys=["time"],
            fields=fields,
            series=min(hosts / self.hosts, 1),
            time=(window["end"] - window["start"]) / self.span,
        )

    def means(self, name: str, metrics: int) -> Query:
        fields = FIELDS[:metrics]
        window = self.window(12)
        return Query(
            name=name,
            verb="means",
            arguments={"fields": fields, **window},
            columns=["time", "hostname", *fields],
            keys=["hostname", "time"],
            fields=fields,
            series=1,
            time=(window["end"] - window["start"]) / self.span,
        )

    def high(self, name: str, hosts: int | None) -> Query:
        window = self.window(12)
        return Query(
            name=name,
            verb="high",
            arguments={"hosts": None if hosts is None else self.some(hosts), **window},
            columns=["time", *TAGS, *FIELDS],
            keys=["hostname", "time"],
            fields=FIELDS,
            series=1 if hosts is None else hosts / self.hosts,
            time=(window["end"] - window["start"]) / self.span,
        )

    def newest(self) -> Query:
        end = self.window(1)["end"]
        return Query(
            name="groupby-orderby-limit",
            verb="newest",
            arguments={"end": end, "limit": 5},
            columns=["time", "usage_user"],
            keys=["time"],
            fields=["usage_user"],
            series=1,
            time=5 * MINUTE / self.span,
        )

    def all(self) -> list[Query]:
        """Each query once."""
        everything = {"series": 1, "time": 1}
        by_hour = ["hostname", "time"]
        user, system = FIELDS[:2]
        window = self.window(8)
        return [
            *(
                self.maxima(f"single-groupby-{m}-{h}-{t}", m, h, t, MINUTE)
                for m, h, t in [(1, 1, 1), (1, 1, 12), (1, 8, 1), (5, 1, 1), (5, 1, 12), (5, 8, 1)]
            ),
            *(self.maxima(f"cpu-max-all-{h}", len(FIELDS), h, 8, HOUR) for h in (1, 8)),
            self.means("double-groupby-1", 1),
            self.means("double-groupby-5", 5),
            self.means("double-groupby-all", len(FIELDS)),
            self.high("high-cpu-1", 1),
            self.high("high-cpu-all", None),
            self.newest(),
            Query(
                name="lastpoint",
                verb="latest",
                arguments={},
                columns=["time", *TAGS, *FIELDS],
                keys=["hostname"],
                fields=FIELDS,
                series=1,
                time=10_000_000_000 / self.span,
            ),
            Query(
                name="window statistics",
                verb="statistics",
                arguments={"field": user},
                columns=["time", "hostname", *STATISTICS],
                keys=by_hour,
                fields=[user],
                **everything,
            ),
            Query(
                name="top-5 anomalies",
                verb="anomalies",
                arguments={"field": user, "k": 5},
                columns=["hostname", "score"],
                keys=["hostname"],
                fields=[user],
                **everything,
            ),
            Query(
                name="correlation",
                verb="correlation",
                arguments={"x": user, "y": system},
                columns=["hostname", "r"],
                keys=["hostname"],
                fields=[user, system],
                **everything,
            ),
            Query(
                name="range sum",
                verb="total",
                arguments={"field": user, "host": self.some(1)[0], **window},
                columns=["sum"],
                keys=[],
                fields=[user],
                series=1 / self.hosts,
                time=(window["end"] - window["start"]) / self.span,
            ),
            Query(
                name="p95 by host and hour",
                verb="percentile",
                arguments={"field": user, "p": 95},
                columns=["time", "hostname", "p95"],
                keys=by_hour,
                fields=[user],
                **everything,
            ),
        ]
