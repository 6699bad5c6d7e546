"""Figures on one HTML page that opens offline: Plotly's script stands in it, once."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 1180px; padding: 24px 28px 48px; color: #0f172a;
  background: #f8fafc;
  font: 15px/1.5 Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
h1 {{ font-size: 26px; letter-spacing: -0.01em; margin: 8px 0 4px; }}
p {{ color: #475569; margin: 0 0 20px; max-width: 76ch; }}
section {{ background: white; border: 1px solid #e2e8f0; border-radius: 10px;
  padding: 8px 12px; margin-bottom: 20px; }}
section p {{ margin: 4px 8px 12px; font-size: 14px; }}
</style>
<script>{script}</script>
</head>
<body>
<h1>{title}</h1>
<p>{lead}</p>
{sections}
</body>
</html>
"""


def write_page(
    figures: Figure | Sequence[Figure | tuple[Figure, str]],
    path: str | PathLike[str],
    *,
    title: str = "kymograph",
    lead: str = "",
) -> Path:
    """Writes figures, each alone or with a sentence below it, and returns the page's full path.

    The page is self-contained (about 5 MB, nearly all of it Plotly's script). Raises ``OSError``
    where it cannot be written.
    """
    from plotly.io import to_html
    from plotly.offline import get_plotlyjs

    several = list(figures) if isinstance(figures, list | tuple) else [figures]
    sections = []
    for item in several:
        figure, text = item if isinstance(item, tuple) else (item, "")
        drawn = to_html(
            figure,
            full_html=False,
            include_plotlyjs=False,
            default_width="100%",
            config={"displaylogo": False, "responsive": True},
        )
        below = f"<p>{escape(text)}</p>" if text else ""
        sections.append(f"<section>{drawn}{below}</section>")
    target = Path(path).resolve()
    target.write_text(
        _PAGE.format(
            title=escape(title),
            lead=escape(lead),
            script=get_plotlyjs(),
            sections="\n".join(sections),
        ),
        encoding="utf-8",
    )
    return target
