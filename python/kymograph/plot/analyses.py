"""Results of analyses as figures: anomalies, forecasts, decompositions, profiles, correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kymograph import to_arrow_stream
from kymograph.errors import invalid, shown
from kymograph.plot.band import band
from kymograph.plot.lines import lines
from kymograph.plot.theme import PALETTE, template

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KINDS = {
    "anomalies": {"value", "score", "anomaly"},
    "forecast": {"mean", "method", "skill"},
    "decomposition": {"trend", "seasonal", "remainder"},
    "matrix_profile": {"profile", "neighbor"},
    "correlations": {"field_a", "field_b", "r"},
}
"""What can be drawn, and the columns by which it is known."""
MAX_PANELS = 8
"""More series than this are left out, and the chart says so."""
_INK, _SOFT = "#334155", "rgba(37, 99, 235, {:.2f})"


def kind_of(columns: Sequence[str]) -> str | None:
    """Which analysis a frame of these columns is the result of, if any."""
    known = (kind for kind, wanted in KINDS.items() if wanted <= set(columns))
    return next(known, None)


def plot_anomalies(
    frame: Any, *, title: str | None = None, gaps: Any = "auto", max_points: int = 2000, **more: Any
) -> Figure:
    """Draws what ``detect`` returns: values, the band of what is usual, anomalies by their score.

    Each series has a panel. Every anomaly is drawn; lines break at gaps and are downsampled with
    every spike kept, as in ``plot``. Raises ``InvalidArgument`` for a frame without the columns.
    """
    from plotly.graph_objects import Scatter

    table, x, groups = _read(frame, "anomalies")
    figure = _Panels(groups, 1, title, **more)
    for label, part in groups[:MAX_PANELS]:
        xs, ys = band(part, x, "lower", "upper", gaps, max_points)
        figure.add(_area(xs, ys, 0.14, "usual"), label)
        for line in lines(part, x, ["value"], [], gaps, max_points):
            figure.add(_line(line.x, line.y, "value", _INK), label)
        odd = part.filter(pl.col("anomaly") & pl.col("value").is_finite())
        marks = Scatter(
            x=_xs(odd[x]),
            y=odd["value"].to_numpy(),
            mode="markers",
            name="anomaly",
            customdata=np.column_stack([odd["score"].to_numpy(), odd["explanation"].to_numpy()])
            if "explanation" in odd.columns
            else odd["score"].to_numpy()[:, None],
            hovertemplate="%{y:,.6~g}, score %{customdata[0]:.2f}"
            + ("<br>%{customdata[1]}" if "explanation" in odd.columns else "")
            + "<extra></extra>",
            marker={
                "size": 9,
                "color": odd["score"].to_numpy(),
                "colorscale": "YlOrRd",
                "cmin": 0.5,
                "cmax": 1.0,
                "line": {"width": 1, "color": "#7f1d1d"},
                "showscale": figure.first("scale"),
                "colorbar": {"title": {"text": "score"}, "thickness": 10, "len": 0.5},
            },
        )
        figure.add(marks, label)
    return figure.finished(len(table))


def plot_forecast(
    frame: Any,
    history: Any = None,
    *,
    title: str | None = None,
    gaps: Any = "auto",
    max_points: int = 2000,
    **more: Any,
) -> Figure:
    """Draws what ``forecast`` returns: the mean within its intervals, the widest the palest.

    ``history`` is a frame of the same tags with ``time`` (or ``index``) and one more column of
    numbers: what the forecast is of. Each series has a panel.
    """
    table, x, groups = _read(frame, "forecast")
    before = None if history is None else _history(history, x, table)
    levels = sorted(
        (float(name.removeprefix("lower_")) for name in table.columns if name.startswith("lower_")),
        reverse=True,
    )
    figure = _Panels(groups, 1, title, **more)
    for label, part in groups[:MAX_PANELS]:
        past = None if before is None else before.get(label)
        if past is not None:
            of = past.columns[-1]
            for line in lines(past, x, [of], [], gaps, max_points):
                figure.add(_line(line.x, line.y, "history", _INK), label)
        for nth, level in enumerate(levels):
            ends = (f"lower_{level:g}", f"upper_{level:g}")
            xs, ys = band(part, x, *ends, None, max_points)
            figure.add(_area(xs, ys, 0.14 + 0.1 * nth, f"{level:g} %"), label)
        for line in lines(part, x, ["mean"], [], None, max_points):
            figure.add(_line(line.x, line.y, "mean", PALETTE[0]), label)
        if len(part) and part["skill"][0] is not None:
            figure.note(f"{part['method'][0]}, skill {part['skill'][0]:.2f}", label)
    return figure.finished(len(table))


def plot_decomposition(
    frame: Any, *, title: str | None = None, gaps: Any = "auto", max_points: int = 2000, **more: Any
) -> Figure:
    """Draws what ``decompose`` returns: value, trend, seasons, remainder, one below the other."""
    table, x, groups = _read(frame, "decomposition")
    seasons = [f"season_{nth}" for nth in (1, 2, 3)]
    seasons = [name for name in seasons if name in table.columns and table[name].count() > 0]
    parts = ["value", "trend", *(seasons if len(seasons) > 1 else ["seasonal"]), "remainder"]
    parts = [name for name in parts if name in table.columns]
    figure = _Panels([(name, table) for name in parts], 1, title, **more)
    for name in parts:
        for nth, (label, part) in enumerate(groups[:MAX_PANELS]):
            colour = PALETTE[nth % len(PALETTE)] if len(groups) > 1 else PALETTE[0]
            for line in lines(part, x, [name], [], gaps, max_points):
                figure.add(_line(line.x, line.y, label or name, colour, len(groups) > 1), name)
    return figure.finished(len(table))


def plot_matrix_profile(
    frame: Any, *, title: str | None = None, gaps: Any = "auto", max_points: int = 2000, **more: Any
) -> Figure:
    """Draws what ``matrix_profile`` returns, with the oddest and the commonest window marked."""
    from plotly.graph_objects import Scatter

    table, x, groups = _read(frame, "matrix_profile")
    figure = _Panels(groups, 1, title, **more)
    for label, part in groups[:MAX_PANELS]:
        for line in lines(part, x, ["profile"], [], gaps, max_points):
            figure.add(_line(line.x, line.y, "profile", PALETTE[0]), label)
        told = part.filter(pl.col("profile").is_finite())
        for name, nth, colour in (
            ("discord", told["profile"].arg_max(), PALETTE[6]),
            ("motif", told["profile"].arg_min(), PALETTE[2]),
        ):
            if nth is not None:
                mark = Scatter(
                    x=_xs(told[x][nth : nth + 1]),
                    y=told["profile"][nth : nth + 1].to_numpy(),
                    mode="markers",
                    name=name,
                    marker={"size": 10, "color": colour},
                )
                figure.add(mark, label)
    return figure.finished(len(table))


def plot_correlations(frame: Any, *, title: str | None = None, height: int | None = None) -> Figure:
    """Draws what ``correlation_matrix`` returns as a heatmap from -1 (blue) to 1 (red)."""
    from plotly.graph_objects import Figure, Heatmap

    table = _frame(frame)
    _check(table, "correlations")
    sides = []
    for side, field in (("a", "field_a"), ("b", "field_b")):
        tags = [name for name in table.columns if name.startswith(f"{side}_")]
        several = [name for name in tags if table[name].n_unique() > 1]
        columns = [pl.col(name).cast(pl.String) for name in [*several, field]]
        sides.append(table.select(pl.concat_str(columns, separator=" · ", ignore_nulls=True)))
    ends = [side.to_series().to_list() for side in sides]
    names = list(dict.fromkeys([*ends[0], *ends[1]]))
    places = {name: place for place, name in enumerate(names)}
    grid = np.full((len(names), len(names)), np.nan)
    for a, b, r in zip(*ends, table["r"].to_list(), strict=True):
        value = np.nan if r is None else r
        grid[places[a], places[b]] = grid[places[b], places[a]] = value
    diagonal = np.diag_indices(len(names))
    grid[diagonal] = np.where(np.isnan(grid[diagonal]), 1.0, grid[diagonal])
    few = len(names) <= 12
    heat = Heatmap(
        x=names,
        y=names,
        z=grid,
        zmin=-1,
        zmax=1,
        colorscale="RdBu_r",
        texttemplate="%{z:.2f}" if few else None,
        hovertemplate="%{y} and %{x}: r %{z:.3f}<extra></extra>",
        colorbar={"title": {"text": "r"}, "thickness": 12},
    )
    figure = Figure(heat)
    figure.update_layout(
        template=template(),
        title_text=title,
        hovermode="closest",
        height=height or min(900, 220 + 28 * len(names)),
        yaxis={"autorange": "reversed", "scaleanchor": "x", "constrain": "domain"},
        xaxis={"constrain": "domain"},
    )
    return figure


DRAWN = {
    "anomalies": plot_anomalies,
    "forecast": plot_forecast,
    "decomposition": plot_decomposition,
    "matrix_profile": plot_matrix_profile,
    "correlations": plot_correlations,
}


class _Panels:
    """Panels one below the other, each with its label; a name stands in the legend once."""

    def __init__(
        self,
        groups: Sequence[tuple[str, pl.DataFrame]],
        columns: int,
        title: str | None,
        height: int | None = None,
    ) -> None:
        from plotly.subplots import make_subplots

        self._labels = [label for label, _ in groups[:MAX_PANELS]]
        self._left_out = max(0, len(groups) - MAX_PANELS)
        self._total = len(groups)
        rows = max(1, len(self._labels))
        self._figure = make_subplots(
            rows=rows,
            cols=columns,
            shared_xaxes=True,
            vertical_spacing=0.06 if rows < 5 else 0.03,
            subplot_titles=self._labels if rows > 1 else None,
        )
        self._seen: set[str] = set()
        self._figure.update_layout(
            template=template(),
            title_text=title,
            height=height or 420 + 170 * (rows - 1),
            legend={"orientation": "h", "x": 0.0, "y": 1.02, "yanchor": "bottom"},
            margin_t=(56 if title else 24) + 40,
        )

    def first(self, name: str) -> bool:
        """Whether this is the first time that the name is asked for."""
        if name in self._seen:
            return False
        self._seen.add(name)
        return True

    def add(self, trace: Any, label: str) -> None:
        """Puts a trace into the panel of a label."""
        trace.legendgroup = trace.name
        trace.showlegend = self.first(f"trace {trace.name}")
        self._figure.add_trace(trace, row=self._labels.index(label) + 1, col=1)

    def note(self, text: str, label: str) -> None:
        """Writes into the corner of a panel."""
        row = self._labels.index(label) + 1
        nth = "" if row == 1 else row
        self._figure.add_annotation(
            text=text,
            showarrow=False,
            x=1.0,
            y=1.0,
            xref=f"x{nth} domain",
            yref=f"y{nth} domain",
            xanchor="right",
            yanchor="top",
            font={"size": 12, "color": "#475569"},
        )

    def finished(self, rows: int) -> Any:
        """The figure; says when series were left out or there is nothing to draw."""
        from kymograph.plot.figure import note

        if self._left_out:
            note(self._figure, f"{MAX_PANELS} of {self._total} series shown; narrow them")
        elif rows == 0:
            note(self._figure, "no points to draw")
        return self._figure


def _read(frame: Any, kind: str) -> tuple[pl.DataFrame, str, list[tuple[str, pl.DataFrame]]]:
    """The frame, the column of times, and its series with their labels."""
    table = _frame(frame)
    _check(table, kind)
    x = "time" if "time" in table.columns else "index"
    if x not in table.columns:
        raise invalid(f"the frame has neither a column time nor index; it has {table.columns}")
    return table, x, _groups(table)


def _frame(frame: Any) -> pl.DataFrame:
    return (
        frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(to_arrow_stream(frame, "time"))
    )


def _check(table: pl.DataFrame, kind: str) -> None:
    missing = sorted(KINDS[kind] - set(table.columns))
    if missing:
        raise invalid(f"no frame of {kind}: it has no column {missing[0]!r}, but {table.columns}")


def _groups(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The series of a result by their labels: text that is no column of a result, or ``series``."""
    texts = (pl.String, pl.Categorical)
    tags = [
        name
        for name, dtype in table.schema.items()
        if (dtype in texts and name not in ("method", "explanation")) or name == "series"
    ]
    if not tags:
        return [("", table)]
    groups = table.partition_by(tags, maintain_order=True, as_dict=True)
    return [(_label(key), part) for key, part in groups.items()]


def _label(key: tuple[Any, ...]) -> str:
    return " · ".join("(none)" if one is None else str(one) for one in key)


def _history(history: Any, x: str, table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    past = _frame(history)
    if x not in past.columns:
        raise invalid(f"history has no column {x!r}; it has {past.columns}")
    numbers = [name for name, dtype in past.schema.items() if dtype.is_numeric() and name != x]
    numbers = [name for name in numbers if name != "series"]
    if len(numbers) != 1:
        raise invalid(f"history has one column of numbers beside {x!r}, got {shown(numbers)}")
    tags = [name for name in past.columns if name in table.columns and name not in (x, *numbers)]
    return dict(_groups(past.select(x, *tags, *numbers)))


def _xs(column: pl.Series) -> Any:
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.replace_time_zone(None).to_numpy()
    return column.to_numpy()


def _line(x: Any, y: Any, name: str, colour: str, legend: bool = True) -> Any:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": colour, "width": 1.5},
        connectgaps=False,
        hovertemplate=f"%{{y:,.6~g}}<extra>{name if legend else ''}</extra>",
    )


def _area(x: Any, y: Any, strength: float, name: str) -> Any:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=_SOFT.format(min(strength, 0.5)),
        hoverinfo="skip",
    )
