"""``kymograph repair``: quarantines what is damaged and goes on with the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kymograph import Loss


def repair(db: Annotated[str, typer.Argument(help="The database's path.")]) -> None:
    """Move damaged files to quarantine/, keep what can be verified, and say what is lost.

    Exit 0 when nothing is lost, 1 when rows are.
    """
    import kymograph as ky
    from kymograph.cli import show

    if "://" not in db and not Path(db).is_dir():
        raise ky.NotFound(f"there is no database folder {db}")
    with ky.open(db, repair=True) as database:
        report = database.repaired
    if report is None or report.version is None:
        show.console.print("[green]sound[/]: there is nothing to repair")
        return
    for each in report.quarantined:
        where = "missing" if each.kept is None else f"kept as {each.kept}"
        line = f"[yellow]{where}[/]: {each.file}: {each.what}"
        show.console.print(line, soft_wrap=True)
    for loss in report.lost:
        show.console.print(f"[red]lost[/]: {_told(loss)}", soft_wrap=True)
    show.console.print(f"version {report.version} names nothing that is damaged")
    if report.lost:
        raise typer.Exit(1)


def _told(loss: Loss) -> str:
    parts = [loss.file]
    if loss.table is not None:
        parts.append(f"table {loss.table}")
    if loss.series is not None:
        parts.append(", ".join(f"{tag}={value}" for tag, value in loss.series.items()))
    if loss.first_time is not None and loss.last_time is not None:
        import numpy as np

        first, last = np.datetime64(loss.first_time, "ns"), np.datetime64(loss.last_time, "ns")
        parts.append(f"{first}Z to {last}Z")
    if loss.rows is not None:
        parts.append(f"at most {loss.rows:,} rows")
    return "; ".join([*parts, loss.what])
