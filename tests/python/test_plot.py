"""Charts: lines, gaps, spikes and panels, as the figure holds them; then from a database."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from kymograph._core import InvalidArgument
from kymograph.plot import plot, plot_table, write_page

pytest.importorskip("plotly")
MINUTE = 60 * 10**9


def frame(times, values, **more):
    at = pl.from_epoch(pl.Series("time", times, dtype=pl.Int64), "ns")
    return pl.DataFrame({"time": at, "usage": values, **more})


def broken(trace):
    return np.flatnonzero(np.isnan(np.asarray(trace.y, dtype=float))).tolist()


def test_a_gap_is_three_times_the_median_step():
    steps = [0, 1, 2, 5, 6, 10, 11]  # 3 steps wide is none yet, 4 is
    figure = plot(frame([s * MINUTE for s in steps], [1.0] * 7))
    assert broken(figure.data[0]) == [5]
    assert broken(plot(frame([s * MINUTE for s in steps], [1.0] * 7), gaps="2m").data[0]) == [3, 6]
    assert broken(plot(frame([s * MINUTE for s in steps], [1.0] * 7), gaps=None).data[0]) == []


def test_nan_breaks_null_does_not():
    figure = plot(frame([0, 1, 2, 3], [1.0, float("nan"), 2.0, 3.0]), gaps=None)
    assert broken(figure.data[0]) == [1]
    assert len(figure.data[0].x) == 4
    figure = plot(frame([0, 1, 2, 3], [1.0, None, 2.0, 3.0]), gaps=None)
    assert list(figure.data[0].y) == [1.0, 2.0, 3.0]


def test_a_lone_point_gets_a_marker():
    times = [*range(100), 200, *range(300, 400)]
    trace = plot(frame([t * MINUTE for t in times], [1.0] * 201)).data[0]
    lone = np.flatnonzero(np.asarray(trace.marker.size))
    assert np.asarray(trace.x)[lone].astype("datetime64[ns]").astype(np.int64) == [200 * MINUTE]


def test_large_series_keep_spikes_and_gap_edges():
    n = 100_000
    times = np.arange(n) * MINUTE
    times[n // 2 :] += 5000 * MINUTE
    values = np.sin(np.arange(n) / 5000)
    values[12_345] = 99.0
    trace = plot(frame(times, values), max_points=500).data[0]
    assert len(trace.x) <= 501
    assert np.nanmax(np.asarray(trace.y)) == 99.0
    at = broken(trace)
    assert len(at) == 1
    drawn = np.asarray(trace.x).astype("datetime64[ns]").astype(np.int64)
    assert drawn[at[0] - 1] == times[n // 2 - 1]
    assert drawn[at[0] + 1] == times[n // 2]


def test_lines_by_tags_sorted_by_time_in_nanoseconds():
    rows = frame([3, 1, 2, 5], [3.0, 1.0, 2.0, 9.0], host=["a", "a", "a", "b"], dc=["x"] * 4)
    figure = plot(rows, by=["host", "dc"])
    assert [trace.name for trace in figure.data] == ["a · x", "b · x"]
    assert list(figure.data[0].y) == [1.0, 2.0, 3.0]
    assert np.asarray(figure.data[0].x).astype(np.int64).tolist() == [1, 2, 3]


def test_scales_that_differ_get_panels():
    rows = frame([1, 2], [1.0, 2.0], disk=[1e9, 2e9])
    assert plot(rows, units={"disk": "B/s"}).layout.yaxis2.title.text == "disk (B/s)"
    assert plot(rows, facet=False).layout.yaxis.domain == (0.0, 1.0)
    assert plot(frame([1, 2], [1.0, 2.0], other=[2.0, 3.0])).layout.showlegend


def test_too_many_lines_are_said():
    rows = pl.concat([frame([1, 2], [1.0, 2.0], host=[f"h{i:02}"] * 2) for i in range(30)])
    figure = plot(rows, by="host")
    assert len(figure.data) == 24
    assert "24 of 30" in figure.layout.annotations[0].text
    assert (
        "no points"
        in plot(frame([], [])[:0].cast({"usage": pl.Float64})).layout.annotations[0].text
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"x": "when"}, "x names no column"),
        ({"y": "usge"}, "y names no column"),
        ({"by": "hst"}, "by names no column"),
        ({"y": "host"}, "y must be numbers"),
        ({"x": "host"}, "x must be times"),
        ({"engine": "gnuplot"}, "engine"),
        ({"gaps": "never"}, "gaps cannot be read"),
    ],
)
def test_what_does_not_work_is_named(options, says):
    with pytest.raises(InvalidArgument, match=says):
        plot(frame([1, 2], [1.0, 2.0], host=["a", "b"]), **options)


def test_without_plotly_the_extra_is_named():
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "from kymograph.plot import plot\n"
        "try:\n    plot({'time': [1], 'x': [1.0]})\n"
        "except ImportError as error:\n    assert 'kymograph[plot]' in str(error)\n"
        "else:\n    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_opens_offline(tmp_path):
    figure = plot(frame([1, 2], [1.0, 2.0]))
    page = write_page([(figure, "a <note>"), figure], tmp_path / "p.html", title="A & B")
    text = page.read_text()
    assert text.count("<script>") >= 1
    assert "<script src" not in text
    assert "plotly.js v" in text
    assert "a &lt;note&gt;" in text
    assert "<title>A &amp; B</title>" in text


@pytest.fixture
def db():
    with ky.open() as database:
        rows = frame(
            [m * MINUTE for m in range(60)] * 2,
            [float(m) for m in range(120)],
            host=["a"] * 60 + ["b"] * 60,
            dc=["x"] * 120,
        )
        database.write("cpu", rows, tags=["host", "dc"])
        yield database


def test_a_table_is_split_by_the_tags_that_differ(db):
    figure = plot_table(db, "cpu")
    assert [trace.name for trace in figure.data] == ["a", "b"]
    assert list(figure.data[1].y) == [float(m) for m in range(60, 120)]
    only = plot_table(db, "cpu", where={"host": ["a"]}, start=0, end=10 * MINUTE)
    assert [len(trace.x) for trace in only.data] == [10]


def test_windows_of_a_table(db):
    figure = plot_table(db, "cpu", every="30m", function=["mean", "max"], units={"usage": "%"})
    assert [trace.name for trace in figure.data] == [
        *("usage_mean · a", "usage_mean · b", "usage_max · a", "usage_max · b"),
    ]
    assert list(figure.data[0].y) == [14.5, 44.5]
    assert list(figure.data[3].y) == [89.0, 119.0]
    assert "%" in figure.data[0].hovertemplate.split("}")[-1]


def test_an_unknown_table_is_said(db):
    with pytest.raises(ky.NotFound):
        plot_table(db, "cpuu")
