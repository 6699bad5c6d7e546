"""The documentation: every Python block runs, in order, and prints what stands below it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "guide.md", ROOT / "docs" / "sql.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def blocks(page):
    """The Python blocks of a page: line, code, and the ``text`` block next to it or None."""
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block[1] != "python":
            continue
        printed = None
        if (
            after is not None
            and after[1] == "text"
            and not text[block.end() : after.start()].strip()
        ):
            printed = after[2]
        yield text[: block.start()].count("\n") + 2, block[2], printed


def words(text):
    """The words of an output: how wide a table's columns are drawn is not compared."""
    return re.sub(r"[─-╿+|=-]{2,}|[│┆╞╡]", " ", text).split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = list(blocks(page))
    assert found
    assert any(printed is not None for _, _, printed in found)
    names = {"__name__": "__main__"}
    for line, code, printed in found:
        out = io.StringIO()
        # Blank lines, so that a traceback names the page's own line.
        source = compile("\n" * (line - 1) + code, str(page), "exec")
        with contextlib.redirect_stdout(out):
            exec(source, names)
        if printed is not None:
            assert words(out.getvalue()) == words(printed), f"{page.name} line {line}"
