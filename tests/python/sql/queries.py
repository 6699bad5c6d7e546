"""Random queries of every shape that the language has."""

from sql import series
from sql.aggregates import Aggregates, extreme
from sql.expressions import Columns, Expressions
from sql.text import Constants, Query, Text, both, joined, plain

# kymograph's width of a bucket, DuckDB's, and where DuckDB's must start to be the same.
WIDTHS = [
    ("5m", "5 minutes", "1970-01-01"),
    ("7m", "7 minutes", "1970-01-01"),
    ("30s", "30 seconds", "1970-01-01"),
    ("1h", "1 hour", "1970-01-01"),
    ("1h", "1 hour", "1970-01-01"),
    ("1d", "1 day", "1970-01-01"),
    ("1w", "7 days", "2000-01-03"),
    ("1mo", "1 month", "2000-01-01"),
]
# Aggregates of groups that are not of tags and buckets alone: Polars computes these.
KNOWN_TO_POLARS = {
    *("count", "sum", "avg", "min", "max", "first", "last", "stddev", "variance", "median"),
    *("quantile_cont", "covar_samp"),
}


class Maker:
    """Makes one query from the choices of ``rng``; ``short``: none with many rows."""

    def __init__(self, rng, short=False):
        self.rng = rng
        self.short = short
        self.constants = Constants()
        self.table = rng.choice(["m", "m", "m", "l", "l", "quotes"])
        self.columns = Columns(self.table)
        self.of = Expressions(rng, self.constants, self.columns)
        self.aggregates = Aggregates(self.of)

    def query(self):
        """A query of some shape."""
        shapes = [
            (self.first_rows, 8),
            (self.distinct, 4),
            (self.groups, 30),
            (lambda: series.filled(self), 6),
            (lambda: series.sliding(self), 5),
            (lambda: series.latest(self), 5),
            (self.subquery, 3),
            (self.common, 3),
        ]
        if not self.short:
            shapes += [
                (self.rows, 16),
                (self.scalar_subquery, 3),
                (self.union, 3),
                (self.join, 3),
                (lambda: series.asof(self), 2),
                (self.window, 4),
                (self.groups_of_values, 3),
            ]
        query = self.rng.choices([s for s, _ in shapes], [w for _, w in shapes])[0]()
        if self.rng.random() < 0.25:
            query.parameters = self.rng.choice(["positional", "named"])
        return query

    def done(self, text, exact, ordered=False):
        """The query of a text."""
        return Query(text, self.constants.made, ordered, exact)

    def select(self, items, where=None, after=None, distinct=False, table=None):
        """``SELECT items FROM table WHERE ... after``; items are named c0, c1 and so on."""
        named = [both(f"{{}} AS c{i}", item) for i, item in enumerate(items)]
        text = both("SELECT {}", joined(", ", named))
        if distinct:
            text = both("SELECT DISTINCT {}", joined(", ", named))
        text = both(f"{{}} FROM {table or self.table}", text)
        if where:
            text = both("{} WHERE {}", text, where)
        return both("{} {}", text, after) if after else text

    def value(self, depth):
        """An expression of any type."""
        kinds = [self.of.int, self.of.float, self.of.float, self.of.str, self.of.bool, self.of.time]
        return self.rng.choice(kinds)(depth)

    def rows(self):
        """Expressions of rows."""
        rng = self.rng
        if rng.random() < 0.15:
            everything = plain(", ".join(self.columns.all))
            stars = Text("*", everything.duck) if rng.random() < 0.5 else everything
            where = self.of.where()
            text = both(f"SELECT {{}} FROM {self.table}", stars)
            text = both("{} WHERE {}", text, where) if where else text
            return self.done(text, [True] * len(self.columns.all))
        items = [self.value(rng.randrange(4)) for _ in range(rng.randrange(1, 4))]
        return self.done(self.select(items, self.of.where()), [False] * len(items))

    def first_rows(self):
        """The first rows in an order; all columns shown are keys, so that none tie."""
        rng = self.rng
        names = rng.sample(self.columns.all, rng.randrange(1, 4))
        items = [plain(name) for name in names]
        if rng.random() < 0.3:
            items.append(rng.choice([self.of.int, self.of.str])(1))
        keys = list(range(len(items)))
        rng.shuffle(keys)
        return self.done(
            self.select(items, self.of.where(), self.ordering(keys, limit=True)),
            [True] * len(items),
            ordered=True,
        )

    def ordering(self, keys, limit):
        """ORDER BY of the columns of these numbers, by name or place."""
        rng = self.rng
        by = []
        for key in keys:
            way = rng.choice(["", " ASC", " DESC", " DESC NULLS FIRST", " NULLS FIRST"])
            by.append(rng.choice([f"c{key}", str(key + 1)]) + way)
        text = "ORDER BY " + ", ".join(by)
        if limit and rng.random() < 0.8:
            text += f" LIMIT {rng.choice([0, 1, 3, 10, 10, 50, 50])}"
            if rng.random() < 0.5:
                text += f" OFFSET {rng.choice([0, 1, 7, 40])}"
        return plain(text)

    def perhaps_ordered(self, text, exact, keys=None):
        """The query, some with an order by its first columns (the exact ones), some of all rows."""
        if self.rng.random() < 0.5:
            return self.done(text, exact)
        numbers = list(range(keys or [*exact, False].index(False)))
        self.rng.shuffle(numbers)
        after = self.ordering(numbers, limit=True)
        return self.done(both("{} {}", text, after), exact, ordered=True)

    def distinct(self):
        """Distinct tags, or distinct values."""
        rng = self.rng
        if rng.random() < 0.5:
            items = [plain(tag) for tag in self.columns.tags]
            rng.shuffle(items)
        else:
            items = [rng.choice([self.of.int, self.of.str, self.of.bool])(1)]
        keys = list(range(len(items)))
        after = self.ordering(keys, limit=True) if rng.random() < 0.5 else None
        text = self.select(items, self.of.where(), after, distinct=True)
        return self.done(text, [True] * len(items), ordered=after is not None)

    def bucket(self):
        """A bucket: kymograph's short form, and its call and DuckDB's."""
        short, long, origin = self.rng.choice(WIDTHS)
        duck = f"time_bucket(INTERVAL '{long}', {self.columns.time}, TIMESTAMP '{origin}')"
        ways = [f"time_bucket('{short}', {{}})", f"time_bucket(INTERVAL '{long}', {{}})"]
        if long.startswith("1 "):
            ways.append(f"date_trunc('{long[2:]}', {{}})")
        return short, Text(self.rng.choice(ways).format(self.columns.time), duck)

    def some_aggregates(self, most=4):
        """Aggregates, some within expressions."""
        found = [self.aggregates.one() for _ in range(self.rng.randrange(1, most + 1))]
        return [self.aggregates.around(a) if self.rng.random() < 0.2 else a for a in found]

    def having(self):
        """A condition over aggregates."""
        found = self.aggregates.numeric()
        over = self.constants.float(self.rng.uniform(-200, 200))
        condition = both(f"{{}} {self.rng.choice('<>')} {{}}", found.text, over)
        if self.rng.random() < 0.5:
            condition = both("{} OR count(*) > {}", condition, self.constants.int(5))
        return both("HAVING {}", condition)

    def groups(self):
        """Aggregates by buckets and tags, or of everything."""
        rng = self.rng
        tags = (
            [plain(tag) for tag in rng.sample(self.columns.tags, rng.randrange(3) % 3)]
            if len(self.columns.tags) > 1
            else [plain("host")] * rng.randrange(2)
        )
        short, bucket = self.bucket() if rng.random() < 0.6 else (None, None)
        aggregates = self.some_aggregates()
        items = [a.text for a in aggregates]
        exact = [a.exact for a in aggregates]
        where = self.of.where()
        having = self.having() if rng.random() < 0.2 else None
        if short and rng.random() < 0.4:
            return self._short_groups(short, bucket, tags, items, exact, where, having)
        keys = [*([bucket] if bucket else []), *tags]
        rng.shuffle(keys)
        by = self._written_keys(keys)
        parts = [p for p in (by, having) if p]
        ordered = bool(keys) and rng.random() < 0.4
        if ordered:
            numbers = list(range(len(keys)))
            rng.shuffle(numbers)
            counts = [
                len(keys) + i for i, a in enumerate(aggregates) if a.exact and a.type != "float"
            ]
            parts.append(self.ordering([*rng.sample(counts, min(len(counts), 1)), *numbers], True))
        after = joined(" ", parts) if parts else None
        text = self.select([*keys, *items], where, after)
        return self.done(text, [True] * len(keys) + exact, ordered)

    def _written_keys(self, keys):
        """GROUP BY in one of the ways there are to write it."""
        if not keys:
            return None
        match self.rng.randrange(4):
            case 0:
                return both("GROUP BY {}", joined(", ", [plain(f"c{i}") for i in range(len(keys))]))
            case 1:
                return both(
                    "GROUP BY {}", joined(", ", [plain(str(i + 1)) for i in range(len(keys))])
                )
            case 2:
                return plain("GROUP BY ALL")
        return both("GROUP BY {}", joined(", ", keys))

    def _short_groups(self, short, bucket, tags, items, exact, where, having):
        """``GROUP BY 5m, host``: the keys come first without being named."""
        named = [both(f"{{}} AS c{i}", item) for i, item in enumerate(items)]
        keys = ", ".join(tag.ky for tag in tags)
        ky = f"SELECT {', '.join(n.ky for n in named)} FROM {self.table}"
        duck = ", ".join(
            [f"{bucket.duck} AS time", *[t.duck for t in tags], *[n.duck for n in named]]
        )
        duck = f"SELECT {duck} FROM {self.table}"
        if where:
            ky, duck = f"{ky} WHERE {where.ky}", f"{duck} WHERE {where.duck}"
        ky += f" GROUP BY {short}" + (f", {keys}" if tags else "")
        duck += f" GROUP BY {bucket.duck}" + (f", {keys}" if tags else "")
        if having:
            ky, duck = f"{ky} {having.ky}", f"{duck} {having.duck}"
        return self.done(Text(ky, duck), [True] * (1 + len(tags)) + exact)

    def groups_of_values(self):
        """Groups by what is no tag, which are not of one series each."""
        rng = self.rng
        # Polars makes a group of a constant where there are no rows.
        key = plain("")
        while not any(column in key.duck for column in self.columns.all):
            key = rng.choice([self.of.bool, self.of.int, self.of.str])(rng.randrange(2))
        found = []
        while len(found) < 2:
            one = self.aggregates.one(plain_only=True)
            if one.text.ky.partition("(")[0] in KNOWN_TO_POLARS:
                found.append(one)
        text = self.select([key, *[a.text for a in found]], self.of.where(), plain("GROUP BY c0"))
        return self.perhaps_ordered(text, [True, *[a.exact for a in found]], keys=1)

    def scalar_subquery(self):
        """A value, or a list for IN, from a query within."""
        rng = self.rng
        items = [self.value(1), plain(self.columns.time)]
        inner = Expressions(rng, self.constants, self.columns)
        where = inner.where()
        if rng.random() < 0.6:
            found = Aggregates(inner).numeric()
            sub = self.select([found.text], where)
            condition = both(f"{{}} {rng.choice('<>')} ({{}})", self.of.number(0), sub)
        else:
            sub = both(
                f"SELECT DISTINCT host FROM {self.table} {{}}",
                both("WHERE {}", where) if where else plain(""),
            )
            condition = both(f"host {rng.choice(['IN', 'NOT IN'])} ({{}})", sub)
        return self.done(self.select(items, condition), [False, True])

    def _by_host(self, table, count=2):
        """Aggregates by host, as a table of the columns host, v0, v1; and their types."""
        columns = Columns(table)
        aggregates = Aggregates(Expressions(self.rng, self.constants, columns))
        found = [aggregates.numeric() for _ in range(count)]
        items = [both(f"{{}} AS v{i}", a.text) for i, a in enumerate(found)]
        where = aggregates.of.where()
        text = both(f"SELECT host, {{}} FROM {table}", joined(", ", items))
        text = both("{} WHERE {}", text, where) if where else text
        return both("{} GROUP BY host", text), [a.type for a in found]

    def subquery(self):
        """A query of a query's result."""
        inner, types = self._by_host(self.table)
        if self.rng.random() < 0.5:
            over = self.constants.float(self.rng.uniform(-100, 100))
            text = both("SELECT host AS c0, v0 AS c1 FROM ({}) s WHERE v1 > {}", inner, over)
        else:
            greatest = extreme("max", plain("v0"), types[0])
            text = both("SELECT {} AS c0, count(*) AS c1 FROM ({}) s", greatest, inner)
        return self.done(text, [True, True])

    def common(self):
        """A common table expression, or two."""
        inner, types = self._by_host(self.table)
        if self.rng.random() < 0.5:
            ends = extreme("min", plain("v0"), types[0]), extreme("max", plain("v1"), types[1])
            text = both("WITH h AS ({}) SELECT {} AS c0, {} AS c1 FROM h", inner, *ends)
        else:
            text = both(
                "WITH h AS ({}), o AS ({}) "
                "SELECT h.v0 AS c0, o.v0 AS c1 FROM h JOIN o ON h.host = o.host",
                inner,
                self._by_host("m", 1)[0],
            )
        return self.done(text, [True, True])

    def union(self):
        """Two queries one after the other, or their distinct rows."""
        rng = self.rng
        kind = rng.choice(["UNION ALL", "UNION ALL", "UNION"])
        sides = []
        for table in (self.table, rng.choice(["m", "l"])):
            of = Expressions(rng, self.constants, Columns(table))
            items = [plain("host"), of.int(1)]
            sides.append(self.select(items, of.where(), table=table))
        return self.perhaps_ordered(both(f"{{}} {kind} {{}}", *sides), [True, True])

    def join(self):
        """Two tables, or two results, by what they share."""
        rng = self.rng
        way = rng.choice(["JOIN", "LEFT JOIN", "INNER JOIN"])
        if rng.random() < 0.5:
            sides = self._by_host("m")[0], self._by_host("quotes")[0]
            text = both(
                "SELECT a.host AS c0, a.v0 AS c1, b.v0 AS c2, b.v1 AS c3 "
                f"FROM ({{}}) a {way} ({{}}) b ON a.host = b.host",
                *sides,
            )
            return self.perhaps_ordered(text, [True] * 4)
        left = Expressions(rng, self.constants, Columns("l", "a"))
        conditions = [left.where() or plain("a.n > 0")]
        if way != "LEFT JOIN" and rng.random() < 0.5:
            right = Expressions(rng, self.constants, Columns("quotes", "b"))
            conditions.append(right.where() or plain("b.volume > 100"))
        text = both(
            "SELECT a.time AS c0, a.host AS c1, a.n AS c2, b.price AS c3 "
            f"FROM l a {way} quotes b ON a.host = b.host AND a.time = b.time WHERE {{}}",
            joined(" AND ", conditions),
        )
        return self.perhaps_ordered(text, [True] * 4)

    def window(self):
        """Window functions, over series without two rows of one time."""
        rng = self.rng
        self.table, self.columns = "l", Columns("l")
        self.of = Expressions(rng, self.constants, self.columns)
        parts = "PARTITION BY host, dc"
        form = rng.choice(
            [
                f"lag({{}}) OVER ({parts} ORDER BY time)",
                f"lead({{}}) OVER ({parts} ORDER BY time)",
                f"lag({{}}, 2) OVER ({parts} ORDER BY time)",
                f"coalesce({{}}, 0) - lag(coalesce({{}}, 0)) OVER ({parts} ORDER BY time)",
                f"sum({{}}) OVER ({parts})",
                f"avg({{}}) OVER ({parts} ORDER BY time)",
                f"sum({{}}) OVER ({parts} ORDER BY time)",
                f"max({{}}) OVER ({parts})",
                f"count({{}}) OVER ({parts})",
                f"row_number() OVER ({parts} ORDER BY time)",
            ]
        )
        value = self.of.number(rng.randrange(2), clean=True)
        shown = both(form, *[value] * form.count("{}"))
        items = [plain("time"), plain("host"), plain("dc"), shown]
        text = self.select(items, self.of.where())
        return self.perhaps_ordered(text, [True, True, True, False])
