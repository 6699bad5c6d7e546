"""Random queries with clauses of time series, and DuckDB's long way to the same."""

from sql.expressions import Columns, Expressions
from sql.text import Text, both, plain
from sql.world import HOURS, SECOND, START

EPOCH = "TIMESTAMP '1970-01-01'"


def _range(maker, hours):
    """A span of whole minutes in the data: DuckDB's ends, and the condition."""
    rng = maker.rng
    first = START + rng.randrange(0, (HOURS - hours) * 60) * 60 * SECOND
    low = maker.constants.time(first)
    high = maker.constants.time(first + rng.randrange(1, hours * 60) * 60 * SECOND)
    condition = both("time >= {} AND time < {}", low, high)
    if rng.random() < 0.3:
        # Another condition on time would be another span.
        while "time" in (more := maker.of.bool(0)).ky:
            pass
        condition = both("{} AND {}", condition, more)
    return low.duck, high.duck, condition


def filled(maker):
    """Every group has every bucket of the range; gaps are filled."""
    rng = maker.rng
    low, high, condition = _range(maker, 3)
    short, long = rng.choice([("5m", "5 minutes"), ("7m", "7 minutes"), ("2m", "2 minutes")])
    tags = rng.sample(maker.columns.tags, rng.randrange(len(maker.columns.tags) + 1))
    found = [maker.aggregates.number() for _ in range(rng.randrange(1, 4))]
    ways = ["prev", "null", "linear", "7"]
    each = [rng.choice(ways) for _ in found]
    if rng.random() < 0.6 or len(found) == 1:
        each = [each[0]] * len(found)
        fill = each[0]
    else:
        fill = ", ".join(each)
    named = [both(f"{{}} AS c{i}", a.text) for i, a in enumerate(found)]
    shown = "".join(f"{tag}, " for tag in tags)
    ky = f"SELECT {', '.join(n.ky for n in named)} FROM {maker.table} WHERE {condition.ky} "
    if rng.random() < 0.5:
        ky = ky.replace("SELECT ", f"SELECT {shown}", 1) + f"SAMPLE BY {short} FILL({fill})"
        ky = ky.replace("SELECT ", "SELECT time, ", 1) if rng.random() < 0.5 and not tags else ky
    else:
        ky += f"GROUP BY {', '.join([short, *tags])} FILL({fill})"

    def bucket(of):
        return f"time_bucket(INTERVAL '{long}', {of}, {EPOCH})"

    keys = ", ".join([bucket("time"), *tags])
    inner = (
        f"SELECT {bucket('time')} AS time, {shown}{', '.join(n.duck for n in named)} "
        f"FROM {maker.table} WHERE {condition.duck} GROUP BY {keys}"
    )
    same = "".join(f" AND g.{tag} IS NOT DISTINCT FROM t.{tag}" for tag in tags)
    over = f"PARTITION BY {', '.join('t.' + tag for tag in tags)} " if tags else ""
    columns = [
        _filling(f"g.c{i}", aggregate, way, over)
        for i, (aggregate, way) in enumerate(zip(found, each, strict=True))
    ]
    groups = f"SELECT DISTINCT {', '.join(tags)} FROM g" if tags else "SELECT 1 FROM g LIMIT 1"
    duck = (
        f"WITH g AS ({inner}), t AS ({groups}), "
        f"s AS (SELECT unnest(generate_series({bucket(low)}, "
        f"{bucket(f'{high} - INTERVAL 1 MICROSECOND')}, INTERVAL '{long}')) AS time) "
        f"SELECT s.time, {''.join(f't.{tag}, ' for tag in tags)}"
        f"{', '.join(f'{text} AS c{i}' for i, text in enumerate(columns))} "
        f"FROM t CROSS JOIN s LEFT JOIN g ON g.time = s.time{same}"
    )
    exact = [a.exact and way != "linear" for a, way in zip(found, each, strict=True)]
    exact = [True] * (1 + len(tags)) + exact
    return maker.done(Text(ky, duck), exact)


