"""Figures of results of analyses, as the figure holds them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import kymograph as ky
from kymograph.plot import plot_anomalies, plot_forecast

pytest.importorskip("plotly")
START = datetime(2026, 1, 1, tzinfo=UTC)


def hours(count, skip=()):
    at = [START + timedelta(hours=hour) for hour in range(count) if hour not in skip]
    return pl.Series("time", at, dtype=pl.Datetime("ns", "UTC"))


def anomalies(**more):
    time = hours(50, skip=range(20, 30))
    value = np.sin(np.arange(40.0))
    value[35] = 9.0
    odd = [at == 35 for at in range(40)]
    return pl.DataFrame(
        {
            "time": time,
            "value": value,
            "expected": [0.0] * 40,
            "lower": [None] * 3 + [-1.5] * 37,
            "upper": [None] * 3 + [1.5] * 37,
            "score": [None] * 3 + [0.1] * 32 + [0.9] + [0.1] * 4,
            "anomaly": odd,
            "method": ["mad"] * 40,
            "explanation": ["it is high" if one else None for one in odd],
            **more,
        }
    )


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_anomalies_are_points_by_score_on_a_line_with_gaps_within_a_band():
    figure = ky.plot(anomalies(), title="odd")
    [band], [line], [points] = (named(figure, name) for name in ("usual", "value", "anomaly"))
    assert np.isnan(line.y).sum() == 1, "the gap is drawn over"
    # Two stretches, each there and back, with a separator.
    assert np.isnan(band.y).sum() == 2
    assert len(band.y) == 2 * (17 + 20) + 2
    assert band.fill == "toself"
    assert np.nanmax(band.y) == 1.5
    assert np.nanmin(band.y) == -1.5
    assert points.y.tolist() == [9.0]
    assert points.marker.color.tolist() == [0.9]
    assert points.x[0] == anomalies()["time"].dt.replace_time_zone(None).to_numpy()[35]
    assert "it is high" in points.customdata[0]
    assert figure.layout.title.text == "odd"


def test_every_series_has_a_panel_and_names_stand_in_the_legend_once():
    frame = pl.concat([anomalies(host=[host] * 40) for host in "abc"])
    figure = plot_anomalies(frame)
    assert len(named(figure, "value")) == 3
    assert sum(trace.showlegend for trace in named(figure, "value")) == 1
    assert {trace.yaxis for trace in named(figure, "value")} == {"y", "y2", "y3"}
    assert [note.text for note in figure.layout.annotations] == ["a", "b", "c"]
    many = pl.concat([anomalies(host=[str(host)] * 40) for host in range(20)])
    figure = plot_anomalies(many)
    assert any("8 of 20 series" in note.text for note in figure.layout.annotations)


def forecast(**more):
    return pl.DataFrame(
        {
            "time": hours(34)[30:],
            "mean": [1.0, 2.0, 3.0, 4.0],
            "lower_80": [0.0] * 4,
            "upper_80": [5.0] * 4,
            "lower_99.9": [-1.0] * 4,
            "upper_99.9": [6.0] * 4,
            "method": ["theta"] * 4,
            "skill": [0.25] * 4,
            "filled": [0] * 4,
            **more,
        }
    )


def test_a_forecast_has_its_history_and_nested_intervals_the_widest_first():
    history = pl.DataFrame({"time": hours(30, skip=range(5, 12)), "usage": np.arange(23.0)})
    figure = ky.plot(forecast(), history=history)
    assert [t.name for t in figure.data] == ["history", "99.9 %", "80 %", "mean"]
    past, wide, narrow, mean = figure.data
    assert np.isnan(past.y).sum() == 1
    assert (np.nanmin(wide.y), np.nanmax(wide.y)) == (-1.0, 6.0)
    assert (np.nanmin(narrow.y), np.nanmax(narrow.y)) == (0.0, 5.0)
    assert wide.fillcolor != narrow.fillcolor
    assert mean.y.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert any("theta, skill 0.25" in note.text for note in figure.layout.annotations)
    both = pl.concat([forecast(host=["a"] * 4), forecast(host=["b"] * 4)])
    past = pl.concat(
        [history.with_columns(host=pl.lit(h), usage=pl.lit(n)) for n, h in enumerate("ab", 1)]
    )
    figure = plot_forecast(both, past)
    drawn = {t.yaxis: set(t.y[~np.isnan(t.y)]) for t in named(figure, "history")}
    assert drawn == {"y": {1.0}, "y2": {2.0}}


def test_a_decomposition_has_a_panel_for_each_part():
    frame = pl.DataFrame(
        {"index": range(30), "value": range(30), "trend": range(30), "seasonal": [0.5] * 30}
        | {"remainder": [0.1] * 30, "season_1": [0.5] * 30, "season_2": [None] * 30}
    ).with_columns(pl.col("season_2").cast(pl.Float64))
    figure = ky.plot(frame)
    assert [t.name for t in figure.data] == ["value", "trend", "seasonal", "remainder"]
    assert len({t.yaxis for t in figure.data}) == 4
    two = frame.with_columns(season_2=pl.lit(0.25))
    assert [t.name for t in ky.plot(two).data][2:4] == ["season_1", "season_2"]


def test_a_matrix_profile_has_its_extremes_marked():
    profile = [3.0, 1.0, None, 9.0, 2.0]
    frame = pl.DataFrame(
        {"time": hours(5), "index": range(5), "profile": profile, "neighbor": [1, 0, None, 0, 1]}
    )
    figure = ky.plot(frame)
    [discord], [motif] = named(figure, "discord"), named(figure, "motif")
    assert (discord.y[0], motif.y[0]) == (9.0, 1.0)
    times = frame["time"].dt.replace_time_zone(None).to_numpy()
    assert (discord.x[0], motif.x[0]) == (times[3], times[1])


def test_correlations_are_a_symmetric_heatmap():
    frame = pl.DataFrame(
        {
            "a_host": ["x", "x", "x"],
            "field_a": ["io", "io", "usage"],
            "b_host": ["x", "y", "y"],
            "field_b": ["usage", "io", "io"],
            "r": [0.5, -0.25, None],
            "p": [0.1, 0.2, None],
            "n": [5, 5, 1],
        }
    )
    [heat] = ky.plot(frame).data
    names = list(heat.x)
    assert names == ["io", "usage", "y · io"] or len(names) >= 3
    grid = np.asarray(heat.z, dtype=float)
    assert np.array_equal(grid, grid.T, equal_nan=True)
    assert (np.diag(grid) == 1).all()
    assert (heat.zmin, heat.zmax) == (-1, 1)


def test_lines_can_be_asked_for_and_a_wrong_frame_is_told():
    assert len(ky.plot(anomalies(), y="value").data) == 1
    names = {t.name for t in ky.plot(anomalies(), kind="lines").data}
    assert names == {"value", "expected", "lower", "upper", "score"}
    with pytest.raises(ky.InvalidArgument, match="kind"):
        ky.plot(anomalies(), kind="pie")
    with pytest.raises(ky.InvalidArgument, match="no column 'mean'"):
        plot_forecast(anomalies())
    assert any("no points" in n.text for n in ky.plot(anomalies().clear()).layout.annotations)


def test_every_spike_of_a_long_result_is_drawn():
    rows = 100_000
    value = np.zeros(rows)
    value[77_777] = 5.0
    odd = value > 1
    at = pl.Series("time", np.arange(rows) * 10**9).cast(pl.Datetime("ns", "UTC"))
    frame = pl.DataFrame({"time": at, "value": value, "lower": value - 1, "upper": value + 1})
    frame = frame.with_columns(
        score=pl.lit(0.6), anomaly=pl.Series(odd), explanation=pl.lit(None, dtype=pl.String)
    )
    figure = ky.plot(frame, max_points=500)
    [band], [line], [points] = (named(figure, name) for name in ("usual", "value", "anomaly"))
    assert len(line.y) <= 500
    assert len(band.y) < 2500
    assert np.nanmax(line.y) == 5.0
    assert points.y.tolist() == [5.0]
