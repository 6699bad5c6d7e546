"""``kymograph compact``: merges segments and says what that saved."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated

import typer


def compact(db: Annotated[str, typer.Argument(help="The database's path.")]) -> None:
    """Merge segments, apply deletes and duplicates, choose codecs anew."""
    import kymograph as ky
    from kymograph.cli import show

    show.must_exist(db)
    with ky.open(db) as database:
        before = database.stats()
        began = perf_counter()
        database.compact()
        seconds = perf_counter() - began
        after = database.stats()
    show.console.print(
        f"{before.segments:,} segments, {show.size(before.bytes)}"
        f" → {after.segments:,} segments, {show.size(after.bytes)} in {seconds:.2f} s"
    )
