"""Small drawings for the metadata of assets: SVG inside a Markdown image, shown without a click.

Belongs here: drawings of at most `LIMIT` characters with all that is around them, which is what the UI shows at once.
Does not belong here: charts of reports and model cards, figures.

Text is mid-grey and colours are of middle lightness, so that both stand out on white and on a dark page. Nothing outside
is referred to. Names are cut, escaped as XML and percent-encoded, so a name can neither end the drawing nor the Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from math import ceil
from typing import NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

import polars as pl

from data_contracts.fields.learning import STRANDS

# The UI turns what is longer into a link to a dialog.
LIMIT = 999
WIDTH = 410
GREY = "#777"
NAME_LENGTH = 14

_STRAND_COLOURS = dict(zip(STRANDS, ("#77b", "#297", "#d60"), strict=True))
CURVE_COLOURS = ("#d60", "#77b", "#297", "#b59")
_ROW, _BARS_FROM = 20, 176
_SHADES = 4
_SAFE = "/:=',;.*-_!~"


class Bar(NamedTuple):
    """One bar: its name, its parts as shares that add up to 1 (None: unknown), shares aimed at, a mark after its name."""

    name: str
    shares: Sequence[float | None]
    targets: Sequence[float] | None = None
    mark: str = ""


def image(about: str, height: int, parts: Iterable[str]) -> str:
    """A Markdown image of SVG elements, `WIDTH` wide; `about` is plain text for who cannot see it."""
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' font-family='sans-serif' "
        f"font-size='12' fill='{GREY}'>{''.join(parts)}</svg>"
    )
    return f"![{about}](data:image/svg+xml,{quote(svg, safe=_SAFE)})"


def label(name: str, length: int = NAME_LENGTH) -> str:
    """A name as text of a drawing: at most `length` characters, escaped."""
    cut = name if len(name) <= length else f"{name[: length - 2]}.."
    return escape("".join(sign if sign.isprintable() else " " for sign in cut))


def _fitting(most: int, draw: Callable[[int], str]) -> str:
    """The drawing of as many rows as stay under `LIMIT`; none of them where not even one does."""
    return next(drawn for shown in range(most, -1, -1) if len(drawn := draw(shown)) <= LIMIT or not shown)


def bars(rows: Sequence[Bar], colours: Mapping[str, str], *, about: str, note: str = "") -> str:
    """Bars of parts one under the other, the parts in percent before each, thin lines where a target divides it.

    `colours` has the parts' names in order. As many rows as fit are drawn, the first ones; the last line says how many
    more there are, and `note`.
    """
    return _fitting(len(rows), lambda shown: _bars(rows[:shown], len(rows) - shown, colours, about, note))


def mix_bars(mix: pl.DataFrame) -> str:
    """The learning mix of each programme against its own target, over all published months, largest programmes first.

    `mix` is the mart. By minutes, or where no minutes of a programme are known by events, which a star says.
    """
    sums = (
        mix.filter(pl.col("course_id") == "all")
        .group_by("programme_id", "strand")
        .agg(
            pl.when(pl.col("minutes").count() > 0).then(pl.col("minutes").sum()),
            pl.col("events_count").sum(),
            pl.col("target_share").first(),
        )
    )
    rows, is_by_events = [], False
    for (name,), part in sums.sort("programme_id").group_by("programme_id", maintain_order=True):
        minutes, events, targets = (
            [dict(part.select("strand", column).iter_rows())[strand] for strand in STRANDS]
            for column in ("minutes", "events_count", "target_share")
        )
        has_minutes = any(minutes)
        figures = [
            None if length is None and (has_minutes or not count) else length if has_minutes else count
            for length, count in zip(minutes, events, strict=True)
        ]
        total = sum(figure or 0 for figure in figures)
        if total:
            is_by_events |= not has_minutes
            shares = [None if figure is None else figure / total for figure in figures]
            aims = None if None in targets else targets
            rows.append((-sum(events), Bar(str(name), shares, aims, "" if has_minutes else "*")))
    ordered = [bar for _, bar in sorted(rows, key=lambda row: row[0])]
    note = "* by events" if is_by_events else ""
    return bars(ordered, _STRAND_COLOURS, about="Learning mix by programme", note=note)


def _bars(rows: Sequence[Bar], left: int, colours: Mapping[str, str], about: str, note: str) -> str:
    wide = WIDTH - _BARS_FROM
    names, lines = [], ""
    strokes = dict.fromkeys(colours, "")
    for number, row in enumerate(rows):
        middle = _ROW * number + 10
        percents = ":".join("?" if share is None else f"{share * 100:.0f}" for share in row.shares)
        names.append(f"<text y='{middle + 4}'>{label(row.name)}{row.mark} {percents}</text>")
        ends = [
            _BARS_FROM + round(wide * so_far) for so_far in accumulate((share or 0 for share in row.shares), initial=0)
        ]
        for part, begin, end in zip(colours, ends, ends[1:], strict=False):
            strokes[part] += f"M{begin},{middle}h{end - begin}" if end > begin else ""
        for so_far in list(accumulate(row.targets or ()))[:-1]:
            lines += f"M{_BARS_FROM + round(wide * so_far)},{middle - 8}v16"
    paths = [
        f"<path stroke='{colours[part]}' stroke-width='11' d='{stroke}'/>" for part, stroke in strokes.items() if stroke
    ]
    aims = [f"<path stroke='{GREY}' stroke-width='2' d='{lines}'/>"] if lines else []
    said = [*(["| target"] if lines else []), *([note] if note else []), *([f"and {left} more"] if left else [])]
    words = " ".join([*(f"<tspan fill='{colour}'>{part}</tspan>" for part, colour in colours.items()), ", ".join(said)])
    bottom = _ROW * len(rows) + 14
    legend = f"<text y='{bottom}'>{words.strip()}</text>"
    return image(about, bottom + 6, [*names, *paths, *aims, legend])


def roi_intervals(roi: pl.DataFrame) -> str:
    """ROI with its 95 % interval of each headline row that has one, programmes in order; a line where it is zero.

    `roi` is the mart. An m after the name says that the row is of mentoring alone.
    """
    rows = (
        roi.filter("is_headline", pl.col("roi_percent").is_not_null())
        .sort("programme_id", pl.col("component") == "mentoring")
        .select("programme_id", "component", "roi_percent", "roi_low_percent", "roi_high_percent")
    )
    drawn = [
        Interval(name, " m" if component == "mentoring" else "", f"{estimate:.0f}%", estimate, low, high)
        for name, component, estimate, low, high in rows.iter_rows()
    ]
    return intervals(drawn, about="ROI by programme", note="m mentoring", nothing="no ROI can be said")


def effect_intervals(effects: pl.DataFrame, contrast: str) -> str:
    """The effect of a contrast with its 95 % interval in points, all programmes together first; `effects` is the mart."""
    rows = (
        effects.filter(
            pl.col("contrast") == contrast, pl.col("subgroup_kind") == "all", pl.col("effect_points").is_not_null()
        )
        .sort(pl.col("programme_id") != "all", "programme_id")
        .select("programme_id", "verdict", "effect_points", "effect_low_points", "effect_high_points")
    )
    drawn = [
        Interval(name, "?" if verdict == "weak" else "", f"{estimate:+.1f}", estimate, low, high)
        for name, verdict, estimate, low, high in rows.iter_rows()
    ]
    return intervals(
        drawn, about=f"Effect of {contrast} in points", note="points, ? weak", nothing="no effect can be said"
    )


class Interval(NamedTuple):
    """A line with a dot: its name, a mark after it, the estimate as text, estimate and both ends."""

    name: str
    mark: str
    said: str
    estimate: float
    low: float
    high: float


def intervals(rows: Sequence[Interval], *, about: str, note: str, nothing: str) -> str:
    """Intervals one under the other and a line at zero; as many as fit, the last line says how many more there are."""
    return _fitting(len(rows), lambda shown: _intervals(rows[:shown], len(rows) - shown, about, note, nothing))


def _intervals(rows: Sequence[Interval], left: int, about: str, note: str, nothing: str) -> str:
    ends = [0.0, *(end for row in rows for end in (row.low, row.high))]
    least, span = min(ends), max(max(ends) - min(ends), 1.0)

    def across(value: float) -> int:
        return _BARS_FROM + round((WIDTH - _BARS_FROM - 6) * (value - least) / span) + 3

    names, lines, dots = [], "", ""
    for number, row in enumerate(rows):
        middle = _ROW * number + 10
        names.append(f"<text y='{middle + 4}'>{label(row.name)}{row.mark} {row.said}</text>")
        lines += f"M{across(row.low)},{middle}H{across(row.high)}"
        dots += f"M{across(row.estimate) - 3},{middle}h6"
    bottom = _ROW * len(rows) + 14
    said = [*(["| zero", note] if rows else [nothing]), *([f"and {left} more"] if left else [])]
    paths = [
        f"<path stroke='#77b' stroke-width='3' d='{lines}'/>",
        f"<path stroke='#d60' stroke-width='9' d='{dots}'/>",
        f"<path stroke='{GREY}' d='M{across(0)},0V{bottom - 12}'/>",
    ]
    legend = f"<text y='{bottom}'>{', '.join(said)}</text>"
    return image(about, bottom + 6, [*names, *(paths if rows else []), legend])


def overlap_curves(overlap: pl.DataFrame) -> str:
    """How likely treatment was: shares of the treated, of the controls, and of these weighted, by propensity.

    `overlap` is the mart, of one programme and contrast; empty where nothing was estimated.
    """
    if overlap.is_empty():
        return image("Overlap", 20, ["<text y='14'>nothing was estimated</text>"])
    rows = overlap.sort("propensity_low_share")
    curves = {"treated": "#d60", "controls": "#aaa", "weighted": "#77b"}
    columns = dict(zip(curves, ("treated_share", "controls_share", "weighted_controls_share"), strict=True))
    used = rows.filter(pl.max_horizontal(columns.values()) > 0)["propensity_low_share"].max()
    end = float(used) if isinstance(used, float) else 1.0
    shown = rows.filter(pl.col("propensity_low_share") <= end)
    highest = max(float(shown[column].max() or 0) for column in columns.values()) or 1.0  # type: ignore[arg-type]
    step = (WIDTH - 20) // max(shown.height - 1, 1)
    paths = []
    for name, colour in curves.items():
        heights = [90 - round(84 * share / highest) for share in shown[columns[name]]]
        steps = "".join(f"l{step},{now - then}" for then, now in pairwise(heights))
        paths.append(f"<path fill='none' stroke='{colour}' stroke-width='2' d='M10,{heights[0]}{steps}'/>")
    words = " ".join(f"<tspan fill='{colour}'>{name}</tspan>" for name, colour in curves.items())
    axis = f"<text x='10' y='106'>propensity 0 to {end + 0.05:.0%}: {words}</text>"
    return image("Overlap of treated and controls", 112, [*paths, axis])


class Count(NamedTuple):
    """One bar of counts: its name, its parts, what stands behind the name instead of their sum."""

    name: str
    parts: Sequence[float]
    said: str = ""


def counts(
    rows: Sequence[Count], colours: Mapping[str, str], *, about: str, note: str = "", nothing: str = "nothing to show"
) -> str:
    """Bars one under the other on one scale, longest names cut; `colours` has the parts' names in order.

    As many rows as fit are drawn, the first ones; the last line says how many more there are, and `note`.
    """
    return _fitting(len(rows), lambda shown: _counts(rows[:shown], len(rows) - shown, colours, about, note, nothing))


def _counts(rows: Sequence[Count], left: int, colours: Mapping[str, str], about: str, note: str, nothing: str) -> str:
    if not rows and not left:
        return image(about, 20, [f"<text y='14'>{nothing}</text>"])
    scale = (WIDTH - _BARS_FROM) / (max((sum(row.parts) for row in rows), default=0) or 1)
    names = []
    strokes = dict.fromkeys(colours, "")
    for number, row in enumerate(rows):
        middle = _ROW * number + 10
        said = row.said or f"{sum(row.parts):.0f}"
        names.append(f"<text y='{middle + 4}'>{label(row.name, 20)} {said}</text>")
        ends = [_BARS_FROM + round(scale * so_far) for so_far in accumulate(row.parts, initial=0)]
        for part, begin, end in zip(colours, ends, ends[1:], strict=False):
            strokes[part] += f"M{begin},{middle}h{end - begin}" if end > begin else ""
    paths = [
        f"<path stroke='{colours[part]}' stroke-width='11' d='{stroke}'/>" for part, stroke in strokes.items() if stroke
    ]
    parts = [
        f"<tspan fill='{colour}'>{part}</tspan>"
        for part, colour in colours.items()
        if strokes[part] and len(colours) > 1
    ]
    words = " ".join([*parts, ", ".join([*([note] if note else []), *([f"and {left} more"] if left else [])])]).strip()
    bottom = _ROW * len(rows) + 14
    legend = [f"<text y='{bottom}'>{words}</text>"] if words else []
    return image(about, bottom + (6 if words else -8), [*names, *paths, *legend])


class Curve(NamedTuple):
    """A line: its name and its points."""

    name: str
    points: Sequence[tuple[float, float]]


def curves(lines: Sequence[Curve], *, about: str, across: str, top: float | None = None, diagonal: bool = False) -> str:
    """Lines of shares on one pair of axes, the first `len(CURVE_COLOURS)` of them; `across` says what the x axis is.

    Up to `top` (where None: the highest of all), which is written in percent at the upper left. `diagonal` draws where
    both shares are equal, both axes ending at `top`. As many lines as fit are drawn; the last line says how many more.
    """
    lines = [line for line in lines if len(line.points) > 1]
    most = min(len(lines), len(CURVE_COLOURS))
    return _fitting(most, lambda shown: _curves(lines[:shown], len(lines) - shown, about, across, top, diagonal))


def _curves(
    lines: Sequence[Curve],
    left: int,
    about: str,
    across: str,
    top: float | None,
    diagonal: bool,
) -> str:
    if not lines:
        return image(about, 20, ["<text y='14'>nothing to show yet</text>"])
    end = top or max(y for line in lines for _, y in line.points) or 1.0
    first, last = (pick(x for line in lines for x, _ in line.points) for pick in (min, max))
    if diagonal:
        first, last = 0.0, end
    wide, high = WIDTH - 60, 100

    def at(point: tuple[float, float]) -> tuple[int, int]:
        x, y = point
        return 40 + round(wide * (x - first) / ((last - first) or 1)), 6 + round(high * (1 - min(y / end, 1)))

    equal = f"M40,106L{40 + wide},6" if diagonal else ""
    parts = [
        f"<text y='14'>{end:.0%}</text><text y='108'>0</text>",
        f"<path fill='none' stroke='{GREY}' d='M38,4V108H{WIDTH - 18}{equal}'/>",
    ]
    for line, colour in zip(lines, CURVE_COLOURS, strict=False):
        places = [at(point) for point in line.points]
        steps = "".join(f"l{x - was_x},{y - was_y}" for (was_x, was_y), (x, y) in pairwise(places))
        parts.append(
            f"<path fill='none' stroke='{colour}' stroke-width='2' d='M{places[0][0]},{places[0][1]}{steps}'/>"
        )
    words = " ".join(
        f"<tspan fill='{colour}'>{label(line.name)}</tspan>" for line, colour in zip(lines, CURVE_COLOURS, strict=False)
    )
    more = f" and {left} more" if left else ""
    return image(about, 130, [*parts, f"<text x='40' y='124'>{across} {words}{more}</text>"])


def heat(rows: Sequence[tuple[str, Sequence[float | None]]], *, about: str, note: str) -> str:
    """A row of cells for each name, the darker the nearer to the highest of all; none where nothing is known.

    As many rows as fit are drawn, the first ones; the last line says how many more there are, and `note`.
    """
    return _fitting(len(rows), lambda shown: _heat(rows[:shown], len(rows) - shown, about, note))


def _heat(rows: Sequence[tuple[str, Sequence[float | None]]], left: int, about: str, note: str) -> str:
    if not any(cell is not None for _, cells in rows for cell in cells):
        return image(about, 20, ["<text y='14'>nothing to show yet</text>"])
    highest = max(cell for _, cells in rows for cell in cells if cell is not None) or 1.0
    step = (WIDTH - 116) // max(len(cells) for _, cells in rows)
    strokes = dict.fromkeys(range(1, _SHADES + 1), "")
    names = []
    for number, (name, cells) in enumerate(rows):
        middle = _ROW * number + 10
        names.append(f"<text y='{middle + 4}'>{label(name, 16)}</text>")
        shades = [None if cell is None else max(1, ceil(_SHADES * cell / highest)) for cell in cells]
        place = 0
        for shade, run in groupby(shades):
            length = len(list(run))
            if shade:
                strokes[shade] += f"M{116 + step * place},{middle}h{step * length}"
            place += length
    paths = [f"<path opacity='{shade / _SHADES:.2g}' d='{stroke}'/>" for shade, stroke in strokes.items() if stroke]
    bottom = _ROW * len(rows) + 14
    more = f", and {left} more" if left else ""
    legend = f"<text y='{bottom}'>{note}{more}</text>"
    return image(about, bottom + 6, [*names, f"<g stroke='#77b' stroke-width='18'>{''.join(paths)}</g>", legend])
