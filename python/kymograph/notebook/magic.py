"""``%%ky``: a cell that is a query."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from kymograph.adapters import to_pandas
from kymograph.database import Database, open
from kymograph.notebook.parameters import parameters

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_WORD = re.compile(r"""\s*("[^"]*"|'[^']*'|\S+)""")
USAGE = "%%ky DATABASE [--pandas] [--name RESULT | >> RESULT], with the query in the lines below"


@dataclass(frozen=True)
class Call:
    """What a magic's line asks for; ``rest`` is what follows the options."""

    database: str
    rest: str
    pandas: bool = False
    name: str | None = None


def load(shell: InteractiveShell) -> None:
    """Registers ``%ky`` and ``%%ky`` with a shell; what ``%load_ext kymograph`` runs."""
    from IPython.core.error import UsageError
    from IPython.core.magic import no_var_expand

    # IPython would paste the values of {x} and $x into the line: they are the query's.
    @no_var_expand  # type: ignore[untyped-decorator]
    def ky(line: str, cell: str | None = None) -> Any:
        """Runs a query of a kymograph database and gives its result.

        ::

            %%ky db [--pandas] [--name RESULT | >> RESULT]
            SELECT host, avg(usage) FROM cpu WHERE time >= $start GROUP BY host

            %ky db SELECT count(*) FROM cpu

        ``db`` is a variable that holds an open database, or the path of one, which is opened for
        reading and closed again. ``$start`` in a query is the variable ``start`` of the notebook,
        handed over as a value. The result is a Polars frame, with ``--pandas`` a pandas one; a
        name makes it a variable too.
        """
        try:
            return run(shell.user_ns, line, cell)
        except UsageMistake as mistake:
            raise UsageError(str(mistake)) from None

    shell.register_magic_function(ky, magic_kind="line_cell", magic_name="ky")


class UsageMistake(Exception):
    """What is wrong with how the magic was called, not with the query."""


def run(variables: dict[str, Any], line: str, cell: str | None) -> Any:
    """The result of one call, which ``variables`` take in when it has a name."""
    call = parse(line)
    if cell is not None and call.rest:
        raise UsageMistake(f"{call.rest!r} is no option; it is {USAGE}")
    text = call.rest if cell is None else cell
    if not text.strip():
        raise UsageMistake(f"there is no query; it is {USAGE}, or %ky DATABASE QUERY in one line")
    names = parameters(text)
    missing = [f"${name}" for name in names if name not in variables]
    if missing:
        raise UsageMistake(
            f"the query takes {', '.join(missing)}, and the notebook has no such variable"
        )
    values = {name: variables[name] for name in names}
    with _database(variables, call.database) as db:
        result = db.sql(text, values or None)
    if call.pandas:
        result = to_pandas(result)
    if call.name is not None:
        variables[call.name] = result
    return result


def parse(line: str) -> Call:
    """The database and the options at the beginning of a line, and the rest of it.

    Raises ``UsageMistake`` for options that there are not, and names that no variable can have.
    """
    first = _WORD.match(line)
    if first is None:
        raise UsageMistake(f"there is no database; it is {USAGE}")
    at, pandas, name = first.end(), False, None
    while word := _WORD.match(line, at):
        option, _, value = word[1].partition("=")
        if word[1] == "--pandas":
            pandas, at = True, word.end()
        elif option == "--name" or word[1] == ">>":
            if not value:
                word = _WORD.match(line, word.end()) or word
                value = word[1]
            name, at = value, word.end()
            if not name.isidentifier() or iskeyword(name):
                raise UsageMistake(f"{name!r} cannot be the name of the result")
        elif word[1].startswith("--") and option[2:3].isalpha():
            raise UsageMistake(f"{option} is no option; it is {USAGE}")
        else:
            break
    database = first[1]
    quoted = database[0] in "\"'" and len(database) > 1
    return Call(database[1:-1] if quoted else database, line[at:].strip(), pandas, name)


@contextmanager
def _database(variables: dict[str, Any], given: str) -> Iterator[Any]:
    """The database that a variable holds, or the one of a path for as long as this lasts."""
    if given in variables:
        database = variables[given]
        if not isinstance(database, Database):
            raise UsageMistake(
                f"{given} is no database but {type(database).__name__}; db = ky.open(path) is one"
            )
        yield database
    elif "://" in given or os.path.isdir(given):
        with open(given, mode="r") as database:
            yield database
    else:
        raise UsageMistake(
            f"{given!r} is neither a variable of the notebook nor the path of a database; "
            "db = ky.open(path) makes a variable"
        )
