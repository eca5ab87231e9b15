"""What programmes cost and returned, and what mentoring changed, as reports tell it.

Belongs here: sentences, drawings and tables of programme_roi and mentoring_effect. Does not belong here: any estimate
(`roi`, `effect`), the page they stand on (`report_night`, `report_programme`).

A return is told with its interval, how its benefit was isolated, its verdict and why; where it cannot be said, that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from models.card_figures import UNKNOWN
from models.document import Block, Figure, Grid, Paragraph
from models.report_figures import Interval, intervals
from models.report_words import (
    CONTRASTS,
    ISOLATIONS,
    SUPPRESSED,
    VERDICTS,
    between,
    chance,
    label,
    money,
    points,
    ratio,
    sentence,
    whole_percent,
)

Row = Mapping[str, Any]
_EFFECT_ABOUT = (
    "Percentage points of abandonment within 8 weeks; below zero fewer abandon. Each estimate compares people who were alike in "
    "all that the records show. What no record shows may still differ."
)


def headlines(roi: pl.DataFrame, component: str | None = None) -> list[Row]:
    """The rows to read, programme before its mentoring."""
    rows = roi.filter("is_headline").sort("programme_id", pl.col("component") == "mentoring").iter_rows(named=True)
    return [row for row in rows if component in {None, row["component"]}]


def conservative(roi: pl.DataFrame, row: Row) -> Row | None:
    """The conservative row beside a headline row."""
    key = ("programme_id", "course_id", "strand", "component", "isolation")
    same = roi.filter(pl.col("method") == "conservative", *(pl.col(name) == row[name] for name in key))
    return same.row(0, named=True) if same.height else None


def verdict(row: Row, reason: str = "withheld_reason") -> str:
    """A verdict with its reason."""
    said = VERDICTS.get(row["verdict"], label(row["verdict"]))
    return said + (f": {row[reason]}" if row[reason] else "")


def return_sentences(row: Row) -> Iterator[str]:
    """What a headline row says, for who has never heard of ROI."""
    what = "The programme" if row["component"] == "programme" else "Its mentoring"
    if row["roi_percent"] is None:
        why = SUPPRESSED if row["is_suppressed"] else row["withheld_reason"] or "no reason is on record"
        yield f"What {what[:1].lower()}{what[1:]} returned cannot be said: {why}."
    else:
        low, high = row["roi_low_percent"], row["roi_high_percent"]
        back = row["benefit_cost_ratio"]
        each = (
            f"is estimated to have returned {ratio(back)} for each 1.00 spent"
            if back is not None and back >= 0
            else "is estimated to have lost more than it cost"
        )
        yield (
            f"{what} {each}: a return on investment (ROI) of {whole_percent(row['roi_percent'])}, and with 95 % confidence "
            f"between {whole_percent(low)} and {whole_percent(high)}."
        )
        if low <= 0 <= high:
            yield "The interval holds zero: it may have returned more than it cost, or less."
        positive, prior = row["roi_positive_probability"], row["roi_positive_prior_probability"]
        if positive is not None:
            beside = f" ({chance(prior)} where what other studies found is counted in)" if prior is not None else ""
            yield f"The chance that it returned more than it cost is {chance(positive)}{beside}."
        yield f"Of all that improved, it counts what was isolated by {ISOLATIONS.get(row['isolation'], row['isolation'])}."
        if row["verdict"] != "usable":
            yield sentence(f"take this as weak evidence: {row['withheld_reason'] or 'see below'}")
    if row["break_even_effect_points"] is not None:
        yield (
            f"{what} pays back from {row['break_even_effect_points']:.1f} percentage points fewer abandoning, whatever "
            "caused them."
        )


def roi_blocks(roi: pl.DataFrame, names: Mapping[str, str]) -> Iterator[Block]:
    """Headline rows with their conservative twins, drawn and as a table."""
    rows = headlines(roi)
    if not rows:
        yield Paragraph("No programme has a row about its return: costs or benefits have not been given.")
        return
    drawn = [
        Interval(
            _name(row, names),
            whole_percent(row["roi_percent"]),
            row["roi_percent"],
            row["roi_low_percent"],
            row["roi_high_percent"],
        )
        for row in rows
        if row["roi_percent"] is not None
    ]
    if drawn:
        about = "Return on investment of each programme and of its mentoring, with 95 % intervals."
        yield Figure("ROI with its 95 % interval", intervals(drawn, about=about, unit="percent"))
    grid = []
    for row in rows:
        low, high = row["roi_low_percent"], row["roi_high_percent"]
        beside = conservative(roi, row)
        grid.append(
            (
                _name(row, names),
                money(row["cost_amount"], row["currency"]),
                UNKNOWN
                if row["roi_percent"] is None
                else f"{whole_percent(row['roi_percent'])}\n({between(low, high, '%')})",
                whole_percent(beside["roi_percent"]) if beside else UNKNOWN,
                ratio(row["benefit_cost_ratio"]),
                chance(row["roi_positive_probability"]),
                SUPPRESSED if row["is_suppressed"] else verdict(row),
            )
        )
    head = ("what", "cost", "ROI (95 % interval)", "conservative", "benefit / cost", "chance above zero", "verdict")
    yield Grid("Cost and return", head, tuple(grid))


def effect_blocks(effects: pl.DataFrame, names: Mapping[str, str]) -> Iterator[Block]:
    """What mentoring changed, all contrasts that were named in advance, drawn and as a table."""
    rows = list(
        effects.filter(pl.col("subgroup_kind") == "all", pl.col("role") != "exploratory")
        .sort(pl.col("programme_id") == "all", "programme_id", "role", descending=[True, False, False])
        .iter_rows(named=True)
    )
    if not rows:
        yield Paragraph("No effect has been estimated: no mentoring is on record, or too little.")
        return
    yield Paragraph(_EFFECT_ABOUT)
    drawn = [
        Interval(
            _contrast(row, names), points(row["effect_points"]), row["effect_points"], row["effect_low_points"],
            row["effect_high_points"],
        )
        for row in rows
        if row["effect_points"] is not None
    ]  # fmt: skip
    if drawn:
        about = (
            "Effect of mentoring on abandonment in percentage points, with 95 % intervals; below zero fewer abandon."
        )
        yield Figure(
            "Effect with its 95 % interval", intervals(drawn, about=about, unit="points", scale="left: fewer abandon")
        )
    grid = tuple(
        (
            _contrast(row, names),
            UNKNOWN
            if row["effect_points"] is None
            else f"{points(row['effect_points'])}\n({between(row['effect_low_points'], row['effect_high_points'], 'points', 1)})",
            UNKNOWN if row["untreated_percent"] is None else f"{row['untreated_percent']:.1f}\u00a0%",
            UNKNOWN if row["minimum_detectable_points"] is None else f"{row['minimum_detectable_points']:.1f}",
            UNKNOWN if row["e_value"] is None else ratio(row["e_value"]),
            verdict(row, "reason"),
        )
        for row in rows
    )
    head = ("of", "effect (95 % interval)", "would abandon without", "least that would be found", "E-value", "verdict")
    yield Grid("What mentoring changed in abandonment", head, grid)


def effect_sentence(rows: Sequence[Row]) -> str:
    """The primary contrast in words."""
    row = next((row for row in rows if row["role"] == "primary"), rows[0] if rows else None)
    if row is None:
        return "What mentoring changed has not been estimated."
    what = CONTRASTS.get(row["contrast"], label(row["contrast"]))
    if row["effect_points"] is None:
        return f"What {what} changed in abandonment cannot be said: {row['reason']}."
    low, high = row["effect_low_points"], row["effect_high_points"]
    plain = (
        "This cannot be told from zero, which does not mean that there is no effect."
        if low <= 0 <= high
        else "By this estimate fewer abandon than would have without it."
        if high < 0
        else "By this estimate more abandon than would have without it."
    )
    weak = "" if row["verdict"] == "usable" else f" The evidence is weak: {row['reason']}."
    return (
        f"After {what}, abandonment within 8 weeks changed by an estimated {points(row['effect_points'])} percentage points, "
        f"between {points(low)} and {points(high)} with 95 % confidence. {plain}{weak}"
    )


def _name(row: Row, names: Mapping[str, str]) -> str:
    name = names.get(row["programme_id"], row["programme_id"])
    return name if row["component"] == "programme" else f"{name}: its mentoring"


def _contrast(row: Row, names: Mapping[str, str]) -> str:
    what = label(row["contrast"])
    if row["programme_id"] == "all":
        return f"all programmes: {what}"
    return f"{names[row['programme_id']]}: {what}" if row["programme_id"] in names else what
