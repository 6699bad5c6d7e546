"""A query in two texts, kymograph's and DuckDB's, made together from one random tree."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MARK = re.compile("\x00(\\d+)\x00")


@dataclass(frozen=True)
class Text:
    """The same thing as kymograph and as DuckDB writes it."""

    ky: str
    duck: str


def both(form, *parts, duck=None):
    """``form`` with the parts in the place of ``{}``; ``duck`` where DuckDB has another form."""
    return Text(
        form.format(*[one.ky for one in parts]),
        (duck or form).format(*[one.duck for one in parts]),
    )


def plain(text):
    """A text that both read the same way."""
    return Text(text, text)


def joined(separator, parts):
    """The parts with the separator between."""
    return Text(separator.join(p.ky for p in parts), separator.join(p.duck for p in parts))


@dataclass
class Query:
    """A query, its constants, and how its rows are to be compared."""

    text: Text
    constants: list[tuple[str, Any]]
    ordered: bool = False
    # Of each column, whether its doubles must be the same to the bit.
    exact: list[bool] = field(default_factory=list)
    # One of: text, positional, named.
    parameters: str = "text"

    def kymograph(self):
        """The text for ``db.sql``, and its parameters."""
        used = []

        def put(match):
            text, value = self.constants[int(match[1])]
            if self.parameters == "text" or value is NotImplemented:
                return text
            used.append(value)
            return "?" if self.parameters == "positional" else f"$p{len(used) - 1}"

        text = MARK.sub(put, self.text.ky)
        if not used:
            return text, None
        if self.parameters == "positional":
            return text, used
        return text, {f"p{at}": value for at, value in enumerate(used)}

    def duckdb(self):
        """The text for DuckDB."""
        return self.text.duck


class Constants:
    """Makes constants, which may become parameters of the query."""

    def __init__(self):
        self.made = []

    def _mark(self, text, value, duck):
        self.made.append((text, value))
        return Text(f"\x00{len(self.made) - 1}\x00", duck)

    def int(self, value):
        """A whole number."""
        text = str(value) if value >= 0 else f"({value})"
        return self._mark(text, value, text)

    def float(self, value):
        """A double; DuckDB reads digits with a point as a decimal, but for an exponent."""
        text = repr(value) if value >= 0 else f"({value!r})"
        exponent = repr(value) if "e" in repr(value) else f"{value!r}e0"
        return self._mark(text, value, f"({exponent})")

    def str(self, value):
        """Text."""
        text = "'" + value.replace("'", "''") + "'"
        return self._mark(text, value, text)

    def time(self, ns):
        """A time, of whole microseconds: text, or a parameter of datetime."""
        value = EPOCH + timedelta(microseconds=ns // 1000)
        text = value.strftime("%Y-%m-%d %H:%M:%S.%f")
        iso = text.replace(" ", "T") + "Z"
        return self._mark(f"TIMESTAMP '{iso}'", value, f"TIMESTAMP '{text}'")
