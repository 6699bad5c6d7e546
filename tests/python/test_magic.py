"""``%load_ext kymograph``: cells that are queries, in a real IPython shell."""

import duckdb
import pandas as pd
import polars as pl
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import kymograph as ky
from kymograph.notebook.parameters import parameters
from oracles import plain

FRAME = {"time": [1, 2, 3, 4], "host": ["a", "b", "a", "b"], "usage": [10.0, 20.0, 30.0, 40.0]}
BY_HOST = "SELECT host, sum(usage) AS total FROM cpu GROUP BY host ORDER BY host\n"


def sql(db, text, params=None):
    """What ``Database.sql`` does, by DuckDB, where the database has no such verb."""
    with duckdb.connect() as connection:
        for table in db.tables():
            connection.register(table, plain(db.read(table)).to_arrow())
        return pl.DataFrame(connection.sql(text, params=params).to_arrow_table())


@pytest.fixture
def shell(monkeypatch):
    if not hasattr(ky.Database, "sql"):
        monkeypatch.setattr(ky.Database, "sql", sql, raising=False)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "kymograph")
    with ky.open() as db:
        db.write("cpu", FRAME, tags=["host"])
        shell.user_ns["db"] = db
        yield shell
    InteractiveShell.clear_instance()


def totals(frame):
    return dict(plain(frame).rows())


def test_a_cell_is_a_query_whose_result_is_shown(shell):
    ran = shell.run_cell("%%ky db\n" + BY_HOST)
    assert ran.success
    assert totals(ran.result) == {"a": 40.0, "b": 60.0}
    assert isinstance(ran.result, pl.DataFrame)
    assert shell.user_ns["_"] is ran.result


@pytest.mark.parametrize("semicolon", [";", ";\n", " ;\n\n"])
def test_a_query_may_end_with_a_semicolon(shell, semicolon):
    ran = shell.run_cell("%%ky db\n" + BY_HOST.strip() + semicolon)
    assert totals(ran.result) == {"a": 40.0, "b": 60.0}


def test_a_line_is_a_query_and_can_be_assigned(shell):
    query = "SELECT count(*) AS n FROM cpu"
    assert shell.run_cell(f"%ky db {query}").result.item() == 4
    shell.run_cell(f"found = %ky db --pandas {query}").raise_error()
    assert shell.user_ns["found"]["n"].tolist() == [4]
    text = "SELECT count(*) FROM cpu WHERE host = '--name'"
    assert shell.run_cell(f"%ky db {text}").result.item() == 0


@pytest.mark.parametrize(
    "options", ["--name found", "--name=found", ">> found", "--pandas >> found"]
)
def test_a_name_makes_a_variable(shell, options):
    ran = shell.run_cell(f"%%ky db {options}\n{BY_HOST}")
    assert ran.result is shell.user_ns["found"]
    kind = pd.DataFrame if "--pandas" in options else pl.DataFrame
    assert isinstance(ran.result, kind)
    assert ran.result["total"].to_list() == [40.0, 60.0]


def test_parameters_are_the_notebooks_variables(shell):
    query = "SELECT count(*) AS n FROM cpu WHERE usage >= $least AND host = $host"
    shell.run_cell("least, host = 15, 'b'")
    assert shell.run_cell(f"%%ky db\n{query}").result.item() == 2
    assert shell.run_cell(f"%ky db {query}").result.item() == 2
    # A value is a value, whatever it says.
    shell.run_cell("host = \"b' OR 'a' = 'a\"")
    assert shell.run_cell(f"%%ky db\n{query}").result.item() == 0
    assert shell.run_cell(f"%ky db {query}").result.item() == 0


def test_braces_and_dollars_in_text_stay(shell):
    shell.run_cell("host = 'b'")
    text = "SELECT count(*) AS n FROM cpu WHERE host IN ('{host}', '$host')"
    assert shell.run_cell(f"%ky db {text}").result.item() == 0
    assert shell.run_cell(f"%%ky db\n{text} -- $nothing").result.item() == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT $a, $b_2, $a", ["a", "b_2"]),
        ("SELECT '$a', \"$b\", 'it''s $c' FROM t -- $d\nWHERE x = $e /* $f\n $g */", ["e"]),
        ("x>$a AND(y<$b)", ["a", "b"]),
        ("SELECT ?, $1, a$b, $$c$$", []),
    ],
)
def test_the_parameters_of_a_query(text, names):
    assert parameters(text) == names


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_path_is_opened_for_reading_and_closed(shell, tmp_path, quote):
    path = tmp_path / ("with space.ky" if quote else "plain.ky")
    with ky.open(path) as db:
        db.write("cpu", FRAME, tags=["host"])
        ran = shell.run_cell(f"%%ky {quote}{path}{quote}\nSELECT count(*) FROM cpu")
        assert ran.result.item() == 4
        assert ky.check(path).ok


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%ky", "there is no database"),
        ("%ky db", "there is no query"),
        ("%%ky db\n\n  ", "there is no query"),
        ("%%ky nobody\nSELECT 1", "'nobody' is neither a variable of the notebook nor the path"),
        ("%%ky pl\nSELECT 1", "pl is no database but module"),
        ("%%ky db --loud\nSELECT 1", "--loud is no option"),
        ("%%ky db loud\nSELECT 1", "'loud' is no option"),
        ("%%ky db --name 2nd\nSELECT 1", "'2nd' cannot be the name of the result"),
        ("%%ky db >> class\nSELECT 1", "'class' cannot be the name of the result"),
        ("%%ky db --name\nSELECT 1", "'--name' cannot be the name of the result"),
        ("%%ky db\nSELECT $unheard", r"the query takes \$unheard, and the notebook has no such"),
    ],
)
def test_mistakes_say_what_would_work(shell, cell, says):
    shell.run_cell("import polars as pl")
    ran = shell.run_cell(cell)
    assert isinstance(ran.error_in_exec, UsageError)
    with pytest.raises(UsageError, match=says):
        ran.raise_error()


def test_a_failed_query_is_raised_and_leaves_the_variable(shell):
    shell.run_cell("found = 1")
    ran = shell.run_cell("%%ky db --name found\nSELEKT 1")
    assert ran.error_in_exec is not None
    assert not isinstance(ran.error_in_exec, UsageError)
    assert shell.user_ns["found"] == 1


def test_help_and_no_ipython_before_it_is_loaded(shell):
    import subprocess
    import sys

    assert "%%ky db" in shell.find_magic("ky").__doc__
    code = "import sys, kymograph; sys.exit('IPython' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
