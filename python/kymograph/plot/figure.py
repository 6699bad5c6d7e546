"""A frame as a Plotly figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kymograph import to_arrow_stream
from kymograph.errors import invalid, shown
from kymograph.plot.analyses import DRAWN, KINDS, kind_of, plot_correlations
from kymograph.plot.lines import Line, lines
from kymograph.plot.theme import PALETTE, template

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_LINES = 24
"""More lines than this can no longer be told apart; the rest is left out, and the chart says so."""


def plot(
    frame: Any,
    x: str = "time",
    y: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    *,
    title: str | None = None,
    gaps: Any = "auto",
    max_points: int = 2000,
    units: Mapping[str, str] | None = None,
    facet: bool | None = None,
    height: int | None = None,
    engine: str = "plotly",
    kind: str | None = None,
    history: Any = None,
) -> Figure:
    """Draws a frame's lines over ``x`` and returns the figure.

    ``frame`` is anything that ``Database.write`` takes. ``x`` is a time or a number; ``y`` names
    the fields (all numeric columns when None), ``by`` the tags, one line a combination. A line
    breaks where a step is longer than ``gaps`` (``"auto"``: three times the median step; a
    duration; None: never) and at NaN. Lines of more than ``max_points`` points are downsampled
    for display with every spike kept. ``units`` maps a field to the unit shown beside its values.
    Fields get panels of their own where ``facet`` is true, or when None and their scales differ
    twentyfold.

    A frame that an analysis returned is drawn as what it is (``kind``: "anomalies", "forecast"
    with its ``history``, "decomposition", "matrix_profile", "correlations"), unless ``y``, ``by``
    or ``kind="lines"`` asks for lines.

    Raises ``InvalidArgument`` for unknown columns, and ``ImportError`` without Plotly.
    """
    if engine != "plotly":
        raise invalid(f"engine must be 'plotly', not {shown(engine)}")
    subplots = _plotly()
    drawn_as = _kind(frame, kind, plain=y is None and by is None)
    if drawn_as == "correlations":
        return plot_correlations(frame, title=title, height=height)
    if drawn_as is not None:
        options: dict[str, Any] = {"history": history} if drawn_as == "forecast" else {}
        options |= {"title": title, "gaps": gaps, "max_points": max_points, "height": height}
        return DRAWN[drawn_as](frame, **options)
    table = pl.DataFrame(to_arrow_stream(frame, x))
    groups = [by] if isinstance(by, str) else list(by or ())
    ys = _fields(table, x, y, groups)
    drawn = list(lines(table, x, ys, groups, gaps, max_points))
    shown_lines, left_out = drawn[:MAX_LINES], max(0, len(drawn) - MAX_LINES)
    panels = [field for field in ys if any(line.field == field for line in shown_lines)]
    split = _scales_differ(shown_lines) if facet is None else facet
    rows = max(1, len(panels)) if split else 1
    figure = subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    labels = list(dict.fromkeys(line.label for line in shown_lines))
    for line in shown_lines:
        row = panels.index(line.field) + 1 if split else 1
        colour = PALETTE[labels.index(line.label) % len(PALETTE)]
        figure.add_trace(_trace(line, colour, (units or {}).get(line.field, "")), row=row, col=1)
    for row in range(rows):
        fields = panels[row : row + 1] if split else panels
        named = {_with_unit(field, units) for field in fields}
        figure.update_yaxes(title_text=named.pop() if len(named) == 1 else None, row=row + 1, col=1)
    many = len(shown_lines) > 6
    legend = (
        {"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1.0, "yanchor": "top"}
        if many
        else {"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"}
    )
    alone = len(shown_lines) == 1 or (split and not groups)
    figure.update_layout(
        template=template(),
        title_text=title,
        legend=legend,
        showlegend=not alone,
        height=height or 420 + 220 * (rows - 1),
        margin_t=(56 if title else 24) + (32 if not alone and not many else 0),
    )
    if left_out:
        note(figure, f"{MAX_LINES} of {len(drawn)} lines shown; narrow them with where= or by=")
    elif not shown_lines:
        note(figure, "no points to draw")
    return figure


def _kind(frame: Any, kind: str | None, *, plain: bool) -> str | None:
    """Which analysis a frame is drawn as; None for lines."""
    if kind is not None and kind != "lines" and kind not in KINDS:
        raise invalid(f"kind is 'lines' or one of {sorted(KINDS)}, not {shown(kind)}")
    if kind is None and plain:
        columns = getattr(frame, "columns", None)
        return None if columns is None else kind_of([str(name) for name in columns])
    return None if kind == "lines" else kind


def _plotly() -> Any:
    try:
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise ImportError("plots need Plotly: pip install kymograph[plot]") from error
    return make_subplots


def _fields(
    table: pl.DataFrame, x: str, y: str | Sequence[str] | None, groups: Sequence[str]
) -> list[str]:
    known = table.schema
    asked = [y] if isinstance(y, str) else list(y or ())
    for argument, names in (("x", [x]), ("y", asked), ("by", groups)):
        for name in names:
            if name not in known:
                raise invalid(f"{argument} names no column: {name!r}; there are {list(known)}")
    if not (known[x].is_numeric() or known[x] == pl.Date or isinstance(known[x], pl.Datetime)):
        raise invalid(f"x must be times or numbers; column {x!r} is {known[x]}")
    plain = [name for name, dtype in known.items() if dtype.is_numeric()]
    for name in asked:
        if not (known[name].is_numeric() or known[name] == pl.Boolean):
            raise invalid(f"y must be numbers; column {name!r} is {known[name]}")
    fields = asked or [name for name in plain if name != x and name not in groups]
    if not fields:
        raise invalid(f"frame has no numeric column to draw; there are {dict(known)}")
    return fields


def _scales_differ(drawn: Sequence[Line]) -> bool:
    reach: dict[str, float] = {}
    for line in drawn:
        reach[line.field] = max(reach.get(line.field, 0.0), float(np.nanmax(np.abs(line.y))))
    sizes = [size for size in reach.values() if size > 0]
    return len(sizes) > 1 and max(sizes) > 20 * min(sizes)


def _with_unit(field: str, units: Mapping[str, str] | None) -> str:
    unit = (units or {}).get(field)
    return f"{field} ({unit})" if unit else field


def _trace(line: Line, colour: str, unit: str) -> Any:
    from plotly.graph_objects import Scatter

    # Markers where no line would reach a point, and on short lines, whose points are news.
    sparse = len(line.x) <= 60
    marks = np.where(line.lone, 5, 5 if sparse else 0)
    label = line.label.replace("%{", "% {")
    return Scatter(
        x=line.x,
        y=line.y,
        name=line.label,
        mode="lines+markers" if marks.any() else "lines",
        line={"color": colour, "width": 1.6},
        marker={"size": marks, "color": colour, "line": {"width": 0}} if marks.any() else None,
        connectgaps=False,
        hovertemplate=f"%{{y:,.6~g}}{' ' + unit if unit else ''}<extra>{label}</extra>",
    )


def note(figure: Any, text: str) -> None:
    """Writes into the corner above a figure."""
    figure.add_annotation(
        text=text,
        showarrow=False,
        x=1.0,
        y=1.0,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="bottom",
        font={"size": 12, "color": "#b45309"},
    )
