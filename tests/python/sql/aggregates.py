"""Random aggregates, and what DuckDB must be asked for the same."""

from dataclasses import dataclass

from sql.text import Text, both, plain


@dataclass(frozen=True)
class Aggregate:
    """An aggregate: whether it is a value of the data or a count, and of which type."""

    text: Text
    exact: bool
    type: str


class Aggregates:
    """Makes aggregates over random expressions; ``seq`` is DuckDB's number of the row."""

    def __init__(self, expressions, seq="seq"):
        self.of = expressions
        self.rng = expressions.rng
        self.seq = seq

    def one(self, plain_only=False):
        """Any aggregate."""
        rng = self.rng
        condition = None
        if not plain_only and rng.random() < 0.15:
            condition = self.of.bool(rng.randrange(2))
        makers = [
            (self.count, 3),
            (self.total, 4),
            (self.extreme, 5),
            (self.spread, 3),
            (self.percentile, 3),
            (self.end, 4),
            (self.best, 2),
            (self.of_two, 3),
            (self.distinct, 2),
            (self.mode, 1),
            (self.truth, 1),
        ]
        maker = rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        return maker(condition)

    def number(self):
        """An aggregate that is a number."""
        while (found := self.one(plain_only=True)).type not in ("int", "float"):
            pass
        return found

    def numeric(self):
        """A number that is exact, and so on the same side of any limit."""
        while not (found := self.number()).exact:
            pass
        return found

    def _make(self, form, *parts, condition, exact, type_):
        return Aggregate(both(form + " {}", *parts, _filter(condition)), exact, type_)

    def _input(self, clean=False):
        rng = self.rng
        depth = 0 if rng.random() < 0.7 else rng.randrange(1, 3)
        if rng.random() < 0.4:
            return self.of.int(depth), "int"
        return self.of.float(depth, clean), "float"

    def count(self, condition):
        rng = self.rng
        if rng.random() < 0.5:
            return self._make("count(*)", condition=condition, exact=True, type_="int")
        of = rng.choice([self.of.int, self.of.float, self.of.str, self.of.bool])(0)
        return self._make("count({})", of, condition=condition, exact=True, type_="int")

    def total(self, condition):
        of, type_ = self._input()
        name = self.rng.choice(["sum", "avg", "avg", "mean"])
        if name == "sum" and type_ == "int":
            # DuckDB's is a HUGEINT, which meets doubles as a decimal.
            duck = both("CAST(sum({}) {} AS BIGINT)", of, _filter(condition)).duck
            return Aggregate(Text(both("sum({}) {}", of, _filter(condition)).ky, duck), True, "int")
        return self._make(f"{name}({{}})", of, condition=condition, exact=False, type_="float")

    def extreme(self, condition):
        rng = self.rng
        name = rng.choice(["min", "max"])
        pick = rng.randrange(8)
        if pick < 5:
            of, type_ = self._input()
        elif pick == 5:
            of, type_ = self.of.str(rng.randrange(2)), "str"
        elif pick == 6:
            of, type_ = self.of.time(rng.randrange(2)), "time"
        else:
            of, type_ = self.of.bool(0), "bool"
        return Aggregate(extreme(name, of, type_, condition), True, type_)

    def spread(self, condition):
        of, _ = self._input(clean=True)
        names = ["stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"]
        name = self.rng.choice(names)
        return self._make(f"{name}({{}})", of, condition=condition, exact=False, type_="float")

    def percentile(self, condition):
        rng = self.rng
        of, _ = self._input(clean=True)
        percent = rng.choice([0, 1, 5, 25, 50, 90, 95, 99, 99.9, 100])
        form, duck = rng.choice(
            [
                (f"percentile({{}}, {percent})", f"quantile_cont({{}}, {percent / 100!r})"),
                (f"quantile_cont({{}}, {percent / 100!r})", None),
                ("median({})", None),
            ]
        )
        text = both(
            form + " {}",
            of,
            _filter(condition),
            duck=f"CAST({duck or form} {{}} AS DOUBLE)",
        )
        return Aggregate(text, False, "float")

    def end(self, condition):
        rng = self.rng
        name = rng.choice(["first", "last"])
        kind = rng.choice(["int", "float", "float", "str", "bool"])
        of = getattr(self.of, kind)(0 if rng.random() < 0.8 else 1)
        form = rng.choice([f"{name}({{}})", f"{name}({{}}, {self.of.columns.time})"])
        duck = f"arg_{'min' if name == 'first' else 'max'}({{}}, {self.seq})"
        filter_ = _filter(condition)
        return Aggregate(both(form + " {}", of, filter_, duck=duck + " {}"), True, kind)

    def best(self, condition):
        rng = self.rng
        name = rng.choice(["arg_min", "arg_max"])
        kind = rng.choice(["int", "float", "str", "time"])
        of = getattr(self.of, kind)(0)
        by, type_ = self._input()
        ky = both(f"{name}({{}}, {{}}) {{}}", of, by, _filter(condition)).ky
        present = f"({of.duck}) IS NOT NULL AND ({by.duck}) IS NOT NULL"
        also = f" AND {condition.duck}" if condition else ""
        nan = f"isnan({by.duck}) IS TRUE, " if type_ == "float" else ""
        way = "DESC" if name == "arg_max" else "ASC"
        duck = (
            f"first({of.duck} ORDER BY {nan}0 + {by.duck} {way}, {self.seq}) "
            f"FILTER (WHERE {present}{also})"
        )
        return Aggregate(Text(ky, duck), True, kind)

    def of_two(self, condition):
        rng = self.rng
        names = ["corr", "covar_samp", "covar_pop", "regr_slope", "regr_intercept", "regr_r2"]
        name = rng.choice(names)
        y, x = self.of.float(0, clean=True), self.of.int(0)
        if rng.random() < 0.5:
            x, y = y, x
        ky = both(f"{name}({{}}, {{}}) {{}}", y, x, _filter(condition)).ky
        present = f"({y.duck}) IS NOT NULL AND ({x.duck}) IS NOT NULL"
        if condition:
            present += f" AND {condition.duck}"

        def still(one):
            """Whether it does not vary: rounding gives DuckDB a slope then."""
            filter_ = f"FILTER (WHERE {present})"
            return f"coalesce(min({one.duck}) {filter_} = max({one.duck}) {filter_}, true)"

        duck = f"{name}({y.duck}, {x.duck}) {_filter(condition).duck}"
        if name == "corr":
            duck = f"CASE WHEN {still(x)} OR {still(y)} THEN NULL ELSE {duck} END"
        elif name in ("regr_slope", "regr_intercept"):
            duck = f"CASE WHEN {still(x)} THEN NULL ELSE {duck} END"
        elif name == "regr_r2":
            duck = f"CASE WHEN {still(x)} THEN NULL WHEN {still(y)} THEN 1e0 ELSE {duck} END"
        return Aggregate(Text(ky, duck), False, "float")

    def distinct(self, condition):
        kind = self.rng.choice(["int", "float", "str", "bool", "time"])
        of = getattr(self.of, kind)(0)
        return self._make("count(DISTINCT {})", of, condition=condition, exact=True, type_="int")

    def mode(self, condition):
        """Of several as frequent kymograph takes the least."""
        kind = self.rng.choice(["int", "str"])
        of = self.of.column(self.of.columns.ints if kind == "int" else self.of.columns.strs)
        filter_ = _filter(condition)
        # DuckDB takes the one that it meets first.
        duck = f"mode({of.duck} ORDER BY {of.duck}) {filter_.duck}"
        return Aggregate(Text(f"mode({of.ky}) {filter_.ky}", duck), True, kind)

    def truth(self, condition):
        name = self.rng.choice(["bool_and", "bool_or"])
        of = self.of.bool(0)
        return self._make(f"{name}({{}})", of, condition=condition, exact=True, type_="bool")

    def around(self, found):
        """An expression with aggregates in it."""
        rng = self.rng
        match found.type:
            case "int" | "float":
                other = self.number()
                forms = ["({} - {})", "({} * 2 + {})", "coalesce({}, {})"]
                # Where rounding alone makes it differ from 0, the quotient is another.
                forms += ["({} / nullif({}, 0))"] if other.exact else []
                form = rng.choice(forms)
                text = both(form, found.text, other.text)
                type_ = "float" if "/" in form or "float" in (found.type, other.type) else "int"
                return Aggregate(text, False, type_)
            case "str":
                return Aggregate(both("upper({}) || '!'", found.text), True, "str")
            case "bool":
                return Aggregate(both("(NOT {})", found.text), True, "bool")
        return found


def _filter(condition):
    return both("FILTER (WHERE {})", condition) if condition else plain("")


def extreme(name, of, type_, condition=None):
    """``min`` or ``max``: NaN is the greatest to DuckDB; kymograph passes over it unless there is
    nothing else.
    """
    ky = both(f"{name}({{}}) {{}}", of, _filter(condition))
    if type_ != "float":
        return ky
    also = both(" AND {}", condition).duck if condition else ""
    numbers = f"{name}({of.duck}) FILTER (WHERE NOT isnan({of.duck}){also})"
    return Text(ky.ky, f"coalesce({numbers}, {ky.duck})")
