"""Random expressions over the columns of a row."""

from sql.text import both, joined, plain
from sql.world import HOSTS, HOURS, SECOND, START, WORDS

UNITS = ("minute", "hour", "day", "week", "month", "quarter", "year")
PARTS = ("minute", "hour", "day", "month", "year", "dayofweek", "isodow", "dayofyear", "quarter")
INTERVALS = ("90 seconds", "7 minutes", "2 hours", "1 day", "1 month")
PATTERNS = ("^web", "[0-9]+$", "b.*1", "^$", "z+", "^(q|zz)$", "é", "\\d\\d")
LIKES = ("web%", "%0_", "%z%", "_", "", "W%", "%a%b%", "db__1")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "!=")


class Columns:
    """The columns that expressions may name, by type; ``of`` is the alias before the name."""

    def __init__(self, table, of=None):
        name = (lambda column: f"{of}.{column}") if of else (lambda column: column)
        if table == "quotes":
            self.floats, self.calm = [name("price")], [name("price")]
            self.ints, self.bools, self.strs = [name("volume")], [], [name("host")]
            self.tags = [name("host")]
        else:
            self.floats, self.calm = [name("wild"), name("calm")], [name("calm")]
            self.ints, self.bools = [name("n")], [name("up")]
            self.strs = [name("word"), name("host"), name("dc")]
            self.tags = [name("host"), name("dc")]
        self.time = name("time")
        self.all = [self.time, *self.tags] + (
            [name("price"), name("volume")]
            if table == "quotes"
            else [name(field) for field in ("wild", "calm", "n", "up", "word")]
        )


