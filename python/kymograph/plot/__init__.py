"""Charts that keep every spike and show every gap, drawn by Plotly (``kymograph[plot]``)."""

from kymograph.plot.analyses import (
    plot_anomalies,
    plot_correlations,
    plot_decomposition,
    plot_forecast,
    plot_matrix_profile,
)
from kymograph.plot.downsample import downsample
from kymograph.plot.figure import plot
from kymograph.plot.page import write_page
from kymograph.plot.table import plot_table

__all__ = [
    "downsample",
    "plot",
    "plot_anomalies",
    "plot_correlations",
    "plot_decomposition",
    "plot_forecast",
    "plot_matrix_profile",
    "plot_table",
    "write_page",
]
