"""What the demo does: write three tables, ask them four questions, draw three charts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from kymograph.demo import data

if TYPE_CHECKING:
    from kymograph import Database


@dataclass(frozen=True)
class Story:
    """Everything that the demo found, ready to print."""

    database: Path
    tables: dict[str, int]
    """Rows written, a table."""
    points: int
    seconds: float
    """From the first write until all was flushed."""
    failure: pl.DataFrame
    """Daily mean, min and max of the machine around its failure."""
    anomalies: pl.DataFrame
    """by, score, count: EC2 instances by their mean distance from the median of those at a time."""
    r: float
    """Pearson's r of network input and disk writes, of ``pairs`` pairs of the same 5 minutes."""
    pairs: int
    stored: int
    csv: int
    chart: Path | None
    """The page of charts; None without Plotly."""


def tell(directory: Path | None = None) -> Story:
    """Runs the demo into ``directory``: the database ``demo.ky`` and the page of charts.

    Without one the database goes to a new temporary directory, which is left for the reader to
    look into, and the page to the working directory. An earlier database there is left alone.
    """
    import kymograph as ky

    # Reading the files is no part of what is timed.
    frames = (data.machine(), data.ec2(), data.network_and_disk())
    home = Path(tempfile.mkdtemp(prefix="kymograph-")) if directory is None else directory
    home.mkdir(parents=True, exist_ok=True)
    path = _unused(home)
    with ky.open(path) as db:
        began = perf_counter()
        written = {
            "machine": db.write("machine", frames[0], tags=["machine"]),
            "ec2": db.write("ec2", frames[1], tags=["host"]),
            "traffic": db.write_events(frames[2], time="time", table="traffic"),
        }
        db.flush()
        seconds = perf_counter() - began
        start, end = data.TOGETHER
        related = db.correlate("traffic", "network_in", "disk_write")
        return Story(
            database=path,
            tables={name: result.rows for name, result in written.items()},
            points=sum(result.points for result in written.values()),
            seconds=seconds,
            failure=db.aggregate(
                "machine",
                {"temperature": ["mean", "min", "max"]},
                every="1d",
                start=data.FAILURE[0],
                end=data.FAILURE[1],
            ),
            anomalies=db.top_anomalies("ec2", "cpu", k=3, by="host", start=start, end=end),
            r=float(related["r"][0]),
            pairs=int(related["n"][0]),
            stored=int(db.stats().bytes),
            csv=data.csv_bytes(),
            chart=_draw(db, (directory or Path.cwd()) / "kymograph-demo.html"),
        )


def _unused(home: Path) -> Path:
    return next(path for path in _candidates(home) if not path.exists())


def _candidates(home: Path) -> Iterator[Path]:
    yield home / "demo.ky"
    number = 2
    while True:
        yield home / f"demo-{number}.ky"
        number += 1


def _draw(db: Database, path: Path) -> Path | None:
    try:
        import plotly  # noqa: F401
    except ImportError:
        return None
    from kymograph.plot import plot_table, write_page

    start, end = data.TOGETHER
    temperature = plot_table(db, "machine", title="Machine temperature")
    temperature.add_vrect(
        x0="2014-02-07T14:55:00",
        x1="2014-02-09T14:05:00",
        fillcolor="#dc2626",
        opacity=0.10,
        line_width=0,
        annotation_text="final failure",
        annotation_position="top left",
    )
    cpu = plot_table(
        db,
        "ec2",
        start=start,
        end=end,
        every="30m",
        units={"cpu": "%"},
        title="CPU of three EC2 instances, mean of 30 minutes",
    )
    traffic = plot_table(
        db,
        "traffic",
        facet=True,
        units={"network_in": "B", "disk_write": "B"},
        title="Network input and disk writes, bytes in 5 minutes",
    )
    return write_page(
        [
            (
                temperature,
                "22,695 measurements, drawn by at most 2,000 points: every spike is kept. The "
                "shaded days are what the Numenta Anomaly Benchmark labels as the failure.",
            ),
            (cpu, "Windows are computed by the database from its compressed blocks."),
            (traffic, "Two metrics of two instances that rise in the same bursts."),
        ],
        path,
        title="kymograph demo",
        lead="Real metrics of the Numenta Anomaly Benchmark (MIT licence), written into a "
        "kymograph database and read back. This page needs no network.",
    )
