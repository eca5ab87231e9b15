"""Reliability as a drawing: what was said against what came, with intervals.

Belongs here: one small SVG that follows the page's colours. Does not belong here: the figures (`metrics.py`).
"""

from __future__ import annotations

import polars as pl

_SIZE, _LEFT, _BOTTOM, _TOP, _RIGHT = 320, 46, 40, 10, 14
_ENDS = (0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability_svg(rows: pl.DataFrame) -> str:
    """Draw `metrics.reliability`: probability given (across) and share abandoned (up), each with its interval.

    Both axes end at the least of some round shares that holds all points and intervals. Colours are the page's: classes
    `axis`, `grid` and `accent`.
    """
    highest = max(float(rows["observed_high"].max()), float(rows["probability_mean"].max()))  # type: ignore[arg-type]
    end = next((end for end in _ENDS if end >= highest), 1.0)
    wide, high = _SIZE - _LEFT - _RIGHT, _SIZE - _BOTTOM - _TOP

    def across(value: float) -> float:
        return round(_LEFT + wide * value / end, 1)

    def up(value: float) -> float:
        return round(_TOP + high * (1 - value / end), 1)

    parts = [
        f'<line class="grid" x1="{across(0)}" y1="{up(0)}" x2="{across(end)}" y2="{up(end)}" stroke-dasharray="4 4"/>',
        f'<path class="axis" d="M{_LEFT} {_TOP}V{up(0)}H{across(end)}" fill="none"/>',
    ]
    for step in range(5):
        value = end * step / 4
        parts += [
            f'<text x="{across(value)}" y="{up(0) + 16}" text-anchor="middle">{value:.0%}</text>',
            f'<text x="{_LEFT - 6}" y="{up(value) + 4}" text-anchor="end">{value:.0%}</text>',
        ]
    for row in rows.iter_rows(named=True):
        x = across(row["probability_mean"])
        parts += [
            f'<line class="accent" x1="{x}" y1="{up(row["observed_low"])}" x2="{x}" y2="{up(row["observed_high"])}"/>',
            f'<circle class="accent" cx="{x}" cy="{up(row["observed_share"])}" r="4"/>',
        ]
    parts += [
        f'<text x="{across(end / 2)}" y="{_SIZE - 4}" text-anchor="middle">probability given</text>',
        f'<text transform="translate(11 {up(end / 2)}) rotate(-90)" text-anchor="middle">share abandoned</text>',
    ]
    inside = "".join(parts)
    return (
        f'<svg viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="Points near the dashed line mean that probabilities '
        f'are right; the table below has the figures.">{inside}</svg>'
    )
