"""Results of kymograph and DuckDB side by side."""

import datetime as dt
import math
from decimal import Decimal

import polars as pl

EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)


def of_kymograph(frame):
    """Rows as tuples; times and lengths of time in ns."""
    columns = []
    for column in frame.iter_columns():
        if column.dtype == pl.Datetime:
            column = column.cast(pl.Datetime("ns", "UTC")).cast(pl.Int64)
        elif column.dtype == pl.Duration:
            column = column.cast(pl.Duration("ns")).cast(pl.Int64)
        columns.append(column.to_list())
    return list(zip(*columns, strict=True)) if columns else [()] * frame.height


def of_duckdb(rows):
    """The same of what DuckDB fetches."""
    return [tuple(map(_value, row)) for row in rows]


def _value(value):
    match value:
        case dt.datetime():
            return (value.replace(tzinfo=None) - EPOCH) // MICROSECOND * 1000
        case dt.date():
            return (dt.datetime(value.year, value.month, value.day) - EPOCH) // MICROSECOND * 1000
        case dt.timedelta():
            return value // MICROSECOND * 1000
        case Decimal():
            return float(value)
    return value


def same(got, expected, exact):
    """Whether two values are the same; floats within 1e-9 unless they must be exact."""
    if got is None or expected is None:
        return got is expected
    if type(got) is not type(expected):
        return False
    if isinstance(got, float):
        if got == expected or (math.isnan(got) and math.isnan(expected)):
            return True
        return not exact and math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)
    return got == expected


def same_row(got, expected, exact):
    """Whether two rows are; ``exact`` has a flag for each column."""
    return all(same(g, e, x) for g, e, x in zip(got, expected, exact, strict=True))


def _rank(row):
    """Rows that differ by rounding alone mostly rank alike."""
    exact = [(v is None, "" if v is None or isinstance(v, float) else str(v)) for v in row]
    floats = [math.inf if v != v else float(f"{v:.6g}") for v in row if isinstance(v, float)]
    return exact, floats


def difference(got, expected, ordered, exact):
    """What is different, or None. Without an order the rows are compared as multisets."""
    if len(got) != len(expected):
        return f"{len(got)} rows, not {len(expected)}; {_first_odd(got, expected, exact)}"
    if not ordered:
        got, expected = sorted(got, key=_rank), sorted(expected, key=_rank)
    pairs = enumerate(zip(got, expected, strict=True))
    wrong = [i for i, (g, e) in pairs if not same_row(g, e, exact)]
    if wrong and not ordered and (left := _unmatched(got, expected, wrong, exact)) is None:
        return None
    if wrong:
        row = wrong[0] if ordered else left
        return f"row {row} of {len(got)}: got {got[row]}, expected {expected[row]}"
    return None


def _unmatched(got, expected, wrong, exact):
    """Of rows that do not pair up in their order the first that pairs up with none, if any."""
    open_ = list(wrong)
    for row in wrong:
        match = next((o for o in open_ if same_row(got[row], expected[o], exact)), None)
        if match is None:
            return row
        open_.remove(match)
    return None


def _first_odd(got, expected, exact):
    left = list(expected)
    for row in got[:300]:
        match = next((e for e in left if same_row(row, e, exact)), None)
        if match is None:
            return f"not expected: {row}"
        left.remove(match)
    return f"missing: {left[0]}" if left else "no difference in the first rows"
