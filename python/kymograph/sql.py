"""SQL: kymograph answers what one table answers alone, Polars what is left, over those results."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from kymograph import _core, arguments, forks
from kymograph.errors import invalid, shown
from kymograph.parameters import Parameters, native_parameters

if TYPE_CHECKING:
    from kymograph.database import Database


def run_sql(
    db: Database, text: str, params: Parameters | None, timeout: Any, memory: Any
) -> pl.DataFrame:
    """Runs one statement; see ``Database.sql``."""
    if not isinstance(text, str):
        raise invalid(f"sql takes the text of a query, got {shown(text)}")
    limits = arguments.bounds(None, None, timeout, memory)
    answer = db._native.sql(text, *native_parameters(params), limits)
    if isinstance(answer, _core.Frame):
        return pl.DataFrame(answer)
    begin = time.perf_counter()
    frame = _finish(answer)
    if answer.explained is None:
        return frame
    elapsed = (time.perf_counter() - begin) * 1e3
    lines = [*answer.explained, f"  Polars took {elapsed:.1f} ms for {frame.height} rows"]
    return pl.DataFrame({"plan": lines})


def _finish(answer: _core.Unfinished) -> pl.DataFrame:
    """Runs Polars' part of a query over kymograph's."""
    forks.require_polars(f"SQL that Polars finishes ({answer.reason})")
    frames = {name: pl.DataFrame(frame) for name, frame in answer.parts()}
    for join in answer.joins:
        frames[join["name"]] = _asof(frames, join)
    context = pl.SQLContext({name: frame.lazy() for name, frame in frames.items()})
    try:
        return context.execute(answer.sql, eager=True)
    except (pl.exceptions.PolarsError, NotImplementedError) as error:
        raise invalid(
            f"SQL: Polars, to which the query goes for {answer.reason}, cannot run it: {error}; it "
            f"was asked: {answer.sql}"
        ) from error


def _asof(frames: Mapping[str, pl.DataFrame], join: Mapping[str, Any]) -> pl.DataFrame:
    """To each row of the left frame the latest of the right one that is not after it."""
    sides = []
    for part, alias in (join["left"], join["right"]):
        frame = frames[part]
        sides.append(frame.rename({name: f"{alias}.{name}" for name in frame.columns}))
    left, right = sides
    (_, a), (_, b) = join["left"], join["right"]
    left_on, right_on = f"{a}.{join['on'][0]}", f"{b}.{join['on'][1]}"
    joined = left.sort(left_on, maintain_order=True).join_asof(
        # Rows without a time are after none.
        right.drop_nulls(right_on).sort(right_on, maintain_order=True),
        left_on=left_on,
        right_on=right_on,
        by_left=[f"{a}.{left}" for left, _ in join["by"]] or None,
        by_right=[f"{b}.{right}" for _, right in join["by"]] or None,
        strategy="backward",
        allow_exact_matches=join["equal"],
        coalesce=False,
        check_sortedness=False,
    )
    return joined if join["keep"] else joined.drop_nulls(right_on)
