"""The learning mix as reports tell it: one line a programme, or one programme strand by strand.

Belongs here: sums over the months that the mart publishes, their drawing and table. Does not belong here: the mart
(`learning_mix`), its picture for the UI.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl

from data_contracts.fields.learning import STRANDS
from models.card_figures import UNKNOWN
from models.document import Block, Figure, Grid, Paragraph
from models.report_figures import Bar, bars, shares
from models.report_words import STRANDS as STRAND_WORDS
from models.report_words import count, label, share

ABOUT = (
    "What logs and mentoring records measured. Most of what is learnt by doing leaves no record, and what is not recorded "
    "is not what did not happen: coverage says of how many active participants there is any record of the strand. The split "
    "describes how time was spent; it says nothing about which strand did more good."
)


@dataclass(frozen=True, slots=True)
class Strand:
    """One strand of one programme over all published months; None where nothing is known, or it is withheld."""

    name: str
    minutes: float | None
    events: int
    coverage: float | None
    target: float | None
    withheld_months: int


def strands(mix: pl.DataFrame) -> dict[str, list[Strand]]:
    """Each programme's strands, formal, social, experiential, summed over the months of learning_mix."""
    sums = (
        mix.filter(pl.col("course_id") == "all")
        .group_by("programme_id", "strand")
        .agg(
            pl.when(pl.col("minutes").count() > 0).then(pl.col("minutes").sum()),
            pl.col("events_count").sum(),
            pl.col("coverage_share").mean(),
            pl.col("target_share").drop_nulls().first(),
            pl.col("is_suppressed").sum(),
        )
        .sort("programme_id")
    )
    found: dict[str, list[Strand]] = {}
    for programme, strand, minutes, events, *rest in sums.iter_rows():
        found.setdefault(programme, []).append(Strand(strand, minutes, int(events or 0), *rest))
    return {programme: sorted(rows, key=lambda row: STRANDS.index(row.name)) for programme, rows in found.items()}


def split(rows: Sequence[Strand]) -> tuple[dict[str, float], str] | None:
    """Shares of the strands, and of what: minutes, or where none are known events; none where there is neither."""
    by_minutes = shares({row.name: row.minutes for row in rows})
    if by_minutes:
        return by_minutes, "minutes"
    by_events = shares({row.name: float(row.events) for row in rows})
    return (by_events, "events") if by_events else None


def told(rows: Sequence[Strand]) -> str:
    """The split in short."""
    found = split(rows)
    if found is None:
        return "withheld or nothing recorded"
    parts, unit = found
    shown = [f"{parts[row.name] * 100:.0f}" if is_measured(row, unit) else "?" for row in rows]
    return " : ".join(shown) + (" by events" if unit == "events" else "")


def is_measured(row: Strand, unit: str) -> bool:
    """Whether a share of it says anything: not of minutes that nobody knows, although something happened."""
    return unit != "minutes" or (row.minutes is not None and (row.minutes > 0 or not row.events))


def overview(mix: pl.DataFrame, names: dict[str, str]) -> Iterator[Block]:
    """All programmes, one bar each, upright marks where their targets divide them."""
    found = strands(mix)
    yield Paragraph(ABOUT)
    drawn = [
        Bar(names.get(programme, programme), told(rows), [parts[0][row.name] for row in rows], _marks(rows))
        for programme, rows in found.items()
        if (parts := split(rows))
    ]
    if drawn:
        about = (
            "Learning mix of each programme: shares of formal, social and experiential; upright marks are its target."
        )
        yield Figure("Formal : social : experiential, in percent", bars(drawn, STRANDS, about=about, is_share=True))
    grid = tuple(
        (
            names.get(programme, programme),
            told(rows),
            " : ".join(f"{row.target * 100:.0f}" if row.target is not None else "?" for row in rows)
            if any(row.target is not None for row in rows)
            else "none set",
            " : ".join(share(row.coverage) for row in rows),
        )
        for programme, rows in found.items()
    )
    yield Grid("Learning mix, formal : social : experiential", ("programme", "measured", "target", "coverage"), grid)


def of_programme(mix: pl.DataFrame) -> Iterator[Block]:
    """One programme's strands with share, target, coverage and hours; what they cost stands with its cost."""
    rows = next(iter(strands(mix).values()), [])
    yield Paragraph(ABOUT)
    found = split(rows)
    if found:
        about = "Measured share of each strand; the upright marks are the programme's target."
        whole = [
            Bar("measured", told(rows), [found[0][row.name] for row in rows], _marks(rows)),
        ]
        yield Figure(f"Shares of the {found[1]}", bars(whole, [row.name for row in rows], about=about, is_share=True))
    grid = tuple(
        (
            STRAND_WORDS.get(row.name, label(row.name)),
            share(found[0][row.name]) if found and is_measured(row, found[1]) else UNKNOWN,
            share(row.target),
            share(row.coverage),
            UNKNOWN if row.minutes is None else f"{row.minutes / 60:,.0f}",
            count(row.events),
        )
        for row in rows
    )
    head = ("strand", "measured", "target", "coverage", "hours", "events")
    yield Grid("The three strands", head, grid)
    withheld = sum(row.withheld_months for row in rows)
    if withheld:
        yield Paragraph(
            f"Withheld, since few people are behind them, and in none of these sums: {withheld} of the monthly figures."
        )


def _marks(rows: Sequence[Strand]) -> list[float]:
    targets = [row.target for row in rows]
    return [] if None in targets else list(accumulate(target or 0 for target in targets))[:-1]
