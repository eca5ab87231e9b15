"""What the notebooks share: reading one publication, and figures that follow the page's colours.

Belongs here: opening the marts read-only, styles, a figure as SVG. Does not belong here: any query or figure of its own,
anything that writes, any table that is not published.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from html import escape
from io import StringIO
from numbers import Number
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import marimo as mo
import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

LEVELS = {"methodological": "#0072B2", "educational": "#E69F00", "social": "#009E73", "technical": "#CC79A7"}
STRANDS = {"formal": "#56B4E9", "social": "#009E73", "experiential": "#E69F00"}
ESTIMATORS = {
    "model": "the model, calibrated",
    "logistic_regression": "logistic regression",
    "inactive_7d_rule": "no activity for 7 days",
}
# Of `dim_programme AS p` joined by programme_id: what to call a programme whose name another one has as well.
PROGRAMME = """
    CASE WHEN (SELECT count(*) FROM dim_programme AS o WHERE o.name = p.name) = 1 THEN p.name
         ELSE coalesce(p.name || ', ', '') || programme_id END
"""
BLUE, ORANGE, GREEN, GREY = "#2E86C8", "#D55E00", "#009E73", "#8A8A8A"

# Stands for the page's own colour of text until the figure is SVG: legible on light and on dark.
_TEXT = "#010203"
_STYLE = {
    "axes.edgecolor": _TEXT,
    "axes.facecolor": "none",
    "axes.labelcolor": _TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": _TEXT,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}
mpl.rcParams.update(_STYLE)


def marts_file() -> Path:
    """The published file of the home in HANDRAIL_HOME (else ./var).

    Raises:
        SystemExit: nothing is published there; says what to do.
    """
    found = Path(os.environ.get("HANDRAIL_HOME") or "var") / "marts.duckdb"
    if not found.exists():
        message = f"there is no {found}: set HANDRAIL_HOME to a home, and publish there with `handrail run`"
        mo.stop(mo.running_in_notebook(), mo.callout(mo.md(message), kind="warn"))  # a browser shows no exit
        raise SystemExit(message)
    return found


def read(**queries: str) -> SimpleNamespace:
    """Rows of each query as a data frame, all of one publication; opened and closed at once, as nights swap the file."""
    with duckdb.connect(str(marts_file()), read_only=True) as marts:
        return SimpleNamespace(**{name: marts.execute(sql).df() for name, sql in queries.items()})


def shown(figure: Figure, words: str) -> mo.Html:
    """The figure as inline SVG in the page's colour of text; `words` tell who cannot see it what it shows."""
    written = StringIO()
    figure.savefig(written, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
    svg = written.getvalue()
    svg = re.sub(r"<style[^>]*>.*?</style>|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg).replace(_TEXT, "currentColor")
    head = f'<svg role="img" aria-label="{escape(words)}" style="max-width: 100%; height: auto"'
    return mo.Html(head + svg.removeprefix("<svg"))


def table(rows: Any) -> mo.Html:
    """All rows and columns of a small data frame (pandas or Polars) in sight: words wrap, figures have two places."""
    cell = 'style="padding: 0.3rem 0.6rem; border-bottom: 1px solid #8A8A8A66; vertical-align: top; text-align: {}"'
    columns = list(rows.columns)
    kinds = {name: "right" if all(_is_number(value) for value in rows[name]) else "left" for name in columns}
    head = "".join(
        f'<th scope="col" {cell.format(kinds[name])}>{escape(name.replace("_", " "))}</th>' for name in columns
    )
    styles = [cell.format(kinds[name]) for name in columns]
    lines = (
        "".join(f"<td {style}>{_told(value)}</td>" for style, value in zip(styles, row, strict=True))
        for row in zip(*(rows[name] for name in columns), strict=True)
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return mo.Html(
        '<div style="overflow-x: auto"><table style="border-collapse: collapse; font-size: 0.875rem">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Number) and not isinstance(value, bool))


def _told(value: object) -> str:
    """A cell in words; nothing where nothing is known."""
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if not _is_number(value):
        return escape(str(value))
    return f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else f"{value:,}"
