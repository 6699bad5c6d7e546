"""How charts look: one template, one palette that colour-blind readers can tell apart."""

from __future__ import annotations

from typing import Any

PALETTE = (
    "#2563eb",
    "#ea580c",
    "#059669",
    "#c026d3",
    "#ca8a04",
    "#0891b2",
    "#dc2626",
    "#4d7c0f",
    "#7c3aed",
    "#64748b",
)
_INK, _SOFT, _GRID = "#0f172a", "#475569", "#e8edf3"
_FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def template() -> Any:
    """The Plotly template of kymograph's charts."""
    from plotly.graph_objects import layout

    axis = {
        "gridcolor": _GRID,
        "zeroline": False,
        "linecolor": "#cbd5e1",
        "tickcolor": "#cbd5e1",
        "tickfont": {"color": _SOFT, "size": 12},
        "title": {"font": {"color": _SOFT, "size": 12}, "standoff": 10},
        "automargin": True,
    }
    spike = {
        "showspikes": True,
        "spikemode": "across",
        "spikesnap": "cursor",
        "spikethickness": 1,
        "spikecolor": "#94a3b8",
        "spikedash": "solid",
    }
    return layout.Template(
        layout={
            "font": {"family": _FONT, "size": 13, "color": _INK},
            "title": {
                "font": {"size": 18, "color": _INK, "weight": 600},
                "x": 0.0,
                "xref": "paper",
                "xanchor": "left",
                "y": 1.0,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 18},
            },
            "colorway": list(PALETTE),
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "hovermode": "x unified",
            "hoverlabel": {"font": {"family": _FONT, "size": 12}, "bgcolor": "white"},
            "legend": {"font": {"size": 12, "color": _SOFT}, "itemsizing": "constant"},
            "xaxis": {**axis, **spike, "showgrid": False, "showline": True, "ticks": "outside"},
            "yaxis": {**axis, "showline": False},
            "margin": {"l": 64, "r": 24, "t": 64, "b": 48},
        }
    )
