"""Small cells withheld, and with them as many others as keep them from being worked out.

Belongs here: primary and complementary suppression of any table of counts. Does not belong here: what is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

SMALL_CELL = 10

TOTAL, PART, REMAINDER = "total", "part", "remainder"
# What is hidden costs least where it is published least.
_DEARNESS = {REMAINDER: 0, PART: 1, TOTAL: 2}


class _Cell(NamedTuple):
    people: int
    role: str


def suppress(
    rows: pl.DataFrame,
    *,
    count: str,
    measures: Sequence[str],
    groups: Sequence[Sequence[str]],
    k: int = SMALL_CELL,
    role: pl.Expr | None = None,
) -> pl.DataFrame:
    """The rows with `measures` null where fewer than k people, or the complement of such a row, are behind them.

    Args:
        rows: sorted; of several rows that would serve equally the first is withheld.
        count: column of distinct people, never null; a row of 0 people is a true zero and stays.
        measures: columns to withhold; name `count` among them where it is published.
        k: least people behind a figure.
        groups: for each equation of published figures, the columns whose values its rows share.
        role: of each row in its groups: 'total', 'part' (the default), or 'remainder', a part that is not published
            but could be worked out from those that are. A group without a total is one whose total is known elsewhere.

    Returns the rows with `is_suppressed` added.

    In a group with a withheld row, subtracting what is published leaves the sum of at least two withheld rows, and at
    least k people are behind that sum, unless all of its rows with people are withheld. Counts of people overlap, so the
    people behind a sum are taken to be the largest count in it, or the total less what is published, whichever is more.
    This holds within each group; where groups cross, several equations solved together are not looked at.
    """
    numbered = rows.with_columns(_role=pl.lit(PART) if role is None else role).with_row_index("place")
    cells = [_Cell(*cell) for cell in numbered.select(count, "_role").iter_rows()]
    hidden = {place for place, cell in enumerate(cells) if 0 < cell.people < k}
    parts = [
        places
        for columns in groups
        for places in numbered.group_by(columns, maintain_order=True).agg("place")["place"].to_list()
    ]
    while added := {place for places in parts for place in _complement(places, cells, hidden, k)}:
        hidden |= added
    is_suppressed = pl.Series("is_suppressed", [place in hidden for place in range(rows.height)], dtype=pl.Boolean)
    return rows.with_columns(is_suppressed).with_columns(
        pl.when(~pl.col("is_suppressed")).then(pl.col(name)).alias(name) for name in measures
    )


def _complement(places: Sequence[int], cells: Sequence[_Cell], hidden: set[int], k: int) -> list[int]:
    """The row to withhold next so that the group's withheld rows cannot be told apart; none where they cannot."""
    closed = [place for place in places if place in hidden]
    shown = [place for place in places if place not in hidden and cells[place].people]
    if not closed or not shown or (len(closed) > 1 and _people_behind(closed, shown, cells) >= k):
        return []
    return [min(shown, key=lambda place: (_DEARNESS[cells[place].role], cells[place].people, place))]


def _people_behind(closed: Sequence[int], shown: Sequence[int], cells: Sequence[_Cell]) -> int:
    """At least so many people are behind what subtraction within a group leaves."""
    total = next((cells[place].people for place in shown if cells[place].role == TOTAL), 0)
    published = sum(cells[place].people for place in shown if cells[place].role != TOTAL)
    return max(total - published, *(cells[place].people for place in closed))