class Expressions:
    """Makes expressions of each type, of limited depth; what could raise is not made."""

    def __init__(self, rng, constants, columns):
        self.rng = rng
        self.constants = constants
        self.columns = columns

    def column(self, names):
        """One of the columns."""
        return plain(self.rng.choice(names))

    def int(self, depth):
        """A whole number far from overflow."""
        rng, c = self.rng, self.constants
        if depth <= 0:
            if rng.random() < 0.7:
                return self.column(self.columns.ints)
            return c.int(rng.choice([0, 1, 2, 3, 7, 10, 100, -1, -5, rng.randrange(-1000, 1000)]))
        inner = depth - 1
        match rng.randrange(14):
            case 0 | 1:
                return both(f"({{}} {rng.choice('+-')} {{}})", self.int(inner), self.int(inner))
            case 2:
                return both("({} * {})", self.int(inner), c.int(rng.randrange(-9, 10)))
            case 3:
                return both("(-{})", self.int(inner))
            case 4:
                by = c.int(rng.choice([-7, 2, 3, 10, 60]))
                return both(f"({{}} {rng.choice(['%', '//'])} {{}})", self.int(inner), by)
            case 5:
                return both(f"{rng.choice(['abs', 'sign'])}({{}})", self.int(inner))
            case 6:
                return both("length({})", self.str(inner))
            case 7:
                part = rng.choice(PARTS)
                form = rng.choice([f"{part}({{}})", f"date_part('{part}', {{}})"])
                if rng.random() < 0.3:
                    form = f"EXTRACT({part} FROM {{}})"
                return both(form, self.time(inner))
            case 8:
                return self._case(self.int, inner)
            case 9:
                return both("coalesce({}, {})", self.int(inner), self.int(0))
            case 10:
                return both("nullif({}, {})", self.int(inner), self.int(0))
            case 11:
                name = rng.choice(["greatest", "least"])
                return both(f"{name}({{}}, {{}})", self.int(inner), self.int(0))
            case 12:
                of = self.column(self.columns.calm) if rng.random() < 0.5 else self.bool(inner)
                return both("CAST({} AS BIGINT)", of)
            case _:
                return both(
                    "strpos({}, {})", self.str(inner), c.str(rng.choice(["b", "z", "0", ""]))
                )

    def float(self, depth, clean=False):
        """A double; ``clean``: neither infinite nor NaN."""
        rng, c = self.rng, self.constants
        if depth <= 0:
            if rng.random() < 0.75:
                return self.column(self.columns.calm if clean else self.columns.floats)
            return c.float(round(rng.uniform(-100, 100), rng.choice([1, 2, 7])))
        inner = depth - 1
        match rng.randrange(14 if clean else 17):
            case 0 | 1 | 2:
                left, right = self.float(inner, clean), self.number(inner, clean)
                return both(f"({{}} {rng.choice('+-*')} {{}})", left, right)
            case 3:
                return both("(-{})", self.float(inner, clean))
            case 4:
                return both("abs({})", self.float(inner, clean))
            case 5:
                name = rng.choice(["floor", "ceil", "trunc"])
                return both(f"{name}({{}})", self.float(inner, clean))
            case 6:
                return self._case(lambda depth: self.float(depth, clean), inner)
            case 7:
                return both("coalesce({}, {})", self.float(inner, clean), self.float(0, clean))
            case 8:
                return both("nullif({}, {})", self.float(inner, clean), self.float(0, clean))
            case 9:
                name = rng.choice(["greatest", "least"])
                return both(f"{name}({{}}, {{}})", self.float(inner, clean), self.float(0, clean))
            case 10:
                return both("CAST({} AS DOUBLE)", self.int(inner))
            case 11:
                return both("sqrt(abs({}))", self.float(inner, clean))
            case 12:
                return both("epoch({} - {})", self.time(inner), self.moment())
            case 13:
                return both("({} / {})", self.number(inner, clean), c.int(rng.choice([2, 3, -8])))
            case 14:
                return both("({} / {})", self.number(inner), self.number(inner))
            case 15:
                return both("ln(abs({}) + 1)", self.float(inner))
            case _:
                return both("({} % {})", self.float(inner), c.int(rng.choice([2, 7])))

    def number(self, depth, clean=False):
        """A whole number or a double."""
        return self.int(depth) if self.rng.random() < 0.4 else self.float(depth, clean)

    def str(self, depth):
        """Text."""
        rng, c = self.rng, self.constants
        if depth <= 0:
            if rng.random() < 0.75:
                return self.column(self.columns.strs)
            return c.str(rng.choice([*HOSTS, *WORDS, "x", "it's"]))
        inner = depth - 1
        match rng.randrange(13):
            case 0:
                return both(
                    f"{rng.choice(['lower', 'upper', 'reverse', 'trim'])}({{}})", self.str(inner)
                )
            case 1 | 2:
                return both("({} || {})", self.str(inner), self.str(0))
            case 3:
                return both("concat({}, {})", self.str(inner), self.str(0))
            case 4:
                form = rng.choice(["substr({}, {}, {})", "SUBSTRING({} FROM {} FOR {})"])
                start, length = c.int(rng.randrange(1, 4)), c.int(rng.randrange(0, 4))
                return both(form, self.str(inner), start, length)
            case 5:
                name = rng.choice(["left", "right"])
                return both(f"{name}({{}}, {{}})", self.str(inner), c.int(rng.randrange(-2, 4)))
            case 6:
                old = c.str(rng.choice(["z", "b", "-"]))
                return both(
                    "replace({}, {}, {})", self.str(inner), old, c.str(rng.choice(["", "ü"]))
                )
            case 7:
                return self._case(self.str, inner)
            case 8:
                return both("coalesce({}, {})", self.str(inner), self.str(0))
            case 9:
                return both("CAST({} AS VARCHAR)", self.int(inner))
            case 10:
                form = rng.choice(["%Y-%m-%d", "%H:%M:%S", "%j %d.%m."])
                return both(f"strftime({{}}, '{form}')", self.time(inner))
            case 11:
                place = rng.randrange(1, 3)
                return both(f"split_part({{}}, {{}}, {place})", self.str(inner), c.str("-"))
            case _:
                side = rng.choice(["lpad", "rpad"])
                return both(f"{side}({{}}, {rng.randrange(0, 7)}, '*')", self.str(inner))

    def time(self, depth):
        """A time."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            return plain(self.columns.time) if rng.random() < 0.8 else self.moment()
        inner = depth - 1
        match rng.randrange(4):
            case 0:
                return both(f"date_trunc('{rng.choice(UNITS)}', {{}})", self.time(inner))
            case 1:
                by = rng.choice(INTERVALS)
                return both(f"({{}} {rng.choice('+-')} INTERVAL '{by}')", self.time(inner))
            case 2:
                width = rng.choice(["5 minutes", "7 minutes", "1 hour"])
                return both(
                    f"time_bucket('{width}', {{}})",
                    self.time(inner),
                    duck=f"time_bucket(INTERVAL '{width}', {{}}, TIMESTAMP '1970-01-01')",
                )
            case _:
                return self._case(self.time, inner)

    def moment(self, second=None):
        """A constant time near the data, often a full hour; or near so many seconds after START."""
        rng = self.rng
        if second is None:
            second = rng.randrange(-60, HOURS * 3600 + 60)
        if rng.random() < 0.3:
            second = round(second / 3600) * 3600
        return self.constants.time(START + second * SECOND + rng.choice([0, 0, 0, 123_456_000]))

    def _case(self, of, depth):
        rng = self.rng
        whens = [
            both("WHEN {} THEN {}", self.bool(max(depth - 1, 0)), of(depth))
            for _ in range(rng.randrange(1, 3))
        ]
        otherwise = [both("ELSE {}", of(0))] if rng.random() < 0.7 else []
        return both("CASE {} END", joined(" ", [*whens, *otherwise]))

    def bool(self, depth):
        """A condition."""
        rng = self.rng
        if depth <= 0:
            return self.atom(0)
        match rng.randrange(8):
            case 0 | 1:
                return both("({} AND {})", self.bool(depth - 1), self.bool(depth - 1))
            case 2 | 3:
                return both("({} OR {})", self.bool(depth - 1), self.bool(depth - 1))
            case 4:
                return both("(NOT {})", self.bool(depth - 1))
            case 5:
                test = rng.choice(["IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NULL", "IS NOT NULL"])
                return both(f"({{}} {test})", self.bool(depth - 1))
            case _:
                return self.atom(depth - 1)

    def atom(self, depth):
        """A condition that is no AND, OR or NOT."""
        rng, c = self.rng, self.constants
        negated = rng.choice(["", "", "NOT "])
        match rng.randrange(17):
            case 0 | 1:
                return self._compared(self.int(depth), self.number(depth))
            case 2 | 3:
                return self._compared(self.float(depth), self.number(depth))
            case 4:
                return self._compared(self.str(depth), self.str(0))
            case 5 | 6:
                return self._compared(self.time(depth), self.moment())
            case 7:
                values = [c.str(v) for v in rng.sample([*HOSTS, "nobody"], rng.randrange(1, 4))]
                null = [plain("NULL")] if rng.random() < 0.1 else []
                tag = self.column(self.columns.tags)
                return both(f"({{}} {negated}IN ({{}}))", tag, joined(", ", [*values, *null]))
            case 8:
                values = [c.int(rng.randrange(-20, 20)) for _ in range(rng.randrange(1, 5))]
                of = both("({} % {})", self.int(depth), c.int(rng.choice([7, 20])))
                return both(f"({{}} {negated}IN ({{}}))", of, joined(", ", values))
            case 9:
                low = rng.randrange(-500, 200)
                ends = c.int(low), c.int(low + rng.randrange(-5, 700))
                return both(f"({{}} {negated}BETWEEN {{}} AND {{}})", self.number(depth), *ends)
            case 10:
                ends = self.moment(), self.moment()
                return both(f"({{}} {negated}BETWEEN {{}} AND {{}})", self.time(depth), *ends)
            case 11:
                like = rng.choice(["LIKE", "LIKE", "ILIKE"])
                pattern = c.str(rng.choice(LIKES))
                return both(f"({{}} {negated}{like} {{}})", self.str(depth), pattern)
            case 12:
                pattern, of = c.str(rng.choice(PATTERNS)), self.str(depth)
                form = rng.choice(["({} ~ {})", "regexp_matches({}, {})"])
                return both(form, of, pattern, duck="regexp_matches({}, {})")
            case 13:
                of = rng.choice([self.str, self.number, self.int])(depth)
                return both(f"({{}} IS {negated}NULL)", of)
            case 14:
                if not self.columns.bools:
                    return both("isnan({})", self.float(depth))
                column = self.column(self.columns.bools)
                return both(rng.choice(["{}", "({} = true)", "({} IS NOT FALSE)"]), column)
            case 15:
                return both(
                    f"{rng.choice(['isnan', 'isfinite', 'isinf'])}({{}})", self.float(depth)
                )
            case _:
                name = rng.choice(["starts_with", "contains", "ends_with"])
                return both(
                    f"{name}({{}}, {{}})", self.str(depth), c.str(rng.choice(["we", "z", ""]))
                )

    def _compared(self, left, right):
        rng = self.rng
        if rng.random() < 0.1:
            return both(f"({{}} IS {rng.choice(['', 'NOT '])}DISTINCT FROM {{}})", left, right)
        return both(f"({{}} {rng.choice(COMPARISONS)} {{}})", left, right)

    def where(self):
        """A condition as queries have it: a span of time and series, and others, or none."""
        rng = self.rng
        parts = []
        first = rng.randrange(-60, HOURS * 3600)
        if rng.random() < 0.5:
            low = self.moment(first)
            parts.append(both(f"{self.columns.time} {rng.choice(['>=', '>'])} {{}}", low))
        if rng.random() < 0.3:
            high = self.moment(first + rng.randrange(HOURS * 3600))
            parts.append(both(f"{self.columns.time} {rng.choice(['<', '<='])} {{}}", high))
        if rng.random() < 0.3:
            tag = rng.choice(self.columns.tags)
            value = self.constants.str(rng.choice("xy" if tag.endswith("dc") else HOSTS))
            parts.append(both(rng.choice(["{} = {}", "{} IN ({})", "{} <> {}"]), plain(tag), value))
        if rng.random() < 0.05:
            parts.append(plain(f"{self.columns.tags[0]} IS NULL"))
        if rng.random() < 0.5:
            parts.append(self.bool(rng.randrange(3)))
        rng.shuffle(parts)
        return joined(" AND ", parts) if parts else None
