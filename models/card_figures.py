"""Figures as the model card writes them.

Belongs here: numbers, shares, intervals, days and small counts as text. Does not belong here: which are shown (`card.py`).
"""

from __future__ import annotations

from datetime import date

from models.card_words import label

SMALL = 10
"""Counts below are shown as "under 10"."""
UNKNOWN = "-"


def interval(value: float | None, low: float | None, high: float | None, *, is_percent: bool, metric: str = "") -> str:
    """A figure with its interval in brackets; a page breaks the line before the bracket and nowhere inside it."""
    if value is None:
        return UNKNOWN
    shown = percent(value) if is_percent else number(value, metric)
    if low is None or high is None:
        return shown
    ends = [percent(end) if is_percent else number(end, metric) for end in (low, high)]
    return f"{shown}\n({ends[0]}\u00a0to\u00a0{ends[1]})"


def percent(share: float) -> str:
    """A share as percent, small ones with a decimal."""
    return f"{share:.1%}" if abs(share) < 0.1 else f"{share:.0%}"


def number(value: float | None, metric: str = "") -> str:
    """A number with the decimals that its metric deserves: none for days, three for areas under a curve."""
    if value is None:
        return UNKNOWN
    decimals = 0 if metric.startswith("lead_days") else 3 if "auc" in metric else 2
    return f"{value:.{decimals}f}"


def on_day(day: date) -> str:
    """A day that no line breaks."""
    return f"{day:%-d %b %Y}".replace(" ", "\u00a0")


def limits(low: float | None, high: float | None) -> str:
    """Where a value must lie."""
    if low is not None and high is not None:
        return f"{number(low)} to {number(high)}"
    return f"from {number(low)}" if low is not None else f"up to {number(high)}" if high is not None else UNKNOWN


def counted(rows: int) -> str:
    """A count, unless so small that it might point at somebody."""
    return f"{rows:,}" if rows >= SMALL or rows == 0 else f"under {SMALL}"


def within(horizon: str) -> str:
    """A horizon in words."""
    days = horizon.removesuffix("d")
    return f"{days} days" if days.isdigit() else label(horizon)


def setting(value: object) -> str:
    """A setting's value; several ones are a choice."""
    return " or ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
