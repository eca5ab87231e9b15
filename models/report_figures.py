"""Drawings of reports: bars of parts, and estimates with their intervals.

Belongs here: small SVGs that follow the page's colours (classes `one two three rest accent axis ink`) and stay legible on
a phone: names stand above what is drawn. Does not belong here: pictures for the UI (`pipelines.plots`), the figures shown.

A drawing stands beside a table with the same figures, which is what it says to who cannot see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

WIDTH = 360
NAME_LENGTH = 44
_ROW, _THICK, _MARGIN = 38, 12, 8
_SHADES = ("one", "two", "three", "rest")


class Bar(NamedTuple):
    """A name, what is said at the bar's end, and its parts; `marks` are shares of the whole width."""

    name: str
    said: str
    parts: Sequence[float]
    marks: Sequence[float] = ()


class Interval(NamedTuple):
    """A name, what is said of it, the estimate and the ends of its interval."""

    name: str
    said: str
    estimate: float
    low: float
    high: float


def bars(
    rows: Sequence[Bar], parts: Sequence[str], *, about: str, is_share: bool = False, shades: Sequence[str] = _SHADES
) -> str:
    """Bars one under the other, each of up to four parts with a gap between.

    Args:
        rows: the bars.
        parts: what the parts are called; a legend tells them where there are several.
        about: what the drawing shows, in a sentence.
        is_share: every bar is drawn as long as the widest, since its parts are shares of itself.
        shades: classes of the parts.
    """
    longest = max((sum(row.parts) for row in rows), default=0) or 1
    drawn: list[str] = []
    for number, row in enumerate(rows):
        top = _ROW * number
        drawn += _heads(row.name, row.said, top)
        whole = (sum(row.parts) or 1) if is_share else longest
        ends = [WIDTH * so_far / whole for so_far in accumulate(row.parts, initial=0)]
        drawn += [
            f'<rect class="{shade}" x="{begin:.1f}" y="{top + 18}" width="{max(end - begin - 1, 0.5):.1f}" height="{_THICK}"/>'
            for shade, begin, end in zip(shades, ends, ends[1:], strict=False)
            if end > begin
        ]
        drawn += [_upright(WIDTH * mark, top + 17, top + 33, "mark") for mark in row.marks]
    height = _ROW * len(rows)
    if len(parts) > 1:
        drawn += _legend(parts, shades, height + 14)
        height += 22
    return _svg(height, drawn, about)


def intervals(rows: Sequence[Interval], *, about: str, unit: str, scale: str = "") -> str:
    """Estimates as dots on their intervals, one under the other, over one scale with a line at zero."""
    ends = [0.0, *(end for row in rows for end in (row.low, row.high))]
    least, span = min(ends), max(max(ends) - min(ends), 1e-9)

    def across(value: float) -> float:
        return round(_MARGIN + (WIDTH - 2 * _MARGIN) * (value - least) / span, 1)

    height = _ROW * len(rows)
    drawn: list[str] = []
    for number, row in enumerate(rows):
        top, middle = _ROW * number, _ROW * number + 24
        drawn += _heads(row.name, row.said, top)
        drawn.append(
            f"{_upright(across(0), middle - 8, middle + 8, 'axis')}"
            f'<line class="accent" x1="{across(row.low)}" y1="{middle}" x2="{across(row.high)}" y2="{middle}"/>'
            f'<circle class="accent" cx="{across(row.estimate)}" cy="{middle}" r="5"/>'
        )
    foot = escape(f"upright line: zero {unit}{f'; {scale}' if scale else ''}")
    return _svg(height + 20, [*drawn, f'<text x="0" y="{height + 14}">{foot}</text>'], about)


def _heads(name: str, said: str, top: int) -> Iterable[str]:
    cut = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
    return (
        f'<text class="ink" x="0" y="{top + 13}">{_text(cut)}</text>',
        f'<text x="{WIDTH}" y="{top + 13}" text-anchor="end">{_text(said)}</text>',
    )


def _legend(parts: Sequence[str], shades: Sequence[str], middle: int) -> Iterable[str]:
    beginnings = list(accumulate((len(part) * 6.2 + 28 for part in parts), initial=0))
    for shade, begin, part in zip(shades, beginnings, parts, strict=False):
        yield f'<rect class="{shade}" x="{begin:.0f}" y="{middle - 9}" width="10" height="10"/>'
        yield f'<text x="{begin + 14:.0f}" y="{middle}">{_text(part)}</text>'


def _upright(x: float, top: int, bottom: int, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'


def _text(words: str) -> str:
    return escape("".join(sign if sign.isprintable() else " " for sign in words))


def _svg(height: int, parts: Iterable[str], about: str) -> str:
    label = quoteattr(f"{about} The table has the figures.")
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label={label}>{"".join(parts)}</svg>'


def shares(values: Mapping[str, float | None]) -> dict[str, float] | None:
    """Each value over their sum; none where nothing is known, or all is zero."""
    known = {name: value for name, value in values.items() if value}
    total = sum(known.values())
    return {name: (values[name] or 0) / total for name in values} if total else None
