"""``kymograph check``: reads every byte and names what is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kymograph import Damage


def check(db: Annotated[str, typer.Argument(help="The database's path.")]) -> None:
    """Verify every checksum; exit 1 when anything is damaged."""
    import kymograph as ky
    from kymograph.cli import show

    report = ky.check(db)
    read = f"{report.files:,} files, {show.size(report.bytes)}"
    if report.ok:
        show.console.print(f"[green]sound[/]: {read}")
        return
    for damage in report.damage:
        line = f"[red]damaged[/]: {damage.file}: {damage.what}{_rows(damage)}"
        show.console.print(line, soft_wrap=True)
    show.console.print(f"{len(report.damage)} damaged of {read}")
    show.console.print(f"`kymograph repair {db}` keeps what is whole")
    raise typer.Exit(1)


def _rows(damage: Damage) -> str:
    """The rows that are damaged, where that is known."""
    if damage.table is None or damage.first_time is None or damage.last_time is None:
        return ""
    import numpy as np

    first, last = np.datetime64(damage.first_time, "ns"), np.datetime64(damage.last_time, "ns")
    series = "any series"
    if damage.series is not None:
        series = ", ".join(f"{tag}={value}" for tag, value in damage.series.items())
    return f" (table {damage.table}, {series}, {first}Z to {last}Z)"
