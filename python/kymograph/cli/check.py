"""``kymograph check``: reads every byte and names what is damaged."""

from __future__ import annotations

from typing import Annotated

import typer


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
        show.console.print(f"[red]damaged[/]: {damage.file}: {damage.what}", soft_wrap=True)
    show.console.print(f"{len(report.damage)} damaged of {read}")
    raise typer.Exit(1)