def _filling(column, aggregate, way, over):
    """A column with its gaps filled."""
    if aggregate.text.ky.startswith("count"):
        return f"coalesce({column}, 0)"
    before = f"last_value({column} IGNORE NULLS) OVER ({over}ORDER BY s.time)"
    match way:
        case "null":
            return column
        case "7":
            return f"coalesce({column}, 7)"
        case "prev":
            return f"coalesce({column}, {before})"
    rows = f"OVER ({over}ORDER BY s.time ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
    at = f"CASE WHEN {column} IS NOT NULL THEN epoch(s.time) END"
    t0 = f"last_value({at} IGNORE NULLS) OVER ({over}ORDER BY s.time)"
    after, t1 = (
        f"first_value({column} IGNORE NULLS) {rows}",
        f"first_value({at} IGNORE NULLS) {rows}",
    )
    part = f"((epoch(s.time) - {t0}) / ({t1} - {t0}))"
    line = f"{before} * (1 - {part}) + {after} * {part}"
    # A line of infinities is NaN, but between two that are the same.
    line = f"CASE WHEN {before} = {after} THEN {before} ELSE {line} END"
    if aggregate.type == "int":
        line = f"CAST(round_even({line}, 0) AS BIGINT)"
    return f"coalesce({column}, {line})"


def sliding(maker):
    """Windows that overlap, or leave times out."""
    rng = maker.rng
    low, high, condition = _range(maker, 4)
    (width, long), (step, short) = rng.choice(
        [
            (("1h", "1 hour"), ("15m", "15 minutes")),
            (("10m", "10 minutes"), ("4m", "4 minutes")),
            (("5m", "5 minutes"), ("5m", "5 minutes")),
            (("2m", "2 minutes"), ("10m", "10 minutes")),
        ]
    )
    tags = rng.sample(maker.columns.tags, rng.randrange(2))
    found = [maker.aggregates.one() for _ in range(rng.randrange(1, 4))]
    named = [both(f"{{}} AS c{i}", a.text) for i, a in enumerate(found)]
    ky = (
        f"SELECT {', '.join(n.ky for n in named)} FROM {maker.table} WHERE {condition.ky} "
        f"GROUP BY {', '.join([f'{width} STEP {step}', *tags])}"
    )
    keys = ", ".join(["w", *tags])
    # The windows' starts must not be called time, which the aggregates may name.
    starts = (
        f"SELECT unnest(generate_series(time_bucket(INTERVAL '{short}', {low} - INTERVAL '{long}', "
        f"{EPOCH}), {high}, INTERVAL '{short}')) AS w"
    )
    shown = ", ".join(["w AS time", *tags, *[n.duck for n in named]])
    duck = (
        f"SELECT {shown} "
        f"FROM ({starts}) windows JOIN {maker.table} ON time >= w AND time < w + INTERVAL '{long}' "
        f"WHERE {condition.duck} GROUP BY {keys}"
    )
    return maker.done(Text(ky, duck), [True] * (1 + len(tags)) + [a.exact for a in found])


def latest(maker):
    """The latest row of each group."""
    rng = maker.rng
    tags = rng.sample(maker.columns.tags, rng.randrange(1, len(maker.columns.tags) + 1))
    where = maker.of.where()
    columns = ", ".join(rng.sample(maker.columns.all, rng.randrange(1, 5)))
    picked = both("WHERE {}", where) if where else plain("")
    keys = ", ".join(tags)
    ky = f"SELECT {columns} FROM {maker.table} {picked.ky} LATEST ON time PARTITION BY {keys}"
    duck = (
        f"SELECT {columns} FROM (SELECT DISTINCT ON ({keys}) * FROM {maker.table} {picked.duck} "
        f"ORDER BY {keys}, seq DESC)"
    )
    return maker.done(Text(ky, duck), [True] * (columns.count(",") + 1))


def asof(maker):
    """To each row the latest one of another table that is not after it."""
    rng = maker.rng
    way = rng.choice(["ASOF JOIN", "ASOF LEFT JOIN"])
    comparison = rng.choice([">=", ">"])
    left = Expressions(rng, maker.constants, Columns("l", "a"))
    where = left.where()
    text = both(
        "SELECT a.time AS c0, a.host AS c1, a.n AS c2, b.time AS c3, b.price AS c4 "
        f"FROM l a {way} quotes b ON a.host = b.host AND a.time {comparison} b.time {{}}",
        both("WHERE {}", where) if where else plain(""),
    )
    return maker.done(text, [True] * 5)
